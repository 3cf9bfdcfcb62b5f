package console

import (
	"encoding/json"
	"strings"

	"github.com/muster-id/muster/internal/store"
)

// auditList is a page of the audit log.
type auditList struct {
	Entries     []store.Entry
	Query       store.AuditQuery
	Since       string // as for the provisioning log
	From, Until string // and so are these
	After, Next string
}

func (rq *request) auditQuery() auditList {
	v := auditList{Since: rq.FormValue("since"), After: rq.FormValue("after")}
	v.Query = store.AuditQuery{
		Actor: strings.TrimSpace(rq.FormValue("actor")), Object: strings.TrimSpace(rq.FormValue("object")), Type: rq.FormValue("type"), Action: rq.FormValue("action"),
		After: v.After, Limit: pageSize,
	}
	v.From, v.Until, v.Query.Since, v.Query.Until = rq.between(v.Since)
	return v
}

// query is the filters as parameters of an address.
func (v auditList) query() []string {
	return []string{"actor", v.Query.Actor, "object", v.Query.Object, "type", v.Query.Type, "action", v.Query.Action, "since", v.Since, "from", v.From, "until", v.Until}
}

func (c *console) audit(rq *request) error {
	v := rq.auditQuery()
	var err error
	if v.Entries, err = rq.desk.AuditPage(rq.Context(), v.Query); err != nil {
		return err
	}
	if len(v.Entries) == pageSize {
		v.Next = v.Entries[pageSize-1].ID
	}
	if rq.partial("list") {
		return rq.ok(auditTable(v))
	}
	return rq.ok(auditPage(rq.page.titled("Audit log"), v))
}

func (c *console) exportAudit(rq *request) error {
	return export(c, rq, "muster-audit", rq.desk.AuditLog(rq.Context(), rq.auditQuery().Query), auditColumns)
}

// auditColumns are the columns of the audit log as a table.
var auditColumns = []column[store.Entry]{
	{"time", func(e store.Entry) string { return stamp(e.At) }},
	{"who", func(e store.Entry) string { return e.Actor }},
	{"via", func(e store.Entry) string { return e.Via }},
	{"did", func(e store.Entry) string { return e.Action }},
	{"type", func(e store.Entry) string { return e.Type }},
	{"name", func(e store.Entry) string { return e.Name }},
	{"id", func(e store.Entry) string { return e.Object }},
	{"before", func(e store.Entry) string { return document(e.Before) }},
	{"after", func(e store.Entry) string { return document(e.After) }},
	{"record", func(e store.Entry) string { return e.ID }},
}

// document writes one side of an audit record in one line.
func document(doc map[string]any) string {
	if len(doc) == 0 {
		return ""
	}
	b, _ := json.Marshal(doc) // it has been read from JSON
	return string(b)
}

// auditTypes are what audit records are about, as options of a select.
var auditTypes = options("all", "administrator", "application", "group", "setting", "source", "token", "user", "webhook")

// auditActions are the commonest of what is done.
var auditActions = options("all", "approve", "assign", "create", "delete", "disable", "end sessions", "fail to sign in", "follow link", "import", "issue link", "pause", "purge", "reject", "restart", "restore", "resume", "revoke", "set secret", "sign in", "sync", "update", "update members")

// options are values that are also what people read of them, with "" for all of them first.
func options(all string, values ...string) []string {
	out := []string{"", all}
	for _, v := range values {
		out = append(out, v, v)
	}
	return out
}
