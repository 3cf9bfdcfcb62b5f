package cycle_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

func reconcile(o *cycle.Options) { o.Reconcile = true }

// drift returns what the last complete reconcile found, as "kind account [member] state".
func (w *world) drift() []string {
	w.t.Helper()
	found, err := w.store.Drift(w.t.Context(), store.DriftQuery{AppID: w.app.ID, Limit: 10_000})
	if err != nil {
		w.t.Fatal(err)
	}
	lines := []string{}
	for _, d := range found {
		line := string(d.Kind) + " " + d.Account.Name
		if d.Member.ID != "" {
			line += " " + d.Member.Name
		}
		lines = append(lines, line+" "+d.State)
	}
	slices.Sort(lines)
	return lines
}

func (w *world) expectDrift(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	if got := w.drift(); !slices.Equal(got, want) {
		w.t.Errorf("drift:\n%q\nwant\n%q", got, want)
	}
}

// told counts the records of a cycle about drift.
func (w *world) told(r *cycle.Report) map[string]int {
	n := map[string]int{}
	for _, o := range w.operations(r.Cycle.ID) {
		if o.Cause == provision.Drifted && o.Action == provision.Skip {
			n[o.Status]++
		}
	}
	return n
}

// TestDriftIsKeptAndToldOnce: what is found stands until the next complete reconcile, with the time since when,
// and is told in the log only on the day when it is new.
func TestDriftIsKeptAndToldOnce(t *testing.T) {
	onEach(t, func(w *world) {
		strange := w.target.AddUser(map[string]any{"userName": "stranger", "active": true})
		w.target.AddGroup("Adopted", strange)
		w.user("dora")
		w.user("emil")
		w.group("Adopted", "dora", "emil")
		w.assign("Adopted")
		w.user("ada", "title", "Engineer")
		w.user("bob")
		w.user("cleo")
		w.group("Engineering", "ada", "bob", "cleo")
		w.assign("Engineering")
		w.sync()
		w.target.EditUser(w.target.UserID("ada"), func(doc map[string]any) { doc["title"] = "Changed there" })
		w.target.EditUser(w.target.UserID("bob"), func(doc map[string]any) { doc["active"] = false })
		w.target.RemoveUser(w.target.UserID("emil"))
		first := w.sync(reconcile)
		// A member whose account is gone cannot be added again: that it is gone says all.
		w.expectDrift("changed ada repaired", "deactivated bob reported", "vanished emil reported", "stranger stranger reported", "extra_member Adopted stranger reported")
		if told := w.told(first); told["warning"] != 3 || told["skipped"] != 1 {
			t.Errorf("told %v; want bob, emil and the group as warnings, the stranger as skipped", told)
		}
		w.active("bob", false)
		since, err := w.store.Drift(t.Context(), store.DriftQuery{AppID: w.app.ID, Kind: provision.DriftDeactivated})
		if err != nil || len(since) != 1 {
			t.Fatal(since, err)
		}

		second := w.sync(reconcile)
		if told := w.told(second); len(told) != 0 {
			t.Errorf("told again: %v", told)
		}
		again, err := w.store.Drift(t.Context(), store.DriftQuery{AppID: w.app.ID, Kind: provision.DriftDeactivated})
		if err != nil || len(again) != 1 || !again[0].Since.Equal(since[0].Since) {
			t.Errorf("since %v, was %v", again, since)
		}
		totals, err := w.store.DriftTotals(t.Context(), w.app.ID)
		if err != nil || totals.Totals[provision.DriftStranger] != 1 || totals.Totals[provision.DriftChanged] != 0 || totals.At.IsZero() {
			t.Errorf("totals: %+v, %v", totals, err)
		}

		// What is over is gone.
		w.target.EditUser(w.target.UserID("bob"), func(doc map[string]any) { doc["active"] = true })
		w.target.RemoveUser(strange)
		w.sync(reconcile)
		for _, line := range w.drift() {
			if line == "deactivated bob reported" || line == "stranger stranger reported" {
				t.Errorf("still there: %s", line)
			}
		}
	})
}

