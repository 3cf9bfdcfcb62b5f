package cycle_test

import (
	"errors"
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

// planUndo plans to take back a cycle and expects that nothing is written.
func (w *world) planUndo(cycleID string, object ...string) *store.Cycle {
	w.t.Helper()
	app, err := w.store.Application(w.t.Context(), "target")
	if err != nil {
		w.t.Fatal(err)
	}
	o := cycle.Options{Undo: cycleID, ByHand: true, Initiator: "grace"}
	if len(object) > 0 {
		u, err := w.store.UserByName(w.t.Context(), object[0])
		if err != nil {
			w.t.Fatal(err)
		}
		o.UndoObject = u.ID
	}
	w.target.Forget()
	plan, err := w.engine.Plan(w.t.Context(), app, o)
	if err != nil {
		w.t.Fatal(err)
	}
	if n := w.target.Writes(); n != 0 {
		w.t.Errorf("planning to undo sent %d writes", n)
	}
	return plan
}

func (w *world) undo(cycleID string, object ...string) *cycle.Report {
	w.t.Helper()
	plan := w.planUndo(cycleID, object...)
	return w.sync(func(o *cycle.Options) { o.PlanID, o.Initiator = plan.ID, "grace" })
}

// why returns the reason of the operation on somebody in a cycle.
func (w *world) why(cycleID, name string) string {
	w.t.Helper()
	for _, o := range w.operations(cycleID) {
		if o.Source.Name == name {
			return string(o.Action) + ": " + o.Reason
		}
	}
	return ""
}

func (w *world) explained(name string) *cycle.Explanation {
	w.t.Helper()
	u, err := w.store.UserByName(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	app, err := w.store.Application(w.t.Context(), "target")
	if err != nil {
		w.t.Fatal(err)
	}
	x, err := w.engine.Explain(w.t.Context(), app, u.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

// TestUndoOfAnUpdate: the old values come back, no cycle does the update again, and what changes afterwards is sent.
func TestUndoOfAnUpdate(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.set("ada", "title", "Wrong", "displayName", "Wrong Too")
		w.set("bob", "title", "Also wrong")
		done := w.sync()
		w.expect(done, map[string]int{"update": 2})
		w.expect(w.undo(done.Cycle.ID, "ada"), map[string]int{"update": 1})
		if doc := w.account("ada"); doc["title"] != "Engineer" || doc["displayName"] != "ada Test" {
			t.Errorf("not as before: %v", doc)
		}
		if w.account("bob")["title"] != "Also wrong" {
			t.Error("bob was undone too")
		}
		w.again()
		w.sync(reconcile)
		if w.account("ada")["title"] != "Engineer" {
			t.Error("the reconcile did the update again")
		}
		if x := w.explained("ada"); x.Rejected == nil || !strings.Contains(x.Rejected.Why(), "grace undid this") || len(x.Pending) != 0 {
			t.Errorf("explained: %+v", x)
		}
		// Everything is looked at again, and nothing is repeated.
		if err := w.store.Restart(t.Context(), w.app.ID, "watermark"); err != nil {
			t.Fatal(err)
		}
		w.sync()
		if w.account("ada")["title"] != "Engineer" {
			t.Error("a restart did the update again")
		}
		// Another attribute is sent, and this one when it changes.
		w.set("ada", "nickName", "Countess")
		w.sync()
		if doc := w.account("ada"); doc["title"] != "Engineer" {
			t.Errorf("title: %v", doc["title"])
		}
		w.set("ada", "title", "Right")
		w.expect(w.sync(), map[string]int{"update": 1})
		if doc := w.account("ada"); doc["title"] != "Right" || doc["displayName"] != "ada Test" {
			t.Errorf("after the change: %v", doc)
		}
		w.again()
	})
}

// TestUndoingAnUndo brings back what was undone.
func TestUndoingAnUndo(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.set("ada", "title", "Chief")
		w.leave("Engineering", "bob")
		w.user("dora")
		w.join("Engineering", "dora")
		done := w.sync()
		w.expect(done, map[string]int{"create": 1, "update": 2, "disable": 1})
		undone := w.undo(done.Cycle.ID)
		w.expect(undone, map[string]int{"update": 2, "enable": 1, "disable": 1})
		w.active("bob", true)
		w.active("dora", false)
		w.groupMembers("Engineering", "ada", "bob", "cleo")
		w.again()
		again := w.undo(undone.Cycle.ID)
		w.expect(again, map[string]int{"update": 2, "enable": 1, "disable": 1})
		w.active("bob", false)
		w.active("dora", true)
		w.groupMembers("Engineering", "ada", "cleo", "dora")
		if w.account("ada")["title"] != "Chief" {
			t.Error("the title did not come back")
		}
		for _, name := range []string{"ada", "bob", "dora"} {
			if x := w.explained(name); x.Rejected != nil {
				t.Errorf("%s: still turned down: %+v", name, x.Rejected)
			}
		}
		w.again()
		// And the directory rules as before.
		w.leave("Engineering", "dora")
		w.expect(w.sync(), map[string]int{"disable": 1, "update": 1})
		w.groupMembers("Engineering", "ada", "cleo")
		w.again()
	})
}

