package cycle_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/provision"
)

// Whatever a target answers to one write is that object's failure, and the others go on.
func TestStrangeAnswersAreOneObjectsFailure(t *testing.T) {
	for name, fault := range map[string]connectortest.Fault{
		"huge":    {Huge: 64 << 20},
		"deep":    {Deep: 100_000},
		"endless": {Endless: true},
		"html":    {Body: "<html>", Status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			small(w)
			fault.Method, fault.Path, fault.Times = "PATCH", "Users/"+w.target.UserID("ada"), -1
			w.target.Fail(fault)
			w.set("ada", "title", "x")
			w.set("bob", "title", "x")
			w.sync()
			if w.account("bob")["title"] != "x" {
				t.Error("bob's change did not arrive")
			}
			w.target.Heal()
			w.sync()
			if w.account("ada")["title"] != "x" {
				t.Error("ada's change was lost")
			}
			w.again()
		})
	}
}

// An operation whose answer was lost ends right, whatever becomes of the object meanwhile.
func TestUnansweredOperationsAndWhatComesAfter(t *testing.T) {
	begin := map[string]func(w *world){
		"create":  func(w *world) { w.user("dora"); w.join("Engineering", "dora") },
		"update":  func(w *world) { w.set("dora", "title", "first") },
		"disable": func(w *world) { w.set("dora", "active", false) },
		"enable":  func(w *world) { w.set("dora", "active", true) },
	}
	then := map[string]func(w *world){
		"nothing": func(*world) {},
		"changed": func(w *world) { w.set("dora", "title", "second") },
		"leaves":  func(w *world) { w.leave("Engineering", "dora") },
		"off":     func(w *world) { w.set("dora", "active", false) },
		"on":      func(w *world) { w.set("dora", "active", true) },
		"deleted": func(w *world) {
			u, _ := w.store.UserByName(w.t.Context(), "dora")
			_ = w.store.DeleteUser(w.t.Context(), by, u.ID)
		},
		"off, on":  func(w *world) { w.set("dora", "active", false); w.sync(); w.set("dora", "active", true) },
		"excluded": func(w *world) { w.app.Provisioning.Filters = []string{`user.userName != "dora"`}; w.save() },
	}
	for first, do := range begin {
		for next, after := range then {
			for _, drop := range []connectortest.Drop{connectortest.BeforeWrite, connectortest.AfterWrite} {
				t.Run(fmt.Sprintf("%s then %s, %d", first, next, drop), func(t *testing.T) {
					w := onSQLite(t)
					small(w)
					if first != "create" {
						begin["create"](w)
						if first == "enable" {
							w.set("dora", "active", false)
						}
						w.sync()
					}
					w.target.Fail(connectortest.Fault{Method: "POST", Drop: drop})
					w.target.Fail(connectortest.Fault{Method: "PATCH", Drop: drop})
					w.target.Fail(connectortest.Fault{Method: "GET", Status: 404, Times: 1})
					do(w)
					if _, err := w.trySync(); err != nil {
						t.Fatal(err)
					}
					w.target.Heal()
					after(w)
					for range 3 {
						w.sync()
					}
					u, err := w.store.UserByName(t.Context(), "dora")
					on := err == nil && u.Active && next != "leaves" && next != "excluded"
					id := w.target.UserID("dora")
					if on && id == "" {
						t.Fatal("dora has no account")
					}
					if id != "" {
						doc := w.target.User(id)
						if doc["active"] != on {
							t.Errorf("dora is active: %v, want %v", doc["active"], on)
						}
						if title, _ := u.Attributes["title"].(string); on && title != "" && doc["title"] != title {
							t.Errorf("title is %v, want %q", doc["title"], title)
						}
					}
					if n := len(w.target.UserIDs()); n > 4 {
						t.Errorf("%d accounts for 4 people", n)
					}
					if on {
						w.groupMembers("Engineering", "ada", "bob", "cleo", "dora")
					}
					w.again()
				})
			}
		}
	}
}

// Who moves from one assigned group to another in one cycle is never off in between.
func TestMovingBetweenGroups(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.group("Sales")
		w.assign("Sales")
		w.sync()
		w.leave("Engineering", "ada")
		w.join("Sales", "ada")
		for _, l := range w.requests(func() { w.expect(w.sync(), map[string]int{"update": 2, "skip": 1}) }) {
			if l.Path == "Users/"+w.target.UserID("ada") {
				w.t.Errorf("ada was touched: %s %s", l.Method, l.Body)
			}
		}
		w.groupMembers("Sales", "ada")
		w.again()
	})
}

