package cycle_test

import (
	"fmt"
	"testing"

	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

func (w *world) delete(names ...string) {
	w.t.Helper()
	for _, n := range names {
		u, err := w.store.UserByName(w.t.Context(), n)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.store.DeleteUser(w.t.Context(), by, u.ID); err != nil {
			w.t.Fatal(err)
		}
	}
}

// What is held goes by itself with its cause, and a second leave is a second question.
func TestHeldPersonReturns(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 20)
	w.off(names[:7]...)
	w.expect(w.sync(), map[string]int{"held": 7})
	approved := w.held()[0]
	for _, n := range names[:7] {
		w.set(n, "active", true)
	}
	w.sync()
	if held := w.held(); len(held) != 0 {
		t.Errorf("%d are held although all are back", len(held))
	}
	// The question that is gone cannot be answered any more.
	_ = w.store.Approve(t.Context(), w.app.ID, []*store.Operation{approved}, "tester")
	w.off(names[:7]...)
	w.expect(w.sync(), map[string]int{"held": 7})
	if n := w.enabled(); n != 20 {
		t.Errorf("%d accounts are on, want 20: an old approval let one through", n)
	}
}

// A person who is held and then deleted, or renamed, is one question and not two.
func TestHeldPersonChanges(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 20)
	w.off(names[:7]...)
	w.expect(w.sync(), map[string]int{"held": 7})
	w.delete(names[0])
	w.set(names[1], "userName", "renamed")
	w.set(names[2], "title", "Emerita")
	w.sync()
	held := w.held()
	objects := map[string]int{}
	for _, o := range held {
		objects[o.Source.ID]++
	}
	for id, n := range objects {
		if n > 1 {
			t.Errorf("%s is held %d times", id, n)
		}
	}
	if len(held) != 7 || w.enabled() != 20 {
		t.Fatalf("%d held, %d on", len(held), w.enabled())
	}
	w.approve(held...)
	w.sync()
	if n := w.enabled(); n != 13 || len(w.held()) != 0 {
		t.Errorf("%d accounts are on, want 13; %d held", n, len(w.held()))
	}
	w.again()
}

// Removals that come while others are held join them, also over several cycles, and one by one.
func TestNewRemovalsJoin(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 40)
	w.off(names[:7]...)
	w.expect(w.sync(), map[string]int{"held": 7})
	for i := range 5 {
		w.off(names[7+i])
		w.expect(w.sync(), map[string]int{"held": 8 + i})
	}
	if n := w.enabled(); n != 40 {
		t.Errorf("%d accounts are on, want 40", n)
	}
}

// Deletions are held as deactivations are, and one approval lets one of them through.
func TestDeletionsAreHeld(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.OnDelete = "delete"
	w.app.Provisioning.Users.Actions = []string{"create", "update", "disable", "delete"}
	names := crowd(w, 20)
	w.delete(names[:7]...)
	w.expect(w.sync(), map[string]int{"held": 7, "skip": 1})
	held := w.held()
	for _, o := range held {
		if o.Action != provision.Delete {
			t.Errorf("%s is held", o.Action)
		}
	}
	w.approve(held[0])
	w.expect(w.sync(), map[string]int{"delete": 1, "held": 6, "skip": 1})
	w.reject(held[1])
	w.sync()
	if n := len(w.target.UserIDs()); n != 19 || len(w.held()) != 5 {
		t.Errorf("%d accounts, %d held; want 19 and 5", n, len(w.held()))
	}
	w.again2(map[string]int{"held": 5})
}

// Updates are held by number as by share, apart from removals, and what is held is what is sent.
func TestUpdatesAreHeldByNumber(t *testing.T) {
	for name, updates := range map[string]provision.Threshold{
		"number": {Share: provision.Off, Count: 5},
		"share":  {Share: 25},
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			names := crowd(w, 20)
			w.app.Provisioning.Hold.Updates = updates
			w.save()
			w.sync()
			for _, n := range names[:5] {
				w.set(n, "title", "a")
			}
			w.expect(w.sync(), map[string]int{"update": 5})
			for i, n := range names[5:12] {
				w.set(n, "title", fmt.Sprint("b", i))
			}
			w.off(names[19])
			w.user("joiner")
			w.join("All", "joiner")
			r := w.sync()
			if r.Summary["held"] != 7 || r.Summary["disable"] != 1 || r.Summary["create"] != 1 {
				t.Errorf("%v: only the updates are to be held", r.Summary)
			}
			w.set(names[5], "title", "c") // the newest is what goes
			w.sync()
			w.approve(w.held()...)
			w.sync()
			if got := w.account(names[5])["title"]; got != "c" {
				t.Errorf("the title is %v, want c", got)
			}
			if n := len(w.held()); n != 0 {
				t.Errorf("%d are held after the approval", n)
			}
			w.again()
		})
	}
}