// TestUndoOfRemovals: who was removed by mistake is back at once, in the groups too, and is not removed again
// until the person has been in scope.
func TestUndoOfRemovals(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.leave("Engineering", "ada", "bob")
		done := w.sync()
		w.expect(done, map[string]int{"disable": 2, "update": 1})
		w.expect(w.undo(done.Cycle.ID), map[string]int{"enable": 2, "update": 1})
		w.active("ada", true)
		w.groupMembers("Engineering", "ada", "bob", "cleo")
		w.sync() // looks at bob, whose manager is back
		w.again()
		w.sync(reconcile)
		w.active("ada", true)
		w.groupMembers("Engineering", "ada", "bob", "cleo")
		// Back in the directory, and gone again: now it counts.
		w.join("Engineering", "ada")
		w.sync()
		w.leave("Engineering", "ada")
		w.sync()
		w.active("ada", false)
		w.active("bob", true)
		w.groupMembers("Engineering", "bob", "cleo")
		w.again()
	})
}

// TestUndoOfCreates: they are removals, and go through the guard; approved, they are carried out by the next cycle.
func TestUndoOfCreates(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.app.Provisioning.Hold.Removals = 10
		names := make([]string, 30)
		for i := range names {
			names[i] = fmt.Sprintf("n%02d", i)
			w.user(names[i])
		}
		w.group("New", names...)
		w.assign("New")
		done := w.sync()
		w.expect(done, map[string]int{"create": 31})
		plan := w.planUndo(done.Cycle.ID)
		w.counts(plan.Summary, map[string]int{"disable": 30, "delete": 1, "held": 31})
		r := w.sync(func(o *cycle.Options) { o.PlanID = plan.ID })
		w.expect(r, map[string]int{"held": 31})
		w.active("n00", true)
		// What waits is not forgotten by the cycles in between, nor by one that looks at everybody.
		w.sync()
		w.expect(w.sync(reconcile), map[string]int{"held": 31, "skip": 35})
		held, err := w.store.HeldOperations(t.Context(), w.app.ID)
		if err != nil || len(held) != 31 {
			t.Fatalf("%d held, %v", len(held), err)
		}
		if err := w.store.Reject(t.Context(), w.app.ID, held[:1], "tester"); err != nil {
			t.Fatal(err)
		}
		if err := w.store.Approve(t.Context(), w.app.ID, held[1:], "tester"); err != nil {
			t.Fatal(err)
		}
		w.expect(w.sync(), map[string]int{"disable": 29, "delete": 1})
		off := 0
		for _, name := range names {
			if w.account(name)["active"] == false {
				off++
			}
		}
		if off != 29 || w.target.GroupID("New") != "" {
			t.Errorf("%d are off, want 29 and no group", off)
		}
		w.again()
		w.sync(reconcile)
		if w.target.GroupID("New") != "" {
			t.Error("the group was made again")
		}
		w.again()
		// Out of scope and in again: they are on again.
		w.leave("New", names[5])
		w.sync()
		w.join("New", names[5])
		w.sync()
		w.active(names[5], true)
	})
}

// TestUndoneCreateEndsWithTheAssignment: whoever has no account because making it was undone gets one when they are assigned again.
func TestUndoneCreateEndsWithTheAssignment(t *testing.T) {
	onEach(t, func(w *world) {
		w.app.Provisioning.OnUnassign = "delete"
		w.app.Provisioning.Users.Actions = []string{"create", "update", "disable", "delete"}
		w.user("ada")
		w.group("Engineering", "ada")
		w.assign("Engineering")
		w.undo(w.sync().Cycle.ID)
		w.sync()
		if len(w.target.UserIDs()) != 0 {
			t.Fatal("what was undone is there again")
		}
		w.app.Assignments = nil
		w.save()
		w.sync(reconciling) // looks at everything, and not for what has changed
		w.assign("Engineering")
		w.sync()
		if w.target.UserID("ada") == "" {
			t.Error("ada was assigned again, and is still kept out")
		}
	})
}