// TestExtraMembers: a group that Muster created has the members that the directory says; whoever else was put
// there goes out of the group, and only out of the group. An adopted one is not Muster's alone.
func TestExtraMembers(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.user("dora")
		w.group("Others", "dora")
		w.assign("Others")
		w.sync()
		strange := w.target.AddUser(map[string]any{"userName": "stranger", "active": true})
		put := func() {
			w.target.SetMembers(w.target.GroupID("Engineering"), w.target.UserID("ada"), w.target.UserID("bob"), w.target.UserID("cleo"), w.target.UserID("dora"), strange)
		}
		put()
		app, err := w.store.Application(t.Context(), "target")
		if err != nil {
			t.Fatal(err)
		}
		plan, err := w.engine.Plan(t.Context(), app, cycle.Options{Reconcile: true, ByHand: true})
		if err != nil {
			t.Fatal(err)
		}
		if plan.Summary["update"] != 1 {
			t.Errorf("the plan: %v", plan.Summary)
		}
		w.again() // a plan leaves nothing that a cycle would carry out
		w.sync(func(o *cycle.Options) { o.PlanID = plan.ID })
		w.groupMembers("Engineering", "ada", "bob", "cleo")
		w.groupMembers("Others", "dora")
		if doc := w.target.User(strange); doc == nil || doc["active"] != true {
			t.Errorf("the stranger's account was touched: %v", doc)
		}
		w.expectDrift("extra_member Engineering dora repaired", "extra_member Engineering stranger repaired", "stranger stranger reported")
		w.again()

		// One of them comes to belong there before it is noticed: nobody is removed who belongs.
		put()
		w.join("Engineering", "dora")
		w.sync(reconcile)
		w.groupMembers("Engineering", "ada", "bob", "cleo", "dora")
		w.again()

		// Who is found there and leaves again, before the removal is sent, is no matter either.
		w.leave("Engineering", "dora")
		w.sync()
		w.groupMembers("Engineering", "ada", "bob", "cleo")
		put()
		w.app.Provisioning.Drift.Members = "report"
		w.save()
		w.sync(reconcile)
		if n := len(w.target.Members(w.target.GroupID("Engineering"))); n != 5 {
			t.Errorf("%d members, want 5: only reported", n)
		}
		w.expectDrift("extra_member Engineering dora reported", "extra_member Engineering stranger reported", "stranger stranger reported")
		w.app.Provisioning.Drift.Members = "ignore"
		w.save()
		w.sync(reconcile)
		w.expectDrift("stranger stranger reported")
	})
}

// TestExtraMembersAreHeld: they go through the guard like every other removal, and what a person rejects stays.
func TestExtraMembersAreHeld(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		var ids []string
		for _, name := range []string{"ada", "bob", "cleo"} {
			ids = append(ids, w.target.UserID(name))
		}
		for i := range 6 {
			ids = append(ids, w.target.AddUser(map[string]any{"userName": fmt.Sprintf("stranger%d", i), "active": true}))
		}
		w.target.SetMembers(w.target.GroupID("Engineering"), ids...)
		w.app.Provisioning.Hold.Removals = 10
		w.save()
		w.sync(reconcile)
		held, err := w.store.HeldOperations(t.Context(), w.app.ID)
		if err != nil || len(held) != 1 || len(held[0].Remove) != 6 || held[0].Remove[0].Name != "stranger0" {
			t.Fatalf("held: %+v, %v", held, err)
		}
		if got := w.drift(); !slices.Contains(got, "extra_member Engineering stranger0 held") {
			t.Errorf("drift: %q", got)
		}
		w.again2(map[string]int{"held": 1})
		w.expect(w.sync(reconcile), map[string]int{"held": 1, "skip": 3}) // the group waits, and is told once
		if n := len(w.target.Members(w.target.GroupID("Engineering"))); n != 9 {
			t.Errorf("%d members, want 9", n)
		}
		if err := w.store.Reject(t.Context(), w.app.ID, held, "tester"); err != nil {
			t.Fatal(err)
		}
		w.expect(w.sync(reconcile), map[string]int{"skip": 4})
		if n := len(w.target.Members(w.target.GroupID("Engineering"))); n != 9 {
			t.Errorf("%d members after the rejection, want 9", n)
		}
		w.again()
	})
}

