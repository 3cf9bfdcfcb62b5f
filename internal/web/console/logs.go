package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
)

// logList is a page of the provisioning log.
type logList struct {
	Records      []admin.Record
	Filter       admin.LogFilter
	Since        string // 1h, 24h, 7d, 30d, "" for all
	From, Until  string // in place of it, as their fields write them: UTC
	After, Next  string
	Applications []string
	Problem      *admin.Problem
	Live         bool
}

// ages are what the log can be cut down to.
var ages = map[string]time.Duration{"1h": time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour}

// filter reads the filters of the log from a request.
func (rq *request) filter() (logList, error) {
	l := logList{Since: rq.FormValue("since"), After: rq.FormValue("after"), Live: rq.FormValue("live") != ""}
	l.Filter = admin.LogFilter{
		Application: rq.FormValue("app"), User: strings.TrimSpace(rq.FormValue("user")), Group: strings.TrimSpace(rq.FormValue("group")),
		Status: rq.FormValue("status"), Action: rq.FormValue("action"), Cycle: rq.FormValue("cycle"), Last: pageSize,
	}
	l.From, l.Until, l.Filter.Since, l.Filter.Until = rq.between(l.Since)
	var err error
	l.Applications, err = rq.desk.ApplicationNames(rq.Context())
	return l, err
}

// fieldTime is how a field for a time writes one.
const fieldTime = "2006-01-02T15:04"

// between reads which time a list of a log is about: since some age, or from and until the moments that are written into
// fields. What is no moment is left out.
func (rq *request) between(age string) (from, until string, since, before time.Time) {
	read := func(name string) (string, time.Time) {
		t, err := time.Parse(fieldTime, rq.FormValue(name))
		if err != nil {
			return "", time.Time{}
		}
		return t.Format(fieldTime), t
	}
	from, since = read("from")
	until, before = read("until")
	if d := ages[age]; d > 0 && since.IsZero() {
		since = time.Now().Add(-d)
	}
	return from, until, since, before
}

func (c *console) logs(rq *request) error {
	l, err := rq.filter()
	if err != nil {
		return err
	}
	l.Records, l.Next, err = rq.desk.LogPage(rq.Context(), l.Filter, true, l.After, pageSize)
	if p := admin.Explain(err); p != nil && p.Exit == admin.ExitUsage {
		l.Problem, err = p, nil // a name that nobody has
	}
	if err != nil {
		return err
	}
	if rq.partial("list") {
		return rq.ok(logTable(l))
	}
	return rq.ok(logsPage(rq.page.titled("Provisioning logs"), l))
}

// query is the log's filters as parameters of an address.
func (l logList) query() []string {
	f := l.Filter
	live := ""
	if l.Live {
		live = "on"
	}
	return []string{"app", f.Application, "user", f.User, "group", f.Group, "status", f.Status, "action", f.Action, "cycle", f.Cycle, "since", l.Since, "from", l.From, "until", l.Until, "live", live}
}

// exportLogs writes everything that the filters pick, as it comes: memory stays flat.
func (c *console) exportLogs(rq *request) error {
	l, err := rq.filter()
	if err != nil {
		return err
	}
	l.Filter.Last = 0
	return export(c, rq, "muster-log", rq.desk.Log(rq.Context(), l.Filter), logColumns)
}

// logColumns are the columns of the provisioning log as a table.
var logColumns = []column[admin.Record]{
	{"time", func(r admin.Record) string { return stamp(r.Time) }},
	{"application", func(r admin.Record) string { return r.Application }},
	{"action", func(r admin.Record) string { return string(r.Action) }},
	{"status", func(r admin.Record) string { return r.Status }},
	{"type", func(r admin.Record) string { return string(r.Type) }},
	{"source", func(r admin.Record) string { return r.Source.Name }},
	{"source id", func(r admin.Record) string { return r.Source.ID }},
	{"target", func(r admin.Record) string { return r.Target.Name }},
	{"target id", func(r admin.Record) string { return said(r.Target.ID) }},
	{"reason", func(r admin.Record) string { return r.Reason }},
	{"changes", func(r admin.Record) string { return changesLine(r.Changes) }},
	{"verified", func(r admin.Record) string { return fmt.Sprint(r.Verified) }},
	{"error", func(r admin.Record) string { return failureOf(r).Reason }},
	{"recommendation", func(r admin.Record) string { return failureOf(r).Recommendation }},
	{"initiated by", func(r admin.Record) string { return r.InitiatedBy }},
	{"cycle", func(r admin.Record) string { return r.CycleID }},
}

func failureOf(r admin.Record) admin.RecordError {
	if r.Error == nil {
		return admin.RecordError{}
	}
	return *r.Error
}

func said(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// changesLine writes changes in one line.
func changesLine(list []provision.Change) string {
	lines := make([]string, len(list))
	for i, ch := range list {
		lines[i] = fmt.Sprintf("%s: %s -> %s", short(ch.Attribute), shown(ch.Old), shown(ch.New))
	}
	return strings.Join(lines, "; ")
}

// shown writes one side of a change.
func shown(v any) string {
	list, ok := v.([]provision.Subject)
	if !ok {
		return value(v)
	}
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

func (c *console) record(rq *request) error {
	r, err := rq.desk.Record(rq.Context(), rq.PathValue("id"))
	if err != nil {
		return err
	}
	return rq.ok(recordPage(rq.page.titled(string(r.Action)+" "+whom(r), crumb{"Provisioning logs", "/logs"}), r))
}
