package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// retentionView is how long each log is kept, in days.
type retentionView struct {
	Days    map[string]string // by log, as they are typed; "0" is for ever
	Version string            // of what the form was filled from
	Problem *admin.Problem
}

// retained is a log whose age is set.
type retained struct {
	key, title, hint string
	of               func(*store.Retention) *provision.Duration
}

// retainedLogs are all of them.
var retainedLogs = []retained{
	{"operations", "Provisioning log", "Every operation with its steps and changes. What the thresholds still count is kept longer.", func(r *store.Retention) *provision.Duration { return &r.Operations }},
	{"cycles", "Cycles", "When each began, ended, and what it counted.", func(r *store.Retention) *provision.Duration { return &r.Cycles }},
	{"audit", "Audit log", "What administrators did, with before and after.", func(r *store.Retention) *provision.Duration { return &r.Audit }},
	{"changes", "Changes of the directory", "How far an application may fall behind before it looks at everybody again.", func(r *store.Retention) *provision.Duration { return &r.Changes }},
}

const day = 24 * time.Hour

// days writes a retention as days; what is no whole number of them keeps its hours.
func days(d provision.Duration) string {
	if n := time.Duration(d); n%day != 0 {
		return strconv.FormatFloat(n.Hours()/24, 'f', -1, 64)
	}
	return fmt.Sprint(int(time.Duration(d) / day))
}

func (c *console) retention(rq *request) error {
	r, err := rq.desk.Retention(rq.Context())
	if err != nil {
		return err
	}
	v := retentionView{Days: map[string]string{}}
	if v.Version, err = rq.desk.SettingVersion(rq.Context(), store.RetentionSetting); err != nil {
		return err
	}
	for _, log := range retainedLogs {
		v.Days[log.key] = days(*log.of(&r))
	}
	return rq.ok(retentionPage(rq.page.titled("Retention"), v))
}

func (c *console) saveRetention(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	r, err := rq.desk.Retention(rq.Context())
	if err != nil {
		return err
	}
	v := retentionView{Days: map[string]string{}, Version: get("version")}
	for _, log := range retainedLogs {
		v.Days[log.key] = strings.TrimSpace(get(log.key))
		n, perr := strconv.ParseFloat(v.Days[log.key], 64)
		if perr != nil || n < 0 || n > 100_000 {
			err = &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: log.title + ": " + strconv.Quote(v.Days[log.key]) + " is no number of days", Next: "write a number such as 90, or 0 to keep it for ever"}
			continue
		}
		*log.of(&r) = provision.Duration(n * float64(day))
	}
	if err == nil {
		err = rq.desk.SetRetentionIf(rq.Context(), v.Version, r)
	}
	if v.Problem = admin.Explain(err); v.Problem != nil {
		if changedMeanwhile(v.Problem) { // what was typed stands there still, and is saved over it when it is sent again
			if v.Version, err = rq.desk.SettingVersion(rq.Context(), store.RetentionSetting); err != nil {
				return err
			}
		}
		rq.show(http.StatusUnprocessableEntity, retentionPage(rq.page.titled("Retention"), v))
		return nil
	}
	return rq.done("/retention", "Saved. Old rows go once a day.")
}

func (c *console) backup(rq *request) error {
	keys, err := rq.desk.Keys()
	if err != nil {
		return err
	}
	return rq.ok(backupPage(rq.page.titled("Backup"), keys))
}

// downloadBackup sends everything in one file, as it is read.
func (c *console) downloadBackup(rq *request) error {
	h := rq.w.Header()
	h.Set("Content-Type", "application/gzip")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="muster-%s.backup"`, time.Now().UTC().Format("20060102-150405")))
	_ = http.NewResponseController(rq.w).SetWriteDeadline(time.Time{}) // a large one takes its time
	if _, err := rq.desk.Backup(rq.Context(), rq.w); err != nil {
		c.Log.Error("a backup broke off", "error", err)
		panic(http.ErrAbortHandler) // what has been sent must not pass for the whole
	}
	return nil
}

// changedMeanwhile says whether somebody else was faster, and if so what to do about it in a form.
func changedMeanwhile(p *admin.Problem) bool {
	if p == nil || p.Code != string(store.ErrChanged) {
		return false
	}
	p.Next = "look at what it is now in another window; saving again puts yours in its place"
	return true
}
