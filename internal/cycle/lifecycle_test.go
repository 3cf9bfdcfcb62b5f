package cycle_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/provision"
)

// operates reports whether the body of a PATCH adds, or removes, an account.
func operates(body, op, id string) bool {
	var doc struct{ Operations []map[string]any }
	if json.Unmarshal([]byte(body), &doc) != nil {
		return false
	}
	return slices.ContainsFunc(doc.Operations, func(o map[string]any) bool {
		return strings.EqualFold(fmt.Sprint(o["op"]), op) && strings.Contains(fmt.Sprint(o), id)
	})
}

// alwaysIn expects of the requests of a cycle that a person joins a group before they leave another.
func alwaysIn(t *testing.T, w *world, name string, groups ...string) {
	t.Helper()
	w.target.Forget()
	w.sync()
	id := w.target.UserID(name)
	joined, left := -1, -1
	for i, l := range w.target.Log() {
		if l.Method != "PATCH" {
			continue
		}
		for _, g := range groups {
			if l.Path != "Groups/"+w.target.GroupID(g) {
				continue
			}
			switch {
			case operates(l.Body, "add", id):
				joined = i
			case operates(l.Body, "remove", id):
				left = i
			}
		}
	}
	if joined < 0 || left < 0 || left < joined {
		t.Errorf("joined by request %d, left by request %d", joined, left)
	}
}

// TestMovesJoinBeforeTheyLeave: whoever goes from one group to another is in one of them at every moment, also where
// each of the groups gets somebody from the other; whoever only leaves does not wait.
func TestMovesJoinBeforeTheyLeave(t *testing.T) {
	onEach(t, func(w *world) {
		for _, name := range []string{"ada", "bob", "cleo", "dora"} {
			w.user(name)
		}
		w.group("Alpha", "ada", "dora", "cleo")
		w.group("Beta", "bob", "cleo")
		w.group("Everyone", "ada", "bob", "cleo", "dora")
		w.assign("Alpha", "Beta", "Everyone")
		w.sync()
		w.leave("Alpha", "ada", "dora")
		w.join("Beta", "ada")
		alwaysIn(t, w, "ada", "Alpha", "Beta")
		w.groupMembers("Alpha", "cleo")
		w.groupMembers("Beta", "ada", "bob", "cleo")
		w.again()

		w.leave("Beta", "ada")
		w.join("Alpha", "ada")
		w.leave("Alpha", "cleo")
		w.join("Beta", "dora")
		w.leave("Beta", "bob")
		w.join("Alpha", "bob")
		alwaysIn(t, w, "ada", "Alpha", "Beta")
		w.groupMembers("Alpha", "ada", "bob")
		w.groupMembers("Beta", "cleo", "dora")
		w.again()
		// In the other direction the group that is left is looked at first.
		w.leave("Alpha", "bob")
		w.join("Beta", "bob")
		alwaysIn(t, w, "bob", "Alpha", "Beta")
		w.again()
	})
}

// TestMoveWhoseJoiningFails still leaves: a membership that is to go does not stay because another one is refused.
func TestMoveWhoseJoiningFails(t *testing.T) {
	w := onSQLite(t)
	w.user("ada")
	w.user("bob")
	w.group("Alpha", "ada", "bob")
	w.group("Beta", "bob")
	w.assign("Alpha", "Beta")
	w.sync()
	w.leave("Alpha", "ada")
	w.join("Beta", "ada")
	w.target.Fail(connectortest.Fault{Method: "PATCH", Path: "Groups/" + w.target.GroupID("Beta"), Status: 400, Times: -1})
	w.sync()
	w.groupMembers("Alpha", "bob")
	w.target.Heal()
	w.sync()
	w.groupMembers("Beta", "ada", "bob")
	w.again()
}

