package cycle_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// crowd is a company of n in one linked group, provisioned, with the default threshold.
func crowd(w *world, n int) []string {
	w.t.Helper()
	w.app.Provisioning.Hold.Removals = 10
	names := w.people("p", n)
	w.group("All", names...)
	w.assign("All")
	w.expect(w.sync(), map[string]int{"create": n + 1})
	return names
}

func (w *world) off(names ...string) {
	for _, n := range names {
		w.set(n, "active", false)
	}
}

func (w *world) enabled() int {
	n := 0
	for _, id := range w.target.UserIDs() {
		if w.target.User(id)["active"] == true {
			n++
		}
	}
	return n
}

// What a person approved stays approved, whatever comes between the approval and the deed.
func TestApprovalOutlivesFailures(t *testing.T) {
	for name, fault := range map[string]connectortest.Fault{
		"credentials": {Status: 401, Times: -1},
		"target":      {Status: 503, Times: -1},
		"refused":     {Method: "PATCH", Status: 400, Times: -1},
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			names := crowd(w, 20)
			w.off(names[:7]...)
			w.expect(w.sync(), map[string]int{"held": 7})
			w.approve(w.held()...)
			w.target.Fail(fault)
			if _, err := w.trySync(); err != nil {
				t.Fatal(err)
			}
			w.target.Heal()
			w.sync()
			if n := w.enabled(); n != 13 {
				t.Errorf("%d accounts are on, want 13; held: %d", n, len(w.held()))
			}
			w.again()
			// It is used up: the next seven wait again.
			w.off(names[7:14]...)
			w.expect(w.sync(), map[string]int{"held": 7})
		})
	}
}

// What is held is none of what a pass has before it: whoever watches sees it end with everything done.
func TestProgressEndsWithoutWhatIsHeld(t *testing.T) {
	for name, c := range map[string]struct {
		besides func(w *world)
		writes  int
	}{
		"whole":  {func(w *world) { w.set("p010", "title", "Admiral") }, 1},
		"parted": {func(w *world) { w.user("newcomer"); w.join("All", "newcomer") }, 2}, // the group's update has somebody to add too
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			w.leave("All", crowd(w, 20)[:7]...)
			c.besides(w)
			var last cycle.Progress
			w.sync(func(o *cycle.Options) { o.Progress = func(p cycle.Progress) { last = p } })
			if n := len(w.held()); n != 8 { // seven accounts, and that they leave the group
				t.Fatalf("%d operations are held", n)
			}
			if last.Planned != c.writes || last.Done != c.writes {
				t.Errorf("the pass ended with %d of %d, want %d", last.Done, last.Planned, c.writes)
			}
		})
	}
}

// An approved deactivation is no approval of a deletion.
func TestApprovalIsOfOneAction(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 20)
	w.off(names[:7]...)
	w.sync()
	w.approve(w.held()...)
	w.app.Provisioning.OnDisable = "delete"
	w.app.Provisioning.Users.Actions = []string{"create", "update", "disable", "delete"}
	w.save()
	w.sync()
	if n := len(w.target.UserIDs()); n != 20 {
		t.Errorf("%d accounts are left of 20; nobody approved a deletion", n)
	}
	if n := len(w.held()); n != 7 {
		t.Errorf("%d are held", n)
	}
}

// Approving some members' removal lets no others through.
func TestApprovalOfMembersIsForThoseMembers(t *testing.T) {
	onEach(t, func(w *world) {
		names := w.people("p", 30)
		w.group("All", names...)
		w.group("Club", names...)
		w.assign("All", "Club")
		w.app.Provisioning.Hold.Removals = 10
		w.save()
		w.sync()
		w.leave("Club", names[:6]...)
		w.expect(w.sync(), map[string]int{"held": 1, "skip": 6})
		w.approve(w.held()...)
		w.leave("Club", names[6:20]...)
		w.set(names[0], "title", "goes on")
		w.expect(w.sync(), map[string]int{"update": 2, "held": 1, "skip": 14})
		w.groupMembers("Club", names[6:]...)
		if held := w.held(); len(held) != 1 || len(held[0].Remove) != 14 {
			w.t.Errorf("held: %d", len(held))
		}
		w.again2(map[string]int{"held": 1})
	})
}