// TestUndoDeletesOnlyWhereAllowed: an account that a cycle made is deleted only where deleting is allowed, and is not
// made again.
func TestUndoDeletesOnlyWhereAllowed(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.OnUnassign = "delete"
	w.app.Provisioning.Users.Actions = []string{"create", "update", "disable", "delete"}
	small(w)
	w.user("dora")
	w.join("Engineering", "dora")
	done := w.sync()
	w.expect(w.undo(done.Cycle.ID), map[string]int{"delete": 1, "update": 1})
	if w.target.UserID("dora") != "" {
		t.Error("dora's account is still there")
	}
	w.sync() // the group, of which an account is gone
	w.again()
	w.expect(w.sync(reconcile), map[string]int{"skip": 5})
	if w.target.UserID("dora") != "" {
		t.Error("dora's account was made again")
	}
	// What is deleted cannot be brought back.
	w.leave("Engineering", "cleo")
	gone := w.sync()
	plan := w.planUndo(gone.Cycle.ID)
	if why := w.why(plan.ID, "cleo"); !strings.HasPrefix(why, "skip: ") || !strings.Contains(why, "cannot be brought back") {
		t.Error(why)
	}
	// Out and in again.
	w.leave("Engineering", "dora")
	w.sync()
	w.join("Engineering", "dora")
	w.sync()
	w.active("dora", true)
}

// TestUndoLeavesOutWhatChangedSince: nothing is overwritten blindly.
func TestUndoLeavesOutWhatChangedSince(t *testing.T) {
	onEach(t, func(w *world) {
		for _, name := range []string{"ada", "bob", "cleo", "dora", "emil", "fay", "gus"} {
			w.user(name, "title", "Old")
		}
		w.group("Engineering", "ada", "bob", "cleo", "dora", "emil", "fay", "gus")
		w.assign("Engineering")
		w.sync()
		for _, name := range []string{"ada", "bob", "cleo", "dora", "emil"} {
			w.set(name, "title", "New")
		}
		w.leave("Engineering", "fay", "gus")
		done := w.sync()
		w.expect(done, map[string]int{"update": 6, "disable": 2})
		w.target.EditUser(w.target.UserID("bob"), func(doc map[string]any) { doc["title"] = "By hand" })
		w.set("cleo", "title", "Newer") // not sent yet
		w.target.RemoveUser(w.target.UserID("dora"))
		w.target.EditUser(w.target.UserID("emil"), func(doc map[string]any) { doc["active"] = false })
		w.set("fay", "active", false)
		w.target.EditUser(w.target.UserID("gus"), func(doc map[string]any) { doc["active"] = true })
		plan := w.planUndo(done.Cycle.ID)
		for name, want := range map[string]string{
			"ada": "update: ", "bob": "changed at the target since", "cleo": "changed in the directory since", "dora": "gone from the target",
			"emil": "deactivated since", "fay": "since then: is deactivated in the directory", "gus": "switched on at the target since",
		} {
			if why := w.why(plan.ID, name); !strings.Contains(why, want) {
				t.Errorf("%s: %q, want %q", name, why, want)
			}
		}
		w.sync(func(o *cycle.Options) { o.PlanID = plan.ID })
		if w.account("ada")["title"] != "Old" || w.account("bob")["title"] != "By hand" || w.account("cleo")["title"] != "New" {
			t.Error("undone, or overwritten, wrongly")
		}
		w.active("fay", false)
		w.sync()
		if w.account("cleo")["title"] != "Newer" {
			t.Error("what changed in the directory was not sent")
		}
	})
}

// TestUndoPlanGoesStale: what changes between the plan and its run is said, and nothing is sent.
func TestUndoPlanGoesStale(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.set("ada", "title", "New")
	w.set("bob", "title", "New")
	done := w.sync()
	plan := w.planUndo(done.Cycle.ID)
	w.target.EditUser(w.target.UserID("ada"), func(doc map[string]any) { doc["title"] = "By hand" })
	w.target.Forget()
	var stale *cycle.ErrPlanStale
	_, err := w.trySync(func(o *cycle.Options) { o.PlanID = plan.ID })
	if !errors.As(err, &stale) || w.target.Writes() != 0 {
		t.Errorf("%v, %d writes; want the plan refused and nothing sent", err, w.target.Writes())
	}
	w.again()
	if x := w.explained("bob"); x.Rejected != nil {
		t.Errorf("turned down although nothing was undone: %+v", x.Rejected)
	}
}