// Somebody deleted and hired again under the same name, and people who share an alias, get no second
// account and nobody else's.
func TestSameNamesAndAliases(t *testing.T) {
	w := onSQLite(t)
	small(w)
	u, _ := w.store.UserByName(t.Context(), "ada")
	if err := w.store.DeleteUser(t.Context(), by, u.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.store.PurgeUser(t.Context(), by, u.ID); err != nil {
		t.Fatal(err)
	}
	w.user("ada")
	alias := func(name string) []any {
		return []any{map[string]any{"value": name + "@example.org", "type": "work", "primary": true}, map[string]any{"value": "team@example.org", "type": "other"}}
	}
	w.user("dora", "emails", alias("dora"))
	w.user("emil", "emails", alias("emil"))
	w.join("Engineering", "ada", "dora", "emil")
	w.sync()
	w.sync()
	// The account is still linked to the ada who left: whose it is to be, a person must say.
	w.active("ada", false)
	if n := len(w.target.UserIDs()); n != 5 {
		t.Errorf("%d accounts, want 5", n)
	}
	if p := w.stands(); p.Parked != 1 {
		t.Errorf("parked: %d", p.Parked)
	}
	w.active("dora", true)
	w.active("emil", true)
	// Who says so removes it at the target, and the other one has an account of their own.
	w.target.RemoveUser(w.target.UserID("ada"))
	w.sync()
	w.active("ada", true)
	w.again()
}

// Restarting any part of what is known does nothing that was not due.
func TestRestartsAreHarmless(t *testing.T) {
	for _, scope := range []string{"escrow", "watermark", "links", "all"} {
		t.Run(scope, func(t *testing.T) {
			w := onSQLite(t)
			small(w)
			w.leave("Engineering", "cleo")
			w.sync()
			w.set("bob", "title", "x")
			if err := w.store.Restart(t.Context(), w.app.ID, scope); err != nil {
				t.Fatal(err)
			}
			writes := 0
			for _, l := range w.requests(func() { w.sync() }) {
				if l.Method != http.MethodGet {
					writes++
				}
			}
			if writes != 1 {
				t.Errorf("%d writes for one change", writes)
			}
			w.active("cleo", false)
			w.groupMembers("Engineering", "ada", "bob")
			w.again()
		})
	}
}

// 403 for everything parks or stops, and is over when it is over.
func TestForbiddenEverywhere(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.set("ada", "title", "x")
	w.set("bob", "title", "x")
	w.target.Fail(connectortest.Fault{Status: 403, Times: -1})
	r, err := w.trySync()
	if err != nil || r.Stopped == nil || r.Stopped.Kind != provision.Unauthorised {
		t.Fatalf("%+v, %v", r, err)
	}
	if p := w.stands(); p.Parked != 0 || p.Quarantine == nil {
		t.Errorf("%+v", p)
	}
	w.target.Heal()
	w.expect(w.sync(), map[string]int{"update": 2})
	w.again()
}

// A group that Muster keeps is made again with all its members when it vanished and is to be repaired.
func TestVanishedGroup(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Drift.Accounts = "repair"
	small(w)
	w.target.RemoveGroup(w.target.GroupID("Engineering"))
	w.sync(reconciling)
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	w.again()
	w.leave("Engineering", "ada")
	w.sync()
	w.groupMembers("Engineering", "bob", "cleo")
}

// A member whom the target refused once is tried again.
func TestRefusedMemberIsTriedAgain(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.user("dora")
	w.group("Club")
	w.assign("Club")
	w.join("Engineering", "dora")
	w.sync()
	w.target.Fail(connectortest.Fault{Method: "PATCH", Path: "Groups", Status: 400, Times: 2})
	w.join("Club", "dora")
	w.sync()
	w.groupMembers("Club")
	w.target.Heal()
	w.sync()
	w.groupMembers("Club", "dora")
	if p := w.stands(); p.Escrow != 0 {
		t.Errorf("escrow: %d", p.Escrow)
	}
	w.again()
}
