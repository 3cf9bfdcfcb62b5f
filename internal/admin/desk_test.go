package admin_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/connector/scim"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

var by = store.Actor{Name: "tester", Via: "test"}

// protocols speaks SCIM, as the command's table does.
var protocols = map[string]admin.Protocol{"scim": {
	Check: func(t gallery.Template, app provision.Application) error {
		_, err := scim.ParseQuirks(t.Quirks, app.Connection.Options)
		return err
	},
	CheckToken: func(token string) error {
		if strings.HasPrefix(token, "robot-") {
			return fmt.Errorf("it is a robot's")
		}
		return nil
	},
	Open: func(c admin.Connection) (cycle.Target, error) {
		quirks, err := scim.ParseQuirks(c.Template.Quirks, c.Application.Connection.Options)
		if err != nil {
			return cycle.Target{}, err
		}
		client, err := connector.NewClient(connector.Options{Connection: c.Application.Connection, Credentials: c.Credentials, Limiter: c.Limiter, Version: c.Version})
		if err != nil {
			return cycle.Target{}, err
		}
		made, err := scim.New(scim.Options{Client: client, Users: c.Users, Groups: c.Groups, Quirks: quirks})
		return cycle.Target{Connector: made}, err
	},
}}

// office is a desk over a real store, with a target over real HTTP.
type office struct {
	*admin.Desk
	t      *testing.T
	store  *store.Store
	target *connectortest.Target
	url    string
}

func open(t *testing.T) *office {
	t.Helper()
	s := storetest.Open(t, store.Config{Data: t.TempDir()})
	o := &office{t: t, store: s, Desk: admin.New(s, admin.Options{By: by, Protocols: protocols, Version: "test"})}
	o.target, o.url = connectortest.Serve(t, connectortest.Behaviour{})
	return o
}

// apply configures the application "target" with what is said beside its connection.
func (o *office) apply(token, more string) error {
	text := fmt.Sprintf("applications:\n- name: target\n  template: scim2\n  connection: {endpoint: %q, auth: {type: bearer, token: %s}}\n%s", o.url, token, more)
	_, err := o.Apply(o.t.Context(), []config.File{{Name: "t.yaml", Data: []byte(text)}}, admin.Source{Env: os.LookupEnv, ReadFile: os.ReadFile})
	return err
}

