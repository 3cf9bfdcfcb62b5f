package cycle_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// clock is a clock that a test moves.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time      { return time.UnixMilli(c.ms.Load()) }
func (c *clock) add(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// withClock is a world on SQLite whose time a test moves.
func withClock(t *testing.T) (*world, *clock) {
	t.Parallel()
	c := &clock{}
	c.ms.Store(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).UnixMilli())
	return newWorld(t, storetest.Open(t, store.Config{Data: t.TempDir(), Clock: c.now})), c
}

// between puts a handler before the target, which may look at each request or answer it itself.
func (w *world) between(handle func(rw http.ResponseWriter, r *http.Request, next http.Handler)) {
	w.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handle(rw, r, w.target) }))
	w.t.Cleanup(server.Close)
	w.app.Connection.Endpoint = server.URL + "/scim/v2/"
}

func reconciling(o *cycle.Options) { o.Reconcile = true }

// people imports so many, which is one transaction and not one for each, and returns their names.
func (w *world) people(prefix string, n int) []string {
	w.t.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	if _, err := w.store.Import(w.t.Context(), joiners(names), store.ImportOptions{Source: "hr", Actor: by}); err != nil {
		w.t.Fatal(err)
	}
	return names
}

func (w *world) held() []*store.Operation {
	w.t.Helper()
	held, err := w.store.HeldOperations(w.t.Context(), w.app.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return held
}

func (w *world) approve(ops ...*store.Operation) {
	w.t.Helper()
	if err := w.store.Approve(w.t.Context(), w.app.ID, ops, "tester"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) reject(ops ...*store.Operation) {
	w.t.Helper()
	if err := w.store.Reject(w.t.Context(), w.app.ID, ops, "tester"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stands() *store.Progress {
	w.t.Helper()
	p, err := w.store.Progress(w.t.Context(), w.app.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// Whose answer was lost, is settled as what the target shows; who returns later is switched on.
func TestUnansweredDisableThenReturn(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.target.Fail(connectortest.Fault{Method: "PATCH", Path: "Users", Drop: connectortest.AfterWrite, Times: -1})
	w.set("ada", "active", false)
	if _, err := w.trySync(); err != nil {
		t.Fatal(err)
	}
	w.target.Heal()
	w.sync()
	w.active("ada", false)
	w.again()
	w.set("ada", "active", true)
	w.sync()
	w.active("ada", true)
	w.again()
}

// An account that the target cannot show stops nobody else.
func TestUnreadableAccountStopsNobody(t *testing.T) {
	w := onSQLite(t)
	small(w)
	ada := "Users/" + w.target.UserID("ada")
	w.target.Fail(connectortest.Fault{Method: "PATCH", Path: ada, Drop: connectortest.AfterWrite, Times: -1})
	w.target.Fail(connectortest.Fault{Method: "GET", Path: ada, Status: 500, Times: -1})
	w.set("ada", "title", "x")
	w.sync()
	w.set("bob", "title", "x")
	w.sync()
	if got := w.account("bob")["title"]; got != "x" {
		t.Errorf("bob's title is %v", got)
	}
}

// A look-up that the target refuses for one person stops nobody else.
func TestRefusedLookUpStopsNobody(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Query().Get("filter"), "o'neil") {
			http.Error(rw, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"invalidFilter","detail":"no quotes"}`, 400)
			return
		}
		next.ServeHTTP(rw, r)
	})
	w.save()
	w.sync()
	w.user("o'neil")
	w.set("bob", "title", "x")
	w.join("Engineering", "o'neil")
	w.sync()
	if got := w.account("bob")["title"]; got != "x" {
		t.Errorf("bob's title is %v", got)
	}
	if got := w.target.UserID("o'neil"); got != "" {
		t.Errorf("somebody who could not be looked for got an account")
	}
}

// Who is renamed before a lost create is settled has one account all the same.
func TestRenamedWhileACreateIsUncertain(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.user("dora")
	w.join("Engineering", "dora")
	w.target.Fail(connectortest.Fault{Method: "POST", Path: "Users", Drop: connectortest.AfterWrite, Times: -1})
	w.target.Fail(connectortest.Fault{Method: "GET", Path: "Users", After: 2, Status: 503, Times: -1})
	if _, err := w.trySync(); err != nil {
		t.Fatal(err)
	}
	w.target.Heal()
	if w.target.UserID("dora") == "" {
		t.Fatal("the create was not carried out")
	}
	w.set("dora", "userName", "theodora", "emails", []any{map[string]any{"value": "theodora@example.org", "type": "work", "primary": true}})
	w.sync()
	w.sync()
	if n := len(w.target.UserIDs()); n != 4 {
		t.Errorf("%d accounts for 4 people", n)
	}
	w.again()
}

// A target that answers a create with the account of somebody else gets one failure, and everybody
// else goes on.
func TestCreateAnsweredWithSomebodyElsesAccount(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.target.Behave(func(b *connectortest.Behaviour) { b.ConflictOpen, b.Immutable = true, true })
		w.set("ada", "userName", "augusta")
		w.user("ada", "emails", []any{map[string]any{"value": "other@example.org", "type": "work", "primary": true}})
		w.user("dora")
		w.join("Engineering", "ada", "dora")
		for range 2 {
			if _, err := w.trySync(); err != nil {
				w.t.Fatalf("the cycle failed: %v", err)
			}
		}
		w.active("dora", true)
		if p := w.stands(); p.Links != 5 { // augusta, bob, cleo, dora and the group
			w.t.Errorf("%d links, want 5", p.Links)
		}
	})
}

// A failure of somebody who left before there was an account is over.
func TestEscrowEndsWithTheScope(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.user("dora")
	w.join("Engineering", "dora")
	w.target.Fail(connectortest.Fault{Method: "POST", Path: "Users", Status: 400})
	w.expect(w.sync(), map[string]int{"failed": 1, "skip": 1})
	if p := w.stands(); p.Escrow != 1 {
		t.Fatalf("escrow: %d", p.Escrow)
	}
	w.leave("Engineering", "dora")
	w.sync()
	if p := w.stands(); p.Escrow != 0 {
		t.Errorf("somebody without an account, out of scope, is still in escrow")
	}
	w.again()
}

// An account switched off at the target is not switched on again because a title changed.
func TestDeactivatedThereAndChangedHere(t *testing.T) {
	for name, o := range map[string][]func(*cycle.Options){"incremental": nil, "reconcile": {reconciling}} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			small(w)
			w.target.EditUser(w.target.UserID("cleo"), func(doc map[string]any) { doc["active"] = false })
			w.set("cleo", "title", "New")
			for range 3 {
				w.sync(o...)
			}
			w.active("cleo", false)
			if got := w.account("cleo")["title"]; got != "New" {
				t.Errorf("title is %v", got)
			}
			w.again()
		})
	}
}

// What a reconcile made itself is not missing from what it read before.
func TestReconcileKnowsItsOwnWork(t *testing.T) {
	for _, policy := range []string{"report", "repair"} {
		t.Run(policy, func(t *testing.T) {
			w := onSQLite(t)
			w.app.Provisioning.Drift.Accounts = policy
			w.user("ada")
			w.user("bob", "manager", "ada")
			ada, _ := w.store.UserByName(t.Context(), "ada")
			boss := "bob"
			if _, _, err := w.store.UpdateUser(t.Context(), by, ada.ID, store.UserEdit{Manager: &boss}); err != nil {
				t.Fatal(err)
			}
			w.group("Engineering", "ada", "bob")
			w.assign("Engineering")
			w.sync(reconciling)
			for name, manager := range map[string]string{"ada": "bob", "bob": "ada"} {
				ext, _ := w.account(name)[directory.Enterprise].(map[string]any)
				m, _ := ext["manager"].(map[string]any)
				if m["value"] != w.target.UserID(manager) {
					t.Errorf("%s has manager %v", name, m)
				}
			}
			if n := len(w.target.UserIDs()); n != 2 {
				t.Errorf("%d accounts", n)
			}
			w.again()
		})
	}
}

// A list that may be incomplete is no proof that somebody has no account.
func TestIncompleteReconcileDoublesNobody(t *testing.T) {
	w := onSQLite(t)
	small(w)
	for i := range 6 {
		w.target.AddUser(map[string]any{"userName": fmt.Sprintf("stranger%d", i), "active": true})
	}
	w.target.AddUser(map[string]any{"userName": "theodora", "active": true, "emails": []any{map[string]any{"value": "dora@example.org", "type": "work", "primary": true}}})
	before := len(w.target.UserIDs())
	w.target.Behave(func(b *connectortest.Behaviour) { b.PageCap, b.EmptyPage = 5, 2 })
	w.user("dora")
	w.join("Engineering", "dora")
	w.sync(reconciling)
	if n := len(w.target.UserIDs()); n != before {
		t.Errorf("%d accounts, were %d: dora has two", n, before)
	}
}

// A vanished account that is to be repaired comes back whole: with what is only sent on creation,
// with its groups, and as the manager of its reports.
func TestVanishedAccountIsRepaired(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Drift.Accounts = "repair"
	for i, m := range w.app.Mappings.Users {
		if m.Target == "displayName" {
			w.app.Mappings.Users[i].When = "create"
		}
	}
	small(w)
	w.target.RemoveUser(w.target.UserID("ada"))
	w.target.Behave(func(b *connectortest.Behaviour) { b.HideMembers = true })
	w.sync(reconciling)
	w.active("ada", true)
	if got := w.account("ada")["displayName"]; got != "ada Test" {
		t.Errorf("displayName is %v", got)
	}
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	ext, _ := w.account("bob")[directory.Enterprise].(map[string]any)
	if m, _ := ext["manager"].(map[string]any); m["value"] != w.target.UserID("ada") {
		t.Errorf("bob's manager is %v, ada's account is %s", m, w.target.UserID("ada"))
	}
	w.again()
}

// A vanished account that somebody has made again by hand is adopted, not doubled.
func TestVanishedAndMadeAgainByHand(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Drift.Accounts = "repair"
	small(w)
	w.target.RemoveUser(w.target.UserID("ada"))
	w.target.AddUser(map[string]any{"userName": "countess", "active": true, "emails": []any{map[string]any{"value": "ada@example.org", "type": "work", "primary": true}}})
	w.sync(reconciling)
	if n := len(w.target.UserIDs()); n != 3 {
		t.Errorf("%d accounts, want 3", n)
	}
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	w.again()
}

// An application whose probe is not due yet is not probed later for having been asked.
func TestProbeIsNotPutOff(t *testing.T) {
	w, c := withClock(t)
	small(w)
	w.set("ada", "title", "x")
	w.target.Fail(connectortest.Fault{Status: 401, Times: -1})
	if _, err := w.trySync(); err != nil {
		t.Fatal(err)
	}
	due := w.stands().Quarantine.NextProbe
	w.target.Heal()
	byItself := func(o *cycle.Options) { o.ByHand = false }
	for range 3 {
		c.add(10 * time.Second)
		if r, err := w.trySync(byItself); err != nil || r.Stopped == nil {
			t.Fatalf("a cycle before the probe: %+v, %v", r, err)
		}
	}
	if q := w.stands().Quarantine; !q.NextProbe.Equal(due) || q.Attempts != 1 {
		t.Errorf("the probe was due at %s, is now at %s after %d attempts", due, q.NextProbe, q.Attempts)
	}
	c.add(time.Minute)
	w.expect(w.sync(byItself), map[string]int{"update": 1})
	if w.stands().Quarantine != nil {
		t.Error("still in quarantine")
	}
}

// Deletion that is not among the actions is a deactivation, once.
func TestDeleteNotListedDisablesOnce(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.OnUnassign = "delete"
	small(w)
	w.leave("Engineering", "ada")
	w.expect(w.sync(), map[string]int{"disable": 1, "update": 1})
	w.set("ada", "title", "gone")
	log := w.requests(func() { w.sync() })
	if len(log) != 0 {
		t.Errorf("switched off again: %s %s", log[0].Method, log[0].Path)
	}
}

// Whoever came back gets a whole grace period when they leave again.
func TestCancelledLeaveStartsAnew(t *testing.T) {
	w, c := withClock(t)
	w.app.Provisioning.Grace = provision.Duration(48 * time.Hour)
	small(w)
	w.leave("Engineering", "ada")
	w.sync()
	c.add(40 * time.Hour)
	w.join("Engineering", "ada")
	w.set("ada", "title", "back")
	w.target.Fail(connectortest.Fault{Method: "PATCH", Path: "Users", Status: 400, Times: -1})
	w.sync()
	w.target.Heal()
	w.leave("Engineering", "ada")
	w.sync()
	c.add(20 * time.Hour)
	w.sync()
	w.active("ada", true)
	c.add(30 * time.Hour)
	w.sync()
	w.active("ada", false)
}

// Who joins a group while their account is off is a member when it is on again.
func TestJoinedWhileAway(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.group("Club", "ada")
		w.assign("Club")
		w.sync()
		w.set("bob", "active", false)
		w.sync()
		w.join("Club", "bob")
		w.sync()
		w.groupMembers("Club", "ada")
		w.set("bob", "active", true)
		w.sync()
		w.groupMembers("Club", "ada", "bob")
		w.again()
	})
}