func TestExtraMembersAreApproved(t *testing.T) {
	w := onSQLite(t)
	small(w)
	ids := []string{w.target.UserID("ada"), w.target.UserID("bob"), w.target.UserID("cleo")}
	for i := range 6 {
		ids = append(ids, w.target.AddUser(map[string]any{"userName": fmt.Sprintf("stranger%d", i), "active": true}))
	}
	w.target.SetMembers(w.target.GroupID("Engineering"), ids...)
	w.app.Provisioning.Hold.Removals = 10
	w.save()
	w.expect(w.sync(reconcile), map[string]int{"held": 1, "skip": 3})
	held, err := w.store.HeldOperations(t.Context(), w.app.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Approve(t.Context(), w.app.ID, held, "tester"); err != nil {
		t.Fatal(err)
	}
	w.expect(w.sync(), map[string]int{"update": 1})
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	w.again()
}

// TestStrangerBecomesSomebody: an extra member who is adopted before the removal was sent is not removed.
func TestStrangerBecomesSomebody(t *testing.T) {
	w := onSQLite(t)
	small(w)
	ids := []string{w.target.UserID("ada"), w.target.UserID("bob"), w.target.UserID("cleo")}
	for _, name := range []string{"dora", "s1", "s2", "s3", "s4", "s5"} {
		ids = append(ids, w.target.AddUser(map[string]any{"userName": name, "active": true}))
	}
	w.target.SetMembers(w.target.GroupID("Engineering"), ids...)
	w.app.Provisioning.Hold.Removals = 10
	w.save()
	w.expect(w.sync(reconcile), map[string]int{"held": 1, "skip": 3})
	w.user("dora")
	w.join("Engineering", "dora")
	w.sync()
	w.sync(func(o *cycle.Options) { o.ApproveHeld = true })
	w.groupMembers("Engineering", "ada", "bob", "cleo", "dora")
	w.again()
	w.sync(reconcile)
	w.groupMembers("Engineering", "ada", "bob", "cleo", "dora")
}

// TestPagingFaultsConcludeNothing: whatever a target's pages are like, nobody who is there is taken for missing,
// even where missing accounts are to be made again.
func TestPagingFaultsConcludeNothing(t *testing.T) {
	for name, fault := range map[string]func(w *world){
		"page caps":     func(w *world) { w.target.Behave(func(b *connectortest.Behaviour) { b.PageCap = 7 }) },
		"repeated page": func(w *world) { w.target.Behave(func(b *connectortest.Behaviour) { b.PageCap, b.RepeatPage = 7, 2 }) },
		"empty page":    func(w *world) { w.target.Behave(func(b *connectortest.Behaviour) { b.PageCap, b.EmptyPage = 7, 3 }) },
		"every page the first": func(w *world) {
			w.target.Behave(func(b *connectortest.Behaviour) { b.PageCap, b.IgnoreStartIndex = 7, true })
		},
		"total too large": func(w *world) { w.target.Behave(func(b *connectortest.Behaviour) { b.TotalOff = 5 }) },
		"total too small": func(w *world) { w.target.Behave(func(b *connectortest.Behaviour) { b.PageCap, b.TotalOff = 7, -15 }) },
		"total of the page": func(w *world) {
			w.target.Behave(func(b *connectortest.Behaviour) { b.PageCap, b.TotalIsPage = 7, true })
		},
		"no total": func(w *world) { w.target.Behave(func(b *connectortest.Behaviour) { b.PageCap, b.NoTotal = 7, true }) },
		"no ids":   func(w *world) { w.target.Behave(func(b *connectortest.Behaviour) { b.DropID = true }) },
		"an empty list": func(w *world) {
			w.target.Fail(connectortest.Fault{Method: "GET", Path: "Users", Status: 200, Body: `{"schemas":[],"totalResults":0,"Resources":[]}`})
		},
		"breaks off": func(w *world) {
			w.target.Behave(func(b *connectortest.Behaviour) { b.PageCap = 7 })
			w.target.Fail(connectortest.Fault{Method: "GET", Path: "Users", After: 2, Status: 500, Times: 3})
		},
		"cut in the middle": func(w *world) {
			w.target.Behave(func(b *connectortest.Behaviour) { b.PageCap = 7 })
			w.target.Fail(connectortest.Fault{Method: "GET", Path: "Users", After: 1, Truncate: true, Times: 3})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			w.app.Provisioning.Drift.Accounts = "repair"
			names := make([]string, 40)
			for i := range names {
				names[i] = fmt.Sprintf("p%02d", i)
				w.user(names[i])
			}
			w.group("All", names...)
			w.assign("All")
			w.expect(w.sync(), map[string]int{"create": 41})
			fault(w)
			w.target.Forget()
			if _, err := w.trySync(reconcile); err != nil {
				t.Fatal(err)
			}
			if n := w.target.Writes(); n != 0 {
				t.Errorf("%d writes, want none: nothing is wrong", n)
			}
			for _, line := range w.drift() {
				t.Errorf("found %s", line)
			}
			w.target.Heal()
			w.target.Behave(func(b *connectortest.Behaviour) { *b = connectortest.Behaviour{} })
			w.expect(w.sync(reconcile), map[string]int{"skip": 41})
			w.again()
		})
	}
}

