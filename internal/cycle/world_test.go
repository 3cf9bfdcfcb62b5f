package cycle_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/connector/scim"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// world is a company, an application and its target: a real store, real HTTP, a target that can
// misbehave.
type world struct {
	t      *testing.T
	store  *store.Store
	engine *cycle.Engine
	target *connectortest.Target
	app    *provision.Application
	url    string

	token       string // "" is the target's
	concurrency int    // requests in flight; 0 is 16
}

var by = store.Actor{Name: "tester", Via: "test"}

// onEach runs a test on SQLite and on PostgreSQL.
func onEach(t *testing.T, test func(w *world)) {
	storetest.ForEach(t, func(t *testing.T, s *store.Store) { test(newWorld(t, s)) })
}

// onSQLite runs a test of what does not depend on the database.
func onSQLite(t *testing.T) *world {
	t.Parallel()
	return newWorld(t, storetest.Open(t, store.Config{Data: t.TempDir()}))
}

func newWorld(t *testing.T, s *store.Store) *world {
	w := &world{t: t, store: s}
	w.target, w.url = connectortest.Serve(t, connectortest.Behaviour{})
	w.engine = &cycle.Engine{
		Store: s, Open: w.open, Node: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Rand: func() float64 { return 0 }, RandN: func(uint64) uint64 { return 0 },
	}
	template := w.template()
	app := template.Application()
	app.Name, app.Connection.Endpoint = "target", w.url
	app.Provisioning.Groups.Enabled = true
	app.Provisioning.Hold.Removals = provision.Off
	w.app = &app
	return w
}

func (w *world) template() gallery.Template {
	template, err := gallery.Lookup("scim2")
	if err != nil {
		w.t.Fatal(err)
	}
	return template
}

func (w *world) open(_ context.Context, app *provision.Application) (cycle.Target, error) {
	template := w.template()
	client, err := connector.NewClient(connector.Options{
		Connection: app.Connection, Token: cmp.Or(w.token, connectortest.Token), Version: "test",
		Limiter: connector.NewLimiter(template.Limits.With(app.Connection.Limits)),
	})
	if err != nil {
		return cycle.Target{}, err
	}
	quirks, err := scim.ParseQuirks(template.Quirks, app.Connection.Options)
	if err != nil {
		return cycle.Target{}, err
	}
	c, err := scim.New(scim.Options{Client: client, Quirks: quirks, Users: targets(w.t, directory.KindUser, app.Mappings.Users), Groups: targets(w.t, directory.KindGroup, app.Mappings.Groups)})
	return cycle.Target{Connector: c, Concurrency: cmp.Or(w.concurrency, 16), Settle: 20 * time.Millisecond}, err
}

func targets(t *testing.T, kind directory.Kind, rows []mapping.Mapping) []string {
	p, err := mapping.Compile(kind, rows)
	if err != nil {
		t.Fatal(err)
	}
	return p.Targets()
}

