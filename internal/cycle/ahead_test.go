package cycle_test

import (
	"testing"

	"github.com/muster-id/muster/internal/cycle"
)

// stage calls a function when a pass reports a stage for the n-th time.
func stage(name string, n int, do func()) func(*cycle.Options) {
	return func(o *cycle.Options) {
		o.Progress = func(p cycle.Progress) {
			if p.Stage != name {
				return
			}
			if n--; n == 0 {
				do()
			}
		}
	}
}

// both joins what is to be done at two stages.
func both(a, b func(*cycle.Options)) func(*cycle.Options) {
	return func(o *cycle.Options) {
		a(o)
		first := o.Progress
		b(o)
		second := o.Progress
		o.Progress = func(p cycle.Progress) { first(p); second(p) }
	}
}

// large is a company with so many people more than those who are linked.
func large(w *world, n int) {
	w.app.Provisioning.Groups.Enabled = false
	w.user("ada", "title", "Engineer")
	w.user("bob")
	w.user("cleo")
	w.group("Engineering", "ada", "bob", "cleo")
	w.assign("Engineering")
	w.sync()
	w.people("j", n)
}

// Who leaves while a pass plans is switched off before it has planned: neither a long plan nor the reading of a large
// target is waited for.
func TestLeaversDoNotWaitForAPlan(t *testing.T) {
	for name, leave := range map[string]func(w *world){
		"deactivated": func(w *world) { w.set("ada", "active", false) },
		"unassigned":  func(w *world) { w.leave("Engineering", "ada") },
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			large(w, 3000)
			w.app.Provisioning.Users.Actions = []string{"disable", "update"} // the others have nothing to be sent
			w.app.Provisioning.Scope = "all"
			if name == "unassigned" {
				w.app.Provisioning.Filters = []string{`user.userName.startsWith("j") || "Engineering" in user.groups`}
			}
			w.save()
			seen := false
			w.sync(both(
				stage("planning", 1, func() { leave(w) }),
				stage("planning", 2, func() { seen = true; w.active("ada", false) }),
			))
			if !seen {
				t.Error("nothing was planned afterwards")
			}
			w.active("bob", true)
			w.again()
		})
	}
	t.Run("reading", func(t *testing.T) {
		w := onSQLite(t)
		large(w, 1200)
		w.app.Provisioning.Scope = "all"
		w.save()
		w.sync()
		seen := false
		w.sync(reconciling, both(
			stage("reading", 1, func() { w.set("ada", "active", false) }),
			stage("reading", 2, func() { seen = true; w.active("ada", false) }),
		))
		if !seen {
			t.Error("nothing was read afterwards")
		}
		w.sync(reconciling)
		w.again()
	})
}

// Who leaves while a pass plans counts for the threshold with all that is planned: what a slip of somebody brings is held.
func TestThresholdForWhoLeavesDuringAPlan(t *testing.T) {
	w := onSQLite(t)
	names := w.people("p", 20)
	w.group("Staff", names...)
	w.assign("Staff")
	w.app.Provisioning.Groups.Enabled = false
	w.app.Provisioning.Hold.Removals, w.app.Provisioning.Hold.Min = 10, 5
	w.save()
	w.sync()
	w.people("j", 2500)
	w.app.Provisioning.Users.Actions = []string{"disable", "update"}
	w.app.Provisioning.Scope, w.app.Provisioning.Filters = "all", []string{`user.title != "Out"`}
	w.save()
	for _, n := range names[:4] {
		w.set(n, "title", "Out") // planned before
	}
	r := w.sync(stage("planning", 1, func() {
		for _, n := range names[4:8] {
			w.set(n, "active", false)
		}
	}))
	off := 0
	for _, n := range names {
		if w.account(n)["active"] != true {
			off++
		}
	}
	if off > 2 || r.Summary["held"]+off != 8 { // whoever left by twos, before the five were full
		t.Errorf("%d are off, %d held", off, r.Summary["held"])
	}
}