func (o *office) users(names ...string) {
	o.t.Helper()
	for _, n := range names {
		if _, err := o.AddUser(o.t.Context(), n, []string{"name.givenName=" + n, "name.familyName=Test", "emails=" + n + "@example.org"}); err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func code(err error) string {
	if p := admin.Explain(err); p != nil {
		return p.Code
	}
	return ""
}

// TestSyncPrunes: no process stays in this version, so a cycle is what takes old log rows away.
func TestSyncPrunes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := storetest.Open(t, store.Config{Data: t.TempDir(), Clock: func() time.Time { return now }})
	o := &office{t: t, store: s, Desk: admin.New(s, admin.Options{By: by, Protocols: protocols, Version: "test"})}
	o.target, o.url = connectortest.Serve(t, connectortest.Behaviour{})
	o.users("ada")
	o.must(o.apply(connectortest.Token, "  assignments: [{user: ada}]"))
	sync := func() admin.Run {
		t.Helper()
		run, err := o.Sync(t.Context(), "target", admin.SyncOptions{})
		o.must(err)
		return run
	}
	first := sync()
	for _, step := range []struct {
		later time.Duration
		want  int
	}{{179 * 24 * time.Hour, 1}, {2 * 24 * time.Hour, 0}} {
		now = now.Add(step.later)
		sync()
		ops, err := s.Operations(t.Context(), first.CycleID, nil, nil, 10)
		o.must(err)
		if len(ops) != step.want {
			t.Errorf("%s later the log has %d records of the first cycle, want %d", step.later, len(ops), step.want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.users("ada", "grace")
	_, err := o.AddGroup(t.Context(), "grace", []string{"ada"})
	o.must(err)
	_, err = o.AddGroup(t.Context(), "Team", []string{"ADA@example.org"})
	o.must(err)
	for _, c := range []struct {
		name string
		do   func() error
		code string
	}{
		{"a user and a group", func() error { _, err := o.EditMembers(t.Context(), "Team", []string{"grace"}, nil); return err }, "ambiguous"},
		{"nobody", func() error { _, err := o.EditMembers(t.Context(), "Team", []string{"nobody"}, nil); return err }, "not_found"},
		{"by e-mail address", func() error { _, err := o.User(t.Context(), "grace@example.org"); return err }, ""},
		{"no such attribute", func() error { _, _, err := o.SetUser(t.Context(), "ada", []string{"titel=x"}); return err }, "invalid"},
		{"no value", func() error { _, _, err := o.SetUser(t.Context(), "ada", []string{"title"}); return err }, "usage"},
		{"twice", func() error { _, _, err := o.SetUser(t.Context(), "ada", []string{"title=a", "Title=b"}); return err }, "usage"},
		{"userName twice", func() error { _, err := o.AddUser(t.Context(), "x", []string{"userName=y"}); return err }, "usage"},
		{"a filter in the path", func() error {
			_, _, err := o.SetUser(t.Context(), "ada", []string{`phoneNumbers[type eq "work"].value=+49 30 1`})
			return err
		}, ""},
		{"a list", func() error {
			_, _, err := o.SetUser(t.Context(), "ada", []string{`emails=[{"value":"a@example.org","primary":true},{"value":"b@example.org"}]`})
			return err
		}, ""},
		{"no application", func() error { _, err := o.Assign(t.Context(), "target", provision.Assignment{User: "ada"}); return err }, "not_found"},
		{"no role", func() error {
			_, err := o.Assign(t.Context(), "target", provision.Assignment{User: "ada", Role: "King"})
			return err
		}, "invalid"},
	} {
		if got := code(c.do()); got != c.code {
			t.Errorf("%s: code %q, want %q", c.name, got, c.code)
		}
	}
	u, err := o.User(t.Context(), "b@example.org")
	if err == nil {
		t.Errorf("found %v by an address that is not the primary one", u["userName"])
	}
}

// TestAudit looks at who did what in the audit log.
func TestAudit(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.users("ada")
	o.must(o.apply(connectortest.Token, "  assignments: [{user: ada}]\n"))
	_, err := o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	_, err = o.Restart(t.Context(), "target", "watermark")
	o.must(err)
	entries, err := o.store.AuditLog(t.Context(), store.AuditQuery{})
	o.must(err)
	var got []string
	for _, e := range slices.Backward(entries) {
		if e.Actor != "tester" || e.Via != "test" {
			t.Errorf("%s was done by %s via %s", e.Action, e.Actor, e.Via)
		}
		got = append(got, e.Action+" "+e.Type)
		if strings.Contains(fmt.Sprint(e.Before, e.After), connectortest.Token) {
			t.Errorf("%s shows the token", e.Action)
		}
	}
	if diff := cmp.Diff([]string{"create user", "create application", "set secret application", "sync application", "restart application"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := o.Restart(t.Context(), "target", "everything"); code(err) != "usage" {
		t.Errorf("a restart of everything: %v", err)
	}
}

// TestToken refuses a token that can be none before anything is sent with it.
func TestToken(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.must(o.apply("robot-1", ""))
	_, err := o.Test(t.Context(), "target")
	if p := admin.Explain(err); p == nil || p.Exit != admin.ExitUsage || p.Code != "token_wrong" || strings.Contains(p.Error(), "robot-1") {
		t.Errorf("a robot's token: %v", err)
	}
	if n := len(o.target.Log()); n != 0 {
		t.Errorf("%d requests were sent with it", n)
	}
	o.must(o.apply(connectortest.Token, ""))
	if d, err := o.Test(t.Context(), "target"); err != nil || !d.OK {
		t.Errorf("the right token: %+v, %v", d, err)
	}
	if err := o.apply(connectortest.Token, "  connection2: {}\n"); code(err) != "configuration" {
		t.Errorf("an unknown key: %v", err)
	}
	text := fmt.Sprintf("applications:\n- name: other\n  template: scim2\n  connection:\n    endpoint: %q\n    options: {paging: leaps}\n", o.url)
	_, err = o.Diff(t.Context(), []config.File{{Name: "t.yaml", Data: []byte(text)}}, admin.Source{Env: os.LookupEnv, ReadFile: os.ReadFile})
	if code(err) != "configuration" || !strings.Contains(err.Error(), "t.yaml:6:") {
		t.Errorf("an option that the connector does not know: %v", err)
	}
}

// TestPlanStreams compares the sequence of a plan's operations with its summary, over several pages.
func TestPlanStreams(t *testing.T) {
	t.Parallel()
	o := open(t)
	const people = 1203
	for i := range people {
		_, err := o.store.CreateUser(t.Context(), by, store.UserEdit{Attributes: directory.Edit{"userName": fmt.Sprintf("p%04d", i)}})
		o.must(err)
	}
	o.must(o.apply(connectortest.Token, "  provisioning: {scope: all}\n"))
	plan, err := o.Plan(t.Context(), "target", false, nil)
	o.must(err)
	if plan.Cycle != cycle.Initial || plan.Summary != (admin.Summary{Create: people}) || plan.Summary.Writes() != people {
		t.Errorf("the plan: %+v", plan)
	}
	seen := map[string]bool{}
	for op, err := range o.Operations(t.Context(), plan.ID) {
		o.must(err)
		if op.Action != provision.Create || op.Target.ID != nil || op.Target.Name != op.Source.Name || op.Held {
			t.Fatalf("%+v", op)
		}
		seen[op.Source.Name] = true
	}
	if len(seen) != people {
		t.Errorf("%d people in the plan, want %d", len(seen), people)
	}
	// A reader that stops early is not in the way of the next.
	for range o.Operations(t.Context(), plan.ID) {
		break
	}
	if _, err := o.Sync(t.Context(), "target", admin.SyncOptions{Plan: o.store.NewID()}); code(err) != "not_found" {
		t.Errorf("a plan that never was: %v", err)
	}
}

// TestUnmappable shows whoever cannot be mapped as skipped, with the reason, and counts them so.
func TestUnmappable(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.users("ada", "grace")
	_, _, err := o.SetUser(t.Context(), "ada", []string{"title=x"})
	o.must(err)
	o.must(o.apply(connectortest.Token, "  provisioning: {scope: all}\n  mappings:\n    users:\n"+
		"    - {target: userName, source: userName, match: 1}\n    - {target: title, expression: 'string(1 / (size(user.title) - 1))'}\n"))
	plan, err := o.Plan(t.Context(), "target", false, nil)
	o.must(err)
	counts := map[provision.Action]int{}
	for op, err := range o.Operations(t.Context(), plan.ID) {
		o.must(err)
		counts[op.Action]++
		if op.Source.Name == "ada" && (op.Action != provision.Skip || op.Problem == nil || !strings.HasPrefix(op.Reason, "cannot be done: ") || len(op.Changes) != 0) {
			t.Errorf("ada: %+v", op)
		}
	}
	if counts[provision.Skip] != plan.Summary.Skip || counts[provision.Create] != plan.Summary.Create || plan.Summary.Skip != 1 {
		t.Errorf("operations %v, summary %+v", counts, plan.Summary)
	}
	run, err := o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	if run.Failed != 1 || run.Summary.Create != 1 || run.Exit() != admin.ExitPartly {
		t.Errorf("the cycle: %+v", run)
	}
}

// TestLog finds records by whom they are about, also when they are gone from the directory.
func TestLog(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.users("ada", "grace")
	o.must(o.apply(connectortest.Token, "  provisioning: {scope: all}\n"))
	_, err := o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	_, err = o.DeleteUser(t.Context(), "ada", false)
	o.must(err)
	leaving, err := o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	_, _, err = o.SetUser(t.Context(), "grace", []string{"custom.badge=7"}) // nothing maps it
	o.must(err)
	_, err = o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	list := func(f admin.LogFilter) string {
		var got []string
		for r, err := range o.Log(t.Context(), f) {
			if err != nil {
				return code(err)
			}
			got = append(got, string(r.Action)+" "+r.Source.Name)
		}
		return strings.Join(got, ", ")
	}
	for _, c := range []struct {
		f    admin.LogFilter
		want string
	}{
		{admin.LogFilter{}, "create ada, create grace, disable ada, skip grace"},
		{admin.LogFilter{Status: "tried"}, "create ada, create grace, disable ada"},
		{admin.LogFilter{Status: "tried", Application: "target", Action: "create"}, "create ada, create grace"},
		{admin.LogFilter{Status: "skipped"}, "skip grace"},
		{admin.LogFilter{Last: 2}, "disable ada, skip grace"},
		{admin.LogFilter{User: "ada"}, "create ada, disable ada"},
		{admin.LogFilter{User: "grace", Application: "target"}, "create grace, skip grace"},
		{admin.LogFilter{User: "grace", Application: "target", Status: "tried"}, "create grace"},
		{admin.LogFilter{Action: "disable"}, "disable ada"},
		{admin.LogFilter{Status: "failure"}, ""},
		{admin.LogFilter{Cycle: leaving.CycleID}, "disable ada"},
		{admin.LogFilter{Cycle: leaving.CycleID, Status: "failure"}, ""},
		{admin.LogFilter{Cycle: "elsewhere"}, "not_found"},
		{admin.LogFilter{Cycle: "elsewhere", Application: "target"}, "not_found"},
		{admin.LogFilter{Cycle: "elsewhere", Last: 5}, "not_found"},
		{admin.LogFilter{User: "nobody"}, "not_found"},
		{admin.LogFilter{Application: "other"}, "not_found"},
		{admin.LogFilter{Since: time.Now().Add(time.Hour)}, ""},
	} {
		got := list(c.f)
		if c.f.Last == 0 && c.f.User == "" && c.want != "" && strings.HasPrefix(got, "create grace") {
			got = strings.Replace(got, "create grace, create ada", "create ada, create grace", 1) // they run at once
		}
		if got != c.want {
			t.Errorf("%+v: %s, want %s", c.f, got, c.want)
		}
	}

	// Following yields what was, then what comes, each once.
	looks := 0
	var got []string
	follow := o.Follow(t.Context(), admin.LogFilter{User: "grace"}, func() bool {
		switch looks++; looks {
		case 2:
			_, _, err := o.SetUser(t.Context(), "grace", []string{"title=Admiral"})
			o.must(err)
			_, err = o.Sync(t.Context(), "target", admin.SyncOptions{})
			o.must(err)
		case 5:
			return false
		}
		return true
	})
	for r, err := range follow {
		o.must(err)
		got = append(got, string(r.Action))
	}
	if diff := cmp.Diff([]string{"create", "skip", "update"}, got); diff != "" {
		t.Errorf("followed (-want +got):\n%s", diff)
	}
}

// TestPauseOutlivesTheProcess: a pause that the target asked for is kept by the next desk.
func TestPauseOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.users("ada")
	o.must(o.apply(connectortest.Token, "  provisioning: {scope: all}\n"))
	o.target.Fail(connectortest.Fault{Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "3600"}})
	_, err := o.Sync(t.Context(), "target", admin.SyncOptions{})
	t.Log(err)
	next := admin.New(o.store, admin.Options{By: by, Protocols: protocols})
	o.target.Forget()
	if d, err := next.Test(t.Context(), "target"); err != nil || d.Code != connector.DiagnosisRateLimited {
		t.Errorf("the next process: %+v, %v", d, err)
	}
	if n := len(o.target.Log()); n != 0 {
		t.Errorf("%d requests were sent during the pause", n)
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	c := store.Config{Data: data}
	find := func() map[string]string {
		found := map[string]string{}
		for _, f := range admin.Doctor(t.Context(), c, protocols).Checks {
			found[f.Check] = max(found[f.Check], f.Status) // success, then warning
			if f.Status == "failure" {
				found[f.Check] = "failure"
			}
			if f.Status != "success" && f.Next == "" {
				t.Errorf("%s: %s, and no next step", f.Check, f.Detail)
			}
		}
		return found
	}
	if got := find(); got["data"] != "failure" || got["database"] != "failure" {
		t.Errorf("without a directory: %v", got)
	}
	s, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, store: s, Desk: admin.New(s, admin.Options{By: by, Protocols: protocols})}
	o.target, o.url = connectortest.Serve(t, connectortest.Behaviour{})
	o.users("ada")
	o.must(o.apply(connectortest.Token, ""))
	if got := find(); got["app target"] != "warning" || got["database"] != "success" || got["key"] != "success" {
		t.Errorf("nobody assigned: %v", got)
	}
	o.must(o.apply(connectortest.Token, "  provisioning: {scope: all}\n"))
	_, err = o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	if got := find(); got["app target"] != "success" {
		t.Errorf("all is well: %v", got)
	}
	o.must(os.Chmod(filepath.Join(data, "muster.key"), 0o644))
	o.must(os.Chmod(data, 0o755))
	if got := find(); got["key"] != "failure" || got["data"] != "warning" {
		t.Errorf("open to others: %v", got)
	}
	o.must(os.Remove(filepath.Join(data, "muster.key")))
	if got := find(); got["app target"] != "failure" {
		t.Errorf("the key is gone: %v", got)
	}
	o.must(s.Close())
	o.must(os.WriteFile(filepath.Join(data, "muster.db"), []byte("not a database, but long enough to be looked at by anybody who does: "+strings.Repeat("x", 200)), 0o600))
	if got := find(); got["database"] != "failure" {
		t.Errorf("damaged: %v", got)
	}
}