// TestGraceEndsByItself: nothing else has to change for the account to go when the grace period is over, and a
// change of the period counts for who is leaving already.
func TestGraceEndsByItself(t *testing.T) {
	w, c := withClock(t)
	w.app.Provisioning.Grace = provision.Duration(48 * time.Hour)
	small(w)
	w.leave("Engineering", "ada")
	w.leave("Engineering", "cleo")
	w.sync()
	c.add(47 * time.Hour)
	w.again()
	w.active("ada", true)
	// Back within the grace: nothing was ever sent for her account.
	w.join("Engineering", "cleo")
	w.sync()
	c.add(2 * time.Hour)
	log := w.requests(func() { w.expect(w.sync(), map[string]int{"disable": 1, "skip": 1}) }) // cleo is looked at, and stays
	if len(log) != 1 {
		t.Errorf("%d requests, want 1", len(log))
	}
	w.active("ada", false)
	w.active("cleo", true)
	w.groupMembers("Engineering", "bob", "cleo")
	c.add(100 * time.Hour)
	w.sync()
	w.active("cleo", true)
	w.again()

	// A shorter period ends at once, a longer one goes on.
	w.leave("Engineering", "bob")
	w.sync()
	c.add(10 * time.Hour)
	w.app.Provisioning.Grace = provision.Duration(96 * time.Hour)
	w.save()
	w.sync()
	c.add(40 * time.Hour)
	w.sync()
	w.active("bob", true)
	w.app.Provisioning.Grace = provision.Duration(time.Hour)
	w.save()
	w.sync()
	w.active("bob", false)
	w.again()
}

// TestPolicyChangesDuringGrace: what is to become of the account is asked when the grace is over.
func TestPolicyChangesDuringGrace(t *testing.T) {
	for policy, gone := range map[string]func(w *world) bool{
		"keep":    func(w *world) bool { return w.account("ada")["active"] == true },
		"disable": func(w *world) bool { return w.account("ada")["active"] == false },
		"delete":  func(w *world) bool { return w.target.UserID("ada") == "" },
	} {
		t.Run(policy, func(t *testing.T) {
			w, c := withClock(t)
			w.app.Provisioning.Grace = provision.Duration(24 * time.Hour)
			w.app.Provisioning.Users.Actions = []string{"create", "update", "disable", "delete"}
			small(w)
			w.leave("Engineering", "ada")
			w.sync()
			w.app.Provisioning.OnUnassign = policy
			w.save()
			w.sync()
			if w.account("ada")["active"] != true {
				t.Error("the account went before the grace was over")
			}
			c.add(25 * time.Hour)
			w.sync()
			if !gone(w) {
				t.Errorf("after the grace: %v", w.target.User(w.target.UserID("ada")))
			}
			w.sync()
			w.again()
		})
	}
}

// TestEveryPolicy: each event has its own policy, and each does what it says.
func TestEveryPolicy(t *testing.T) {
	for _, policy := range []string{"disable", "delete", "keep"} {
		for event, leave := range map[string]func(w *world){
			"unassign": func(w *world) { w.leave("Engineering", "ada") },
			"disable":  func(w *world) { w.set("ada", "active", false) },
			"delete": func(w *world) {
				u, _ := w.store.UserByName(w.t.Context(), "ada")
				if err := w.store.DeleteUser(w.t.Context(), by, u.ID); err != nil {
					w.t.Fatal(err)
				}
			},
		} {
			t.Run(event+" "+policy, func(t *testing.T) {
				w := onSQLite(t)
				p := &w.app.Provisioning
				p.Users.Actions = []string{"create", "update", "disable", "delete"}
				// The others say something else, so that a mix-up shows.
				other := map[string]string{"disable": "keep", "delete": "disable", "keep": "delete"}[policy]
				p.OnUnassign, p.OnDisable, p.OnDelete = other, other, other
				switch event {
				case "unassign":
					p.OnUnassign = policy
				case "disable":
					p.OnDisable = policy
				case "delete":
					p.OnDelete = policy
				}
				small(w)
				leave(w)
				w.sync()
				switch id := w.target.UserID("ada"); policy {
				case "disable":
					w.active("ada", false)
				case "keep":
					w.active("ada", true)
				default:
					if id != "" {
						t.Error("the account is still there")
					}
				}
				w.sync()
				w.again()
			})
		}
	}
}

