package console

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// logList is a page of the provisioning log.
type logList struct {
	Records      []admin.Record
	Filter       admin.LogFilter
	Since        string // 1h, 24h, 7d, 30d, "" for all
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
	if age := ages[l.Since]; age > 0 {
		l.Filter.Since = time.Now().Add(-age)
	}
	apps, err := rq.desk.Applications(rq.Context())
	for _, a := range apps {
		l.Applications = append(l.Applications, a.Name)
	}
	return l, err
}

func (c *console) logs(rq *request) error {
	l, err := rq.filter()
	if err != nil {
		return err
	}
	l.Records, l.Next, err = rq.desk.RecordPage(rq.Context(), l.Filter, l.After)
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
	return []string{"app", f.Application, "user", f.User, "group", f.Group, "status", f.Status, "action", f.Action, "cycle", f.Cycle, "since", l.Since, "live", live}
}

// exportLogs writes everything that the filters pick, as it comes: memory stays flat.
func (c *console) exportLogs(rq *request) error {
	l, err := rq.filter()
	if err != nil {
		return err
	}
	l.Filter.Last = 0
	write, kind, name := jsonRecords, "application/x-ndjson", "muster-log.ndjson"
	if rq.FormValue("format") == "csv" {
		write, kind, name = csvRecords, "text/csv; charset=utf-8", "muster-log.csv"
	}
	rq.w.Header().Set("Content-Type", kind)
	rq.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	if err := write(rq, l.Filter); err != nil {
		c.Log.Warn("an export of the log broke off", "error", err)
		panic(http.ErrAbortHandler) // what breaks off must not look whole
	}
	return nil
}

func jsonRecords(rq *request, f admin.LogFilter) error {
	e := json.NewEncoder(rq.w)
	for r, err := range rq.desk.Log(rq.Context(), f) {
		if err == nil {
			err = e.Encode(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func csvRecords(rq *request, f admin.LogFilter) error {
	w := csv.NewWriter(rq.w)
	if err := w.Write([]string{"time", "application", "action", "status", "type", "source", "source id", "target", "target id", "reason", "changes", "verified", "error", "recommendation", "initiated by", "cycle"}); err != nil {
		return err
	}
	for r, err := range rq.desk.Log(rq.Context(), f) {
		if err != nil {
			return err
		}
		problem, advice := "", ""
		if r.Error != nil {
			problem, advice = r.Error.Reason, r.Error.Recommendation
		}
		id := ""
		if r.Target.ID != nil {
			id = *r.Target.ID
		}
		var changes []string
		for _, ch := range r.Changes {
			changes = append(changes, fmt.Sprintf("%s: %s -> %s", short(ch.Attribute), shown(ch.Old), shown(ch.New)))
		}
		row := []string{stamp(r.Time), r.Application, string(r.Action), r.Status, string(r.Type), r.Source.Name, r.Source.ID, r.Target.Name, id, r.Reason, strings.Join(changes, "; "), fmt.Sprint(r.Verified), problem, advice, r.InitiatedBy, r.CycleID}
		for i := range row {
			row[i] = harmless(row[i])
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// harmless keeps a spreadsheet from taking a person's name for a formula
// (https://owasp.org/www-community/attacks/CSV_Injection).
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
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
	return rq.ok(recordPage(rq.page.titled(string(r.Action)+" "+r.Source.Name, crumb{"Provisioning logs", "/logs"}), r))
}

type auditPageView struct {
	Entries []store.Entry
	After   string
	Next    string
}

func (c *console) audit(rq *request) error {
	v := auditPageView{After: rq.FormValue("after")}
	var err error
	if v.Entries, err = rq.desk.AuditPage(rq.Context(), store.AuditQuery{Object: rq.FormValue("object"), After: v.After, Limit: pageSize}); err != nil {
		return err
	}
	if len(v.Entries) == pageSize {
		v.Next = v.Entries[pageSize-1].ID
	}
	return rq.ok(auditPage(rq.page.titled("Audit log"), v))
}