// A member whose removal was rejected, and who came back and left again, is proposed again.
func TestRejectedMemberReturnsAndLeaves(t *testing.T) {
	w := onSQLite(t)
	names := w.people("p", 30)
	w.group("All", names...)
	w.group("Club", names...)
	w.assign("All", "Club")
	w.app.Provisioning.Hold.Removals = 10
	w.save()
	w.sync()
	w.leave("Club", names[:6]...)
	w.sync()
	w.reject(w.held()...)
	w.again()
	w.groupMembers("Club", names...)
	w.join("Club", names[0])
	w.sync()
	w.leave("Club", names[0])
	w.sync()
	w.groupMembers("Club", names[1:]...)
	w.again()
}

// Members of a group within a linked group are held as its own are.
func TestNestedMembersAreHeld(t *testing.T) {
	w := onSQLite(t)
	names := w.people("p", 30)
	w.group("Inner", names[:10]...)
	w.group("All", names...)
	w.group("Outer", append([]string{"Inner"}, names[10:]...)...)
	w.assign("All", "Outer")
	w.app.Provisioning.Hold.Removals = 10
	w.save()
	w.sync()
	w.groupMembers("Outer", names...)
	w.leave("Outer", "Inner")
	w.expect(w.sync(), map[string]int{"held": 1, "skip": 10})
	w.groupMembers("Outer", names...)
	w.join("Outer", "Inner")
	w.sync()
	if n := len(w.held()); n != 0 {
		t.Errorf("%d held for members who are back", n)
	}
	w.again()
}

// Removals that come one after the other while a cycle runs are counted together, also those whose
// answers have not come yet.
func TestTrickleWithinACycle(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 30)
	var once sync.Mutex
	left := 0
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch {
			once.Lock()
			// Every write lets one more leave, and takes longer than the engine takes to notice.
			if left < 26 {
				w.off(names[left])
				left++
			}
			once.Unlock()
			select {
			case <-time.After(600 * time.Millisecond):
			case <-r.Context().Done():
			}
		}
		next.ServeHTTP(rw, r)
	})
	w.save()
	w.sync()
	w.set(names[29], "title", "x")
	w.set(names[28], "title", "x")
	w.set(names[27], "title", "x")
	w.sync()
	if gone := 30 - w.enabled(); gone >= 5 {
		t.Errorf("%d of 30 were switched off without a person", gone)
	}
	if len(w.held()) == 0 {
		t.Error("nothing is held")
	}
}

// Removals that come cycle after cycle are counted over the window, and no longer.
func TestTrickleOverTheWindow(t *testing.T) {
	w, c := withClock(t)
	names := crowd(w, 40)
	for i := range 4 {
		w.off(names[i])
		w.expect(w.sync(), map[string]int{"disable": 1})
		c.add(time.Hour)
	}
	w.off(names[4])
	w.expect(w.sync(), map[string]int{"held": 1})
	c.add(-2 * time.Hour) // a clock that is set back
	w.expect(w.sync(), map[string]int{"held": 1})
	c.add(30 * time.Hour)
	w.set(names[4], "title", "looked at")
	w.expect(w.sync(), map[string]int{"held": 1}) // what is held waits for a person, whatever the time
	w.off(names[5])
	w.expect(w.sync(), map[string]int{"disable": 1, "held": 1})
}

// Removals whose answers were lost have been done all the same.
func TestUnansweredRemovalsCount(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 40)
	for i := 0; i < 12; i += 2 {
		w.target.Fail(connectortest.Fault{Method: "PATCH", Path: "Users", Drop: connectortest.AfterWrite, Times: -1})
		w.off(names[i : i+2]...)
		if _, err := w.trySync(); err != nil {
			t.Fatal(err)
		}
		w.target.Heal()
		w.sync()
	}
	if gone := 40 - w.enabled(); gone >= 5 {
		t.Errorf("%d of 40 were switched off without a person", gone)
	}
}