// TestDeleteComesLate: whoever was unassigned, then deactivated, and is at last deleted from the directory, for good
// even, is deleted at the target, however long ago the account was switched off.
func TestDeleteComesLate(t *testing.T) {
	onEach(t, func(w *world) {
		w.app.Provisioning.OnDelete = "delete"
		w.app.Provisioning.Users.Actions = []string{"create", "update", "disable", "delete"}
		small(w)
		w.leave("Engineering", "ada")
		w.sync()
		w.set("ada", "active", false)
		w.sync()
		w.active("ada", false)
		w.again()
		u, err := w.store.UserByName(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		for _, gone := range []func() error{
			func() error { return w.store.DeleteUser(t.Context(), by, u.ID) },
			func() error { return w.store.PurgeUser(t.Context(), by, u.ID) },
		} {
			if err := gone(); err != nil {
				t.Fatal(err)
			}
		}
		w.sync()
		if w.target.UserID("ada") != "" {
			t.Error("the account is still there")
		}
		w.sync()
		w.again()
	})
}

// TestGroupDeletedFromTheDirectory: on_delete: delete takes the group away that Muster created, and leaves an adopted
// one.
func TestGroupDeletedFromTheDirectory(t *testing.T) {
	onEach(t, func(w *world) {
		w.app.Provisioning.OnDelete = "delete"
		w.target.AddGroup("Adopted", w.target.AddUser(map[string]any{"userName": "stranger", "active": true}))
		w.user("ada")
		w.group("Everyone", "ada")
		w.group("Created", "ada")
		w.group("Adopted", "ada")
		w.assign("Everyone", "Created", "Adopted")
		w.sync()
		for _, name := range []string{"Created", "Adopted"} {
			g, err := w.store.GroupByName(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.store.DeleteGroup(t.Context(), by, g.ID); err != nil {
				t.Fatal(err)
			}
		}
		w.sync()
		if w.target.GroupID("Created") != "" {
			t.Error("the group that Muster created is still there")
		}
		w.groupMembers("Adopted", "stranger")
		w.active("ada", true)
		w.again()
	})
}

// TestManagerComesIntoScopeLater, and leaves and comes back: the reference follows by itself.
func TestManagerComesIntoScopeLater(t *testing.T) {
	onEach(t, func(w *world) {
		w.user("boss")
		w.user("ada", "manager", "boss")
		w.group("Engineering", "ada")
		w.assign("Engineering")
		w.expect(w.sync(), map[string]int{"create": 2})
		w.join("Engineering", "boss")
		w.sync()
		manager := func() string {
			ext, _ := w.account("ada")["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].(map[string]any)
			m, _ := ext["manager"].(map[string]any)
			id, _ := m["value"].(string)
			return id
		}
		if manager() != w.target.UserID("boss") {
			t.Errorf("ada's manager is %q, want %q", manager(), w.target.UserID("boss"))
		}
		w.again()
		links, err := w.store.LinkedObjects(t.Context(), w.app.ID, "user")
		if err != nil || len(links) != 2 {
			t.Fatal(links, err)
		}
		w.leave("Engineering", "boss")
		w.sync()
		w.join("Engineering", "boss")
		w.sync()
		w.sync()
		if manager() != w.target.UserID("boss") {
			t.Errorf("after the return ada's manager is %q", manager())
		}
		w.groupMembers("Engineering", "ada", "boss")
		w.again()
	})
}

// TestManagerGetsAnotherAccount in the pass that looks at everything, so that the report's link is written too: the report's manager is
// the new account then, and not the one that is gone.
func TestManagerGetsAnotherAccount(t *testing.T) {
	onEach(t, func(w *world) {
		w.user("boss")
		w.user("ada", "manager", "boss")
		w.group("Engineering", "ada", "boss")
		w.assign("Engineering")
		w.expect(w.sync(), map[string]int{"create": 3})
		w.target.RemoveUser(w.target.UserID("boss"))
		if err := w.store.Restart(t.Context(), w.app.ID, "links"); err != nil {
			t.Fatal(err)
		}
		w.sync()
		w.sync()
		w.sync()
		ext, _ := w.account("ada")["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].(map[string]any)
		m, _ := ext["manager"].(map[string]any)
		if boss := w.target.UserID("boss"); boss == "" || m["value"] != boss {
			t.Errorf("ada's manager is %v, want %q", m["value"], boss)
		}
		w.again()
	})
}

// TestBackWhileADisableIsUncertain: a target that shows changes late shows the account as it was before a disable whose answer was
// lost. Whoever is back is switched on all the same.
func TestBackWhileADisableIsUncertain(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.off("ada")
		w.target.Behave(func(b *connectortest.Behaviour) { b.StaleReads = 3 })
		w.target.Fail(connectortest.Fault{Method: http.MethodPatch, Drop: connectortest.AfterWrite, Times: 1})
		w.sync()
		if w.target.User(w.target.UserID("ada"))["active"] == true {
			t.Fatal("the disable was not carried out")
		}
		w.set("ada", "active", true)
		w.sync()
		w.sync()
		if w.target.User(w.target.UserID("ada"))["active"] != true {
			t.Error("ada is in scope and locked out")
		}
	})
}

// TestTwoGroupsTwoTransactions: out of one group and into the other in two transactions before a cycle, and out of
// one of two: the account is never off.
func TestTwoGroupsTwoTransactions(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.group("Sales", "ada")
		w.assign("Sales")
		w.sync()
		touched := func() bool {
			return slices.ContainsFunc(w.target.Log(), func(l connectortest.Logged) bool {
				return l.Path == "Users/"+w.target.UserID("ada") && l.Method != "GET"
			})
		}
		w.target.Forget()
		w.leave("Sales", "ada")
		w.sync()
		w.join("Sales", "ada")
		w.sync()
		w.leave("Engineering", "ada")
		w.sync()
		w.leave("Sales", "ada")
		w.join("Engineering", "ada")
		w.sync()
		if touched() {
			t.Error("the account was touched")
		}
		w.active("ada", true)
		w.groupMembers("Engineering", "ada", "bob", "cleo")
		w.groupMembers("Sales")
		w.again()
	})
}