// save stores the application as the test has changed it.
func (w *world) save() {
	w.t.Helper()
	if _, err := w.store.SaveApplication(w.t.Context(), by, w.app); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) user(name string, more ...any) directory.User {
	w.t.Helper()
	e := directory.Edit{
		"userName": name, "name.givenName": name, "name.familyName": "Test", "displayName": name + " Test",
		"emails": []any{map[string]any{"value": name + "@example.org", "type": "work", "primary": true}},
	}
	var manager *string
	for i := 0; i < len(more); i += 2 {
		if more[i] == "manager" {
			m := more[i+1].(string)
			manager = &m
			continue
		}
		e[more[i].(string)] = more[i+1]
	}
	u, err := w.store.CreateUser(w.t.Context(), by, store.UserEdit{Attributes: e, Manager: manager})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *world) set(name string, more ...any) {
	w.t.Helper()
	u, err := w.store.UserByName(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	e := directory.Edit{}
	for i := 0; i < len(more); i += 2 {
		e[more[i].(string)] = more[i+1]
	}
	if _, _, err := w.store.UpdateUser(w.t.Context(), by, u.ID, store.UserEdit{Attributes: e}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) group(name string, members ...string) directory.Group {
	w.t.Helper()
	g, err := w.store.CreateGroup(w.t.Context(), by, store.GroupEdit{Attributes: directory.Edit{"displayName": name}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.join(name, members...)
	return g
}

func (w *world) members(names []string) []directory.Member {
	w.t.Helper()
	var list []directory.Member
	for _, name := range names {
		if u, err := w.store.UserByName(w.t.Context(), name); err == nil {
			list = append(list, directory.Member{Kind: directory.KindUser, ID: u.ID})
			continue
		}
		g, err := w.store.GroupByName(w.t.Context(), name)
		if err != nil {
			w.t.Fatal(err)
		}
		list = append(list, directory.Member{Kind: directory.KindGroup, ID: g.ID})
	}
	return list
}

func (w *world) join(group string, names ...string)  { w.edit(group, names, nil) }
func (w *world) leave(group string, names ...string) { w.edit(group, nil, names) }

func (w *world) edit(group string, add, remove []string) {
	w.t.Helper()
	g, err := w.store.GroupByName(w.t.Context(), group)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.EditMembers(w.t.Context(), by, g.ID, w.members(add), w.members(remove)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) assign(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.app.Assignments = append(w.app.Assignments, provision.Assignment{Group: name})
	}
	w.save()
}

// sync runs a cycle by hand and expects it to go through.
func (w *world) sync(opts ...func(*cycle.Options)) *cycle.Report {
	w.t.Helper()
	r, err := w.trySync(opts...)
	if err != nil {
		w.t.Fatalf("sync: %v", err)
	}
	if r.Stopped != nil {
		w.t.Fatalf("sync was stopped: %v", r.Stopped)
	}
	return r
}

func (w *world) trySync(opts ...func(*cycle.Options)) (*cycle.Report, error) {
	w.t.Helper()
	o := cycle.Options{ByHand: true, Initiator: "tester"}
	for _, f := range opts {
		f(&o)
	}
	app, err := w.store.Application(w.t.Context(), "target")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.engine.Run(w.t.Context(), app, o)
}

// expect compares a summary, leaving out what is zero.
func (w *world) expect(r *cycle.Report, want map[string]int) {
	w.t.Helper()
	w.counts(r.Summary, want)
	if want["failed"] != r.Failed {
		w.t.Errorf("%d failed, want %d: %s", r.Failed, want["failed"], w.problems(r.Cycle.ID))
	}
}

func (w *world) counts(got, want map[string]int) {
	w.t.Helper()
	for _, k := range []string{"create", "update", "disable", "enable", "delete", "skip", "held"} {
		if got[k] != want[k] {
			w.t.Errorf("%s: %d, want %d (whole: %v)", k, got[k], want[k], got)
		}
	}
}

func (w *world) operations(cycleID string) []*store.Operation {
	w.t.Helper()
	ops, err := w.store.Operations(w.t.Context(), cycleID, nil, nil, 10_000)
	if err != nil {
		w.t.Fatal(err)
	}
	return ops
}

func (w *world) problems(cycleID string) string {
	out := ""
	for _, o := range w.operations(cycleID) {
		if o.Error != nil {
			out += fmt.Sprintf("\n%s %s %s: %s: %s", o.Action, o.Kind, o.Source.Name, o.Error.Code, o.Error.Reason)
		}
	}
	return out
}

// account returns the target's resource of a userName and fails when there is none.
func (w *world) account(userName string) map[string]any {
	w.t.Helper()
	doc := w.target.User(w.target.UserID(userName))
	if doc == nil {
		w.t.Fatalf("the target has no account %s", userName)
	}
	return doc
}

func (w *world) active(userName string, want bool) {
	w.t.Helper()
	if got := w.account(userName)["active"]; got != want {
		w.t.Errorf("%s is active: %v, want %v", userName, got, want)
	}
}

func (w *world) groupMembers(name string, want ...string) {
	w.t.Helper()
	ids := []string{}
	for _, n := range want {
		ids = append(ids, w.target.UserID(n))
	}
	slices.Sort(ids)
	if got := w.target.Members(w.target.GroupID(name)); !slices.Equal(got, ids) {
		w.t.Errorf("members of %s: %v, want %v", name, got, ids)
	}
}

// requests runs something and returns the requests that reached the target meanwhile.
func (w *world) requests(do func()) []connectortest.Logged {
	w.t.Helper()
	w.target.Forget()
	do()
	return w.target.Log()
}

// again is the first law: running again changes nothing, and asks nothing.
func (w *world) again() {
	w.t.Helper()
	log := w.requests(func() { w.expect(w.sync(), nil) })
	if len(log) != 0 {
		w.t.Errorf("running again sent %d requests, the first: %s %s", len(log), log[0].Method, log[0].Path)
	}
}

// again2 is [world.again] for a world in which something is still held.
func (w *world) again2(want map[string]int) {
	w.t.Helper()
	log := w.requests(func() { w.expect(w.sync(), want) })
	if len(log) != 0 {
		w.t.Errorf("running again sent %d requests, the first: %s %s", len(log), log[0].Method, log[0].Path)
	}
}

type storeOperation = store.Operation

func openSQLite(t *testing.T) *store.Store {
	return storetest.Open(t, store.Config{Data: t.TempDir()})
}

func groupNamed(name string) store.GroupEdit {
	return store.GroupEdit{Attributes: directory.Edit{"displayName": name}}
}