// TestUndoPlanGoesStaleHeld: nobody is asked to approve what a plan that does not hold any more would have done.
func TestUndoPlanGoesStaleHeld(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.app.Provisioning.Hold.Removals = 10
	names := make([]string, 30)
	for i := range names {
		names[i] = fmt.Sprintf("n%02d", i)
		w.user(names[i])
	}
	w.group("New", names...)
	w.assign("New")
	done := w.sync()
	plan := w.planUndo(done.Cycle.ID)
	w.target.RemoveUser(w.target.UserID("n07"))
	var stale *cycle.ErrPlanStale
	if _, err := w.trySync(func(o *cycle.Options) { o.PlanID = plan.ID }); !errors.As(err, &stale) {
		t.Fatal(err)
	}
	held, err := w.store.HeldOperations(t.Context(), w.app.ID)
	if err != nil || len(held) != 0 {
		t.Errorf("%d are held, %v", len(held), err)
	}
	if x := w.explained("n01"); x.Rejected != nil {
		t.Errorf("turned down although nothing was undone: %+v", x.Rejected)
	}
	w.sync(func(o *cycle.Options) { o.ApproveHeld = true })
	w.active("n01", true)
}

// TestUndoOfAdoption: the account's own values come back; it was not Muster that made it.
func TestUndoOfAdoption(t *testing.T) {
	w := onSQLite(t)
	ada := w.target.AddUser(map[string]any{"userName": "ada", "active": false, "title": "Own title"})
	bob := w.target.AddUser(map[string]any{"userName": "bob", "active": true, "title": "Own title"})
	w.user("ada", "title", "Engineer")
	w.user("bob", "title", "Engineer")
	w.group("Engineering", "ada", "bob")
	w.assign("Engineering")
	done := w.sync()
	w.expect(done, map[string]int{"create": 1, "enable": 1, "update": 1})
	w.expect(w.undo(done.Cycle.ID), map[string]int{"disable": 1, "update": 1, "delete": 1})
	if doc := w.target.User(ada); doc["active"] != false {
		t.Errorf("ada: %v", doc)
	}
	if doc := w.target.User(bob); doc["active"] != true || doc["title"] != "Own title" {
		t.Errorf("bob: %v", doc)
	}
	w.again()
	w.sync(reconcile)
	if doc := w.target.User(bob); doc["title"] != "Own title" {
		t.Errorf("bob after the reconcile: %v", doc)
	}
}

// TestUndoKeepsSecrets: the old value of a sensitive attribute was not kept, and cannot be restored.
func TestUndoKeepsSecrets(t *testing.T) {
	w := onSQLite(t)
	for i := range w.app.Mappings.Users {
		if w.app.Mappings.Users[i].Target == "title" {
			w.app.Mappings.Users[i].Sensitive = true
		}
	}
	small(w)
	w.set("ada", "title", "Secret", "displayName", "Wrong")
	done := w.sync()
	r := w.undo(done.Cycle.ID)
	w.expect(r, map[string]int{"update": 1})
	if doc := w.account("ada"); doc["title"] != "Secret" || doc["displayName"] != "ada Test" {
		t.Errorf("ada: %v", doc)
	}
	if why := w.why(r.Cycle.ID, "ada"); !strings.Contains(why, "title is sensitive") {
		t.Error(why)
	}
}

// TestUndoStoppedAnywhere: whatever request is the last one, the same plan, or a new one, brings it to its end, and no
// cycle in between takes it back.
func TestUndoStoppedAnywhere(t *testing.T) {
	for after := range 7 {
		for _, drop := range []connectortest.Drop{connectortest.BeforeWrite, connectortest.AfterWrite} {
			t.Run(fmt.Sprint(after, drop), func(t *testing.T) {
				w := onSQLite(t)
				small(w)
				w.set("ada", "title", "Wrong")
				w.leave("Engineering", "bob")
				w.user("dora")
				w.join("Engineering", "dora")
				done := w.sync()
				plan := w.planUndo(done.Cycle.ID)
				w.target.Fail(connectortest.Fault{After: after, Drop: drop, Times: -1})
				var stale *cycle.ErrPlanStale // where an account could not be read
				if _, err := w.trySync(func(o *cycle.Options) { o.PlanID = plan.ID }); err != nil && !errors.As(err, &stale) {
					t.Fatal(err)
				}
				w.target.Heal()
				w.sync()
				w.sync()
				w.undo(done.Cycle.ID)
				w.sync()
				if doc := w.account("ada"); doc["title"] != "Engineer" {
					t.Errorf("title: %v", doc["title"])
				}
				w.active("bob", true)
				w.active("dora", false)
				w.groupMembers("Engineering", "ada", "bob", "cleo")
				w.again()
				if n := len(w.target.UserIDs()); n != 4 {
					t.Errorf("%d accounts, want 4", n)
				}
			})
		}
	}
}

