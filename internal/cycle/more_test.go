package cycle_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

func TestNestedGroupsAreFlattened(t *testing.T) {
	onEach(t, func(w *world) {
		w.user("ada")
		w.user("bob")
		w.user("cleo")
		w.group("Inner", "bob")
		w.group("Middle", "Inner")
		w.group("Outer", "ada", "Middle")
		w.assign("Outer")
		w.expect(w.sync(), map[string]int{"create": 3})
		w.groupMembers("Outer", "ada", "bob")
		w.join("Inner", "cleo")
		w.expect(w.sync(), map[string]int{"create": 1, "update": 1})
		w.groupMembers("Outer", "ada", "bob", "cleo")
		w.leave("Outer", "Middle")
		w.expect(w.sync(), map[string]int{"disable": 2, "update": 1})
		w.groupMembers("Outer", "ada")
		w.again()
	})
}

func TestLateReferencesAreFilledIn(t *testing.T) {
	onEach(t, func(w *world) {
		w.user("boss")
		w.user("ada", "manager", "boss")
		w.user("late")
		w.group("Members", "ada", "late", "boss")
		w.group("Scope", "ada")
		w.app.Provisioning.Filters = []string{`user.title != "not yet"`}
		w.set("boss", "title", "not yet")
		w.set("late", "title", "not yet")
		w.assign("Members")
		w.expect(w.sync(), map[string]int{"create": 2})
		w.groupMembers("Members", "ada")
		w.set("boss", "title", "")
		w.set("late", "title", "")
		w.expect(w.sync(), map[string]int{"create": 2, "update": 2})
		w.groupMembers("Members", "ada", "late", "boss")
		ext, _ := w.account("ada")[directory.Enterprise].(map[string]any)
		manager, _ := ext["manager"].(map[string]any)
		if manager["value"] != w.target.UserID("boss") {
			t.Errorf("ada's manager is %v", manager)
		}
		w.again()
	})
}

func TestGroupLifeCycle(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		g, _ := w.store.GroupByName(t.Context(), "Engineering")
		if _, _, err := w.store.UpdateGroup(t.Context(), by, g.ID, store.GroupEdit{Attributes: directory.Edit{"displayName": "R&D"}}); err != nil {
			t.Fatal(err)
		}
		w.expect(w.sync(), map[string]int{"update": 1, "skip": 3})
		w.groupMembers("R&D", "ada", "bob", "cleo")
		w.app.Assignments = []provision.Assignment{{User: "ada"}, {User: "bob"}, {User: "cleo"}}
		w.save()
		w.expect(w.sync(), map[string]int{"delete": 1, "skip": 3})
		if len(w.target.GroupIDs()) != 0 {
			t.Error("the group that Muster created is still there")
		}
		w.active("ada", true)
		w.again()
	})
}

func TestGroupIsNeverEmptiedByAccident(t *testing.T) {
	w := onSQLite(t)
	small(w)
	for _, l := range w.requests(func() {
		w.leave("Engineering", "ada")
		w.join("Engineering", "ada")
		w.leave("Engineering", "bob")
		w.sync()
	}) {
		if l.Method == http.MethodPut && l.Path[:6] == "Groups" {
			t.Errorf("a group was replaced: %s", l.Body)
		}
	}
	w.groupMembers("Engineering", "ada", "cleo")
}

func TestMembershipsGoInBatches(t *testing.T) {
	w := onSQLite(t)
	names := w.people("p", 250)
	w.group("Everyone", names...)
	w.group("Club")
	w.assign("Everyone", "Club")
	w.expect(w.sync(), map[string]int{"create": 252})
	w.join("Club", names...)
	log := w.requests(func() { w.sync() })
	patches := 0
	for _, l := range log {
		if l.Method == http.MethodPatch {
			patches++
		}
	}
	if patches != 3 {
		t.Errorf("%d PATCH requests for 250 members, want ⌈250/100⌉", patches)
	}
	log = w.requests(func() {
		w.leave("Club", names[7])
		w.sync()
	})
	if len(log) != 1 {
		t.Errorf("%d requests for one of 250 who leaves, want 1", len(log))
	}
}

// TestQueriesDoNotGrow counts: what one change costs may not depend on how many people there are.
func TestQueriesDoNotGrow(t *testing.T) {
	cost := func(t *testing.T, s *store.Store, n int) (first, none, one int64) {
		w := newWorld(t, s)
		names := w.people("p", n)
		w.group("Everyone", names...)
		w.assign("Everyone")
		before := s.Queries()
		w.sync()
		first = s.Queries() - before
		w.sync()
		before = s.Queries()
		w.sync()
		none = s.Queries() - before
		w.set(names[1], "title", "New")
		before = s.Queries()
		w.expect(w.sync(), map[string]int{"update": 1})
		return first, none, s.Queries() - before
	}
	t.Parallel()
	small, large := openSQLite(t), openSQLite(t)
	first1, none1, one1 := cost(t, small, 5)
	first2, none2, one2 := cost(t, large, 700)
	if none1 != none2 || one1 != one2 {
		t.Errorf("nothing changed: %d and %d queries; one change: %d and %d", none1, none2, one1, one2)
	}
	// Rows are written many with one statement. How many come together depends on how fast the target is
	// beside us, but it is never a statement or more for each person.
	if first2-first1 > 700/2 {
		t.Errorf("a first load of 700 people takes %d queries more than one of 5", first2-first1)
	}
	t.Logf("nothing changed: %d queries, one change: %d, first load: %d and %d", none2, one2, first1, first2)
}