// TestDeletionDuringTheWalk: a page that moved up because somebody was deleted hides one account; a new one at
// the end makes the count right again. The account that was hidden is not taken for missing.
func TestDeletionDuringTheWalk(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Drift.Accounts = "repair"
	names := make([]string, 20)
	for i := range names {
		names[i] = fmt.Sprintf("p%02d", i)
		w.user(names[i])
	}
	first := w.target.AddUser(map[string]any{"userName": "first", "active": true})
	w.group("All", names...)
	w.assign("All")
	w.expect(w.sync(), map[string]int{"create": 21})
	w.target.Behave(func(b *connectortest.Behaviour) { b.PageCap = 5 })
	w.engine.Open = afterPage(w, 5, func() {
		w.target.RemoveUser(first)
		w.target.AddUser(map[string]any{"userName": "last", "active": true})
	})
	w.target.Forget()
	w.sync(reconcile)
	if n := w.target.Writes(); n != 0 {
		t.Errorf("%d writes, want none", n)
	}
	if n := len(w.target.UserIDs()); n != 21 {
		t.Errorf("%d accounts, want 21", n)
	}
}

// TestReconcileRequests: one per cent of drift costs the pages of the list and the repairs.
func TestReconcileRequests(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Groups.Enabled = false
	const people, page, drifted = 1990, 100, 20
	names := w.people("p", people)
	w.group("All", names...)
	w.assign("All")
	w.expect(w.sync(), map[string]int{"create": people})
	for i := range drifted {
		w.target.EditUser(w.target.UserID(names[i*97]), func(doc map[string]any) { doc["title"] = "Changed there" })
	}
	log := w.requests(func() { w.expect(w.sync(reconcile), map[string]int{"update": drifted, "skip": people - drifted}) })
	reads, writes := 0, 0
	for _, l := range log {
		if l.Method == http.MethodGet {
			reads++
		} else {
			writes++
		}
	}
	if reads != (people+page-1)/page || writes != drifted {
		t.Errorf("%d reads and %d writes, want %d and %d", reads, writes, (people+page-1)/page, drifted)
	}
	if n := len(w.drift()); n != drifted {
		t.Errorf("%d findings, want %d", n, drifted)
	}
}

// TestHiddenWhileDisabled: a target that shows nobody who is deactivated hides the account of somebody who comes
// back; a reconcile that meets the return switches it on all the same.
func TestHiddenWhileDisabled(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.target.Behave(func(b *connectortest.Behaviour) { b.HideDisabled = true })
	w.leave("Engineering", "ada")
	w.sync()
	w.join("Engineering", "ada")
	w.sync(reconcile)
	w.active("ada", true)
	w.sync()
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	if n := len(w.target.UserIDs()); n != 3 {
		t.Errorf("%d accounts, want 3", n)
	}
}

// A look at everything keeps no record of who is as they should be: they are counted.
func TestReconcileKeepsNoRecordOfThoseInOrder(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Scope = "all"
	w.people("p", 20)
	w.save()
	w.sync()
	r := w.sync(reconciling)
	w.expect(r, map[string]int{"skip": 20})
	if rows := w.operations(r.Cycle.ID); len(rows) != 0 {
		t.Errorf("%d rows are kept of nothing", len(rows))
	}
}

// Whoever is provisioned by name is looked at where the account is: one that was deactivated there is switched on, though others are
// only reported, and one that a leaver has again is switched off. The next time nothing is sent.
func TestByNameLooksAtTheAccount(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		w.people("p", 3)
		w.app.Provisioning.Scope = "all"
		w.save()
		w.sync()
		switched := func(name string, on bool) {
			w.target.EditUser(w.target.UserID(name), func(doc map[string]any) { doc["active"] = on })
		}
		demand := func(name string, want map[string]int) {
			t.Helper()
			r, err := w.demand(w.engine, name)
			if err != nil {
				t.Fatal(err)
			}
			w.expect(r, want)
		}
		switched("p000", false)
		switched("p001", false)
		w.sync(reconcile)
		demand("p000", map[string]int{"enable": 1})
		w.active("p000", true)
		w.active("p001", false)
		demand("p000", map[string]int{"skip": 1})
		w.off("p002")
		w.sync()
		switched("p002", true)
		demand("p002", map[string]int{"disable": 1})
		w.active("p002", false)
		w.sync(reconcile)
		w.active("p001", false)
	})
}