// TestUndoneMembershipReturns: whoever was put out of a group by an undo is in it again when they have left the scope and
// returned, and not before.
func TestUndoneMembershipReturns(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.user("dora")
		w.join("Engineering", "dora")
		done := w.sync()
		w.expect(w.undo(done.Cycle.ID, "dora"), map[string]int{"disable": 1, "update": 1})
		w.groupMembers("Engineering", "ada", "bob", "cleo")
		w.set("dora", "active", false)
		w.sync()
		w.set("dora", "active", true)
		w.expect(w.sync(), map[string]int{"enable": 1, "update": 1})
		w.groupMembers("Engineering", "ada", "bob", "cleo", "dora")
		w.again()
		// Of somebody who stays, the membership alone: it is not proposed again.
		w.leave("Engineering", "dora")
		w.user("emil")
		w.group("Others", "dora", "emil")
		w.assign("Others")
		w.sync()
		w.join("Engineering", "dora")
		done = w.sync()
		w.expect(w.undo(done.Cycle.ID, "dora"), map[string]int{"update": 1})
		w.sync(reconcile)
		w.groupMembers("Engineering", "ada", "bob", "cleo")
		w.groupMembers("Others", "dora", "emil")
		w.again()
		// Who leaves and stays on all the same, because somebody undid that as well, is back with nothing to be sent for them.
		w.set("dora", "active", false)
		done = w.sync()
		w.expect(w.undo(done.Cycle.ID, "dora"), map[string]int{"enable": 1})
		w.set("dora", "active", true)
		w.expect(w.sync(), map[string]int{"update": 2, "skip": 2})
		w.groupMembers("Engineering", "ada", "bob", "cleo", "dora")
	})
}

// TestUndoneMembershipReturnsWithoutAnAnswer: the same when nobody knows at first whether the account was switched on: the
// answer was lost, or nobody could be asked afterwards.
func TestUndoneMembershipReturnsWithoutAnAnswer(t *testing.T) {
	enable := connectortest.Fault{Method: http.MethodPatch, Path: "Users"}
	lost, silent := enable, enable
	lost.Drop = connectortest.AfterWrite
	silent.Status, silent.Body, silent.Committed = 200, "{}", true
	for name, faults := range map[string][]connectortest.Fault{
		"lost": {lost}, "unverified": {silent, {Method: http.MethodGet, Path: "Users", Status: 400, Times: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			small(w)
			w.user("dora")
			w.join("Engineering", "dora")
			done := w.sync()
			w.undo(done.Cycle.ID, "dora")
			w.set("dora", "active", false)
			w.sync()
			w.set("dora", "active", true)
			for _, f := range faults {
				w.target.Fail(f)
			}
			if _, err := w.trySync(); err != nil {
				t.Fatal(err)
			}
			w.active("dora", true)
			w.groupMembers("Engineering", "ada", "bob", "cleo")
			w.target.Heal()
			w.sync()
			w.groupMembers("Engineering", "ada", "bob", "cleo", "dora")
			w.again()
		})
	}
}

// TestUndoOfTwoOperations: what a cycle did to one object in several steps is taken back as a whole.
func TestUndoOfTwoOperations(t *testing.T) {
	d := &provision.Done{}
	for _, o := range []provision.Operation{
		{Action: provision.Create}, {Action: provision.Disable}, {Action: provision.Enable},
	} {
		d.Take(o)
	}
	if !d.Created || d.Disabled || d.Enabled {
		t.Errorf("%+v", d)
	}
	a, b := provision.Subject{ID: "a"}, provision.Subject{ID: "b"}
	d = &provision.Done{}
	d.Take(provision.Operation{Kind: directory.KindGroup, Action: provision.Update, Add: []provision.Subject{a, b}})
	d.Take(provision.Operation{Kind: directory.KindGroup, Action: provision.Update, Remove: []provision.Subject{a}})
	if len(d.Added) != 1 || d.Added[0] != b || len(d.Removed) != 0 {
		t.Errorf("%+v", d)
	}
}