func TestOnDemandTouchesOnePerson(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.set("ada", "title", "A")
	w.set("bob", "title", "B")
	u, _ := w.store.UserByName(t.Context(), "bob")
	w.expect(w.sync(func(o *cycle.Options) { o.Object, o.Kind = u.ID, directory.KindUser }), map[string]int{"update": 1})
	if w.account("ada")["title"] != "Engineer" || w.account("bob")["title"] != "B" {
		t.Error("on demand did not touch exactly one person")
	}
	w.expect(w.sync(), map[string]int{"update": 1, "skip": 1})
}

func TestForbiddenObjectIsParked(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.target.Fail(connectortest.Fault{Method: "PATCH", Path: "Users/" + w.target.UserID("ada"), Status: 403, Times: -1})
	w.set("ada", "title", "x")
	w.set("bob", "title", "x")
	w.expect(w.sync(), map[string]int{"update": 1, "failed": 1})
	p, _ := w.store.Progress(t.Context(), w.app.ID)
	if p.Parked != 1 || p.Quarantine != nil {
		t.Errorf("want one parked and no quarantine: %+v", p)
	}
	w.target.Heal()
	w.expect(w.sync(), map[string]int{"update": 1}) // asked for by hand
	w.again()
}

func TestMappingFailureHarmsNobody(t *testing.T) {
	w := onSQLite(t)
	for i, m := range w.app.Mappings.Users {
		if m.Target == "title" {
			w.app.Mappings.Users[i].Source, w.app.Mappings.Users[i].Expression = "", `user.emails[1].value`
		}
	}
	w.user("ada")
	w.user("bob", "emails", []any{map[string]any{"value": "b@example.org", "primary": true}, map[string]any{"value": "b2@example.org"}})
	w.group("Engineering", "ada", "bob")
	w.assign("Engineering")
	w.expect(w.sync(), map[string]int{"create": 2, "failed": 1})
	w.groupMembers("Engineering", "bob")
}

func TestRestartLinksMatchesAgainAndDoublesNobody(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.leave("Engineering", "cleo")
	w.sync()
	if err := w.store.Restart(t.Context(), w.app.ID, "all"); err != nil {
		t.Fatal(err)
	}
	w.sync()
	if n := len(w.target.UserIDs()); n != 3 {
		t.Errorf("%d accounts, want 3", n)
	}
	w.active("cleo", false)
	w.join("Engineering", "cleo")
	w.sync()
	w.active("cleo", true)
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	w.again()
}

func TestConflictIsMatchedAgain(t *testing.T) {
	w := onSQLite(t)
	// The list misses the account, the create finds it: what is there is adopted, not doubled.
	w.target.AddUser(map[string]any{"userName": "ada", "active": false})
	for i := range 5 {
		w.user(fmt.Sprintf("u%d", i))
	}
	w.user("ada")
	w.group("Engineering", "ada", "u0", "u1", "u2", "u3", "u4")
	w.assign("Engineering")
	w.target.Fail(connectortest.Fault{
		Method: "GET", Path: "Users", Status: 200,
		Body: `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}`,
	})
	r := w.sync()
	if n := len(w.target.UserIDs()); n != 6 {
		t.Errorf("%d accounts, want 6", n)
	}
	w.active("ada", true)
	w.expect(r, map[string]int{"create": 6, "enable": 1})
	w.again()
}

func TestExplain(t *testing.T) {
	w := onSQLite(t)
	small(w)
	out := w.user("outsider")
	x, err := w.engine.Explain(t.Context(), w.app, out.ID)
	if err != nil || x.Verdict.In || x.Link != nil || len(x.Pending) != 0 {
		t.Errorf("outsider: %+v, %v", x, err)
	}
	ada, _ := w.store.UserByName(t.Context(), "ada")
	w.set("ada", "title", "x")
	x, err = w.engine.Explain(t.Context(), w.app, ada.ID)
	if err != nil || !x.Verdict.In || x.Link == nil || len(x.Pending) != 1 {
		t.Errorf("ada: %+v, %v", x, err)
	}
}

// TestEndlessTarget checks that a target which never stops listing people that nobody made ends as a list
// that is not believed: nothing is concluded from it, and whoever looks is told why.
func TestEndlessTarget(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		small(w)
		w.app.Connection.Limits.Accounts = 2000
		w.save()
		w.sync()
		w.target.Behave(func(b *connectortest.Behaviour) { b.Endless = true })
		log := w.requests(func() {
			r, err := w.engine.Run(w.t.Context(), w.app, cycle.Options{Reconcile: true, ByHand: true, Initiator: "test"})
			if err != nil || r.Stopped != nil || r.Failed > 0 {
				w.t.Fatalf("%+v %v", r, err)
			}
			if r.Cycle.State != "done" || !strings.Contains(r.Cycle.Error, "goes on after 2000 accounts") || !strings.Contains(r.Cycle.Error, "connection.limits.accounts") {
				w.t.Errorf("%s: %q", r.Cycle.State, r.Cycle.Error)
			}
		})
		for _, l := range log {
			if l.Method != http.MethodGet {
				w.t.Errorf("%s %s was sent", l.Method, l.Path)
			}
		}
		if len(log) > 2*2000/100+10 {
			w.t.Errorf("%d requests for a walk of 2,000 accounts", len(log))
		}
		w.target.Behave(func(b *connectortest.Behaviour) { b.Endless = false })
		w.again()
	})
}