// The deletion of groups is a removal, and a rejected one is not proposed again until the group is back.
func TestGroupDeletionIsHeldAndRejected(t *testing.T) {
	onEach(t, func(w *world) {
		names := w.people("p", 10)
		w.group("All", names...)
		w.assign("All")
		var groups []string
		for _, n := range []string{"a", "b", "c", "d", "e", "f"} {
			w.group("g" + n)
			groups = append(groups, "g"+n)
		}
		w.assign(groups...)
		w.app.Provisioning.Hold.Removals = 10
		w.save()
		w.expect(w.sync(), map[string]int{"create": 17})
		w.app.Assignments = w.app.Assignments[:1]
		w.save()
		w.sync()
		if n := len(w.target.GroupIDs()); n != 7 || len(w.held()) != 6 {
			w.t.Fatalf("%d groups, %d held", n, len(w.held()))
		}
		w.reject(w.held()...)
		w.sync()
		w.again()
		if n := len(w.target.GroupIDs()); n != 7 {
			w.t.Errorf("%d groups", n)
		}
		w.assign("ga")
		w.sync()
		w.app.Assignments = w.app.Assignments[:1]
		w.save()
		w.sync()
		if n := len(w.target.GroupIDs()); n != 6 || w.target.GroupID("ga") != "" {
			w.t.Errorf("%d groups; the one that came back and went is to go", n)
		}
	})
}

// On demand gets nobody past a hold.
func TestOnDemandIsHeldToo(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 20)
	w.off(names[:7]...)
	w.sync()
	for _, n := range names[:8] {
		if n == names[7] {
			w.off(n)
		}
		u, _ := w.store.UserByName(t.Context(), n)
		w.sync(func(o *cycle.Options) { o.Object, o.Kind = u.ID, directory.KindUser })
	}
	if n := w.enabled(); n != 20 {
		t.Errorf("%d accounts are on, want 20", n)
	}
	if n := len(w.held()); n != 8 {
		t.Errorf("%d held, want 8", n)
	}
}

// A plan that shows held removals can be run with them approved.
func TestPlanWithHeldApproved(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 20)
	w.off(names[:7]...)
	app, _ := w.store.Application(t.Context(), "target")
	plan, err := w.engine.Plan(t.Context(), app, cycle.Options{ByHand: true})
	if err != nil {
		t.Fatal(err)
	}
	w.counts(plan.Summary, map[string]int{"disable": 7, "held": 7})
	w.expect(w.sync(func(o *cycle.Options) { o.PlanID, o.ApproveHeld = plan.ID, true }), map[string]int{"disable": 7})
	w.again()
}

// A plan counts and shows what the cycle after it holds: not whoever has come back while their removal waited.
func TestPlanWithoutWhoCameBack(t *testing.T) {
	onEach(t, func(w *world) {
		names := crowd(w, 20)
		w.off(names[:6]...)
		w.expect(w.sync(), map[string]int{"held": 6})
		w.set(names[0], "active", true)
		w.set(names[1], "active", true)
		w.off(names[6])
		app, _ := w.store.Application(t.Context(), "target")
		plan, err := w.engine.Plan(t.Context(), app, cycle.Options{ByHand: true})
		if err != nil {
			t.Fatal(err)
		}
		w.counts(plan.Summary, map[string]int{"disable": 5, "held": 5, "skip": 2})
		w.expect(w.sync(), map[string]int{"held": 5, "skip": 2})

		// With two more of them back the newcomer among the leavers is one of too few to be held.
		w.set(names[2], "active", true)
		w.set(names[3], "active", true)
		w.off(names[7])
		if plan, err = w.engine.Plan(t.Context(), app, cycle.Options{ByHand: true}); err != nil {
			t.Fatal(err)
		}
		w.counts(plan.Summary, map[string]int{"disable": 4, "held": 3, "skip": 2})
		w.expect(w.sync(), map[string]int{"disable": 1, "held": 3, "skip": 2})
	})
}

// After a restore whatever would switch somebody on or off waits.
func TestHeldAfterPolicyChanges(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 20)
	w.off(names[:7]...)
	w.sync()
	w.app.Provisioning.OnDisable = "keep"
	w.save()
	w.sync()
	if n := len(w.held()); n != 0 {
		t.Errorf("%d held although the accounts are to be kept", n)
	}
	w.app.Provisioning.OnDisable = "disable"
	w.app.Provisioning.Hold.Removals = provision.Off
	w.save()
	w.sync()
	if n := w.enabled(); n != 13 {
		t.Errorf("%d accounts are on, want 13", n)
	}
	w.again()
}

var _ = store.Held