// TestGroupsSwitchedOff: whoever switches the provisioning of groups off wants no more of it. What is there stays, also
// of a group that is deleted meanwhile, until it is switched on again; unassigning a group takes it away.
func TestGroupsSwitchedOff(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.group("Old", "ada")
		w.assign("Old")
		w.sync()
		w.app.Provisioning.Groups.Enabled = false
		w.save()
		w.target.Forget()
		w.sync()
		w.leave("Engineering", "cleo")
		g, err := w.store.GroupByName(t.Context(), "Old")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.store.DeleteGroup(t.Context(), by, g.ID); err != nil {
			t.Fatal(err)
		}
		w.sync()
		for _, l := range w.target.Log() {
			if l.Method != "GET" && strings.HasPrefix(l.Path, "Groups") {
				t.Errorf("a group was touched while groups are switched off: %s %s", l.Method, l.Path)
			}
		}
		w.groupMembers("Old", "ada")
		w.app.Provisioning.Groups.Enabled = true
		w.save()
		w.sync()
		w.groupMembers("Engineering", "ada", "bob")
		if w.target.GroupID("Old") != "" {
			t.Error("the group that was deleted while groups were switched off is still there")
		}
		w.again()
		w.app.Assignments = nil
		w.save()
		w.sync()
		if w.target.GroupID("Engineering") != "" {
			t.Error("the group that was unassigned is still there")
		}
	})
}
