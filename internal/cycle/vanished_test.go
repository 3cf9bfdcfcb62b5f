package cycle_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// An account that vanished at the target and is only reported is not made again by whatever changes next: it is
// said, once, and nothing is sent. Somebody who asks for it gets it, as does everybody once that is the policy.
func TestVanishedAccountIsOnlyReported(t *testing.T) {
	ada := func(w *world) { // on demand: what is found then is done with the next look
		u, err := w.store.UserByName(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		w.sync(func(o *cycle.Options) { o.Object, o.Kind = u.ID, directory.KindUser })
		w.sync()
	}
	for name, asked := range map[string]func(w *world){
		"on demand": ada,
		"on demand at once": func(w *world) {
			w.app.Provisioning.Drift.Accounts = "ignore"
			w.save()
			w.set("ada", "title", "Newest")
			ada(w)
		},
		"links": func(w *world) {
			if err := w.store.Restart(t.Context(), w.app.ID, "links"); err != nil {
				t.Fatal(err)
			}
			w.sync()
		},
		"policy": func(w *world) {
			w.app.Provisioning.Drift.Accounts = "repair"
			w.save()
			w.sync()
		},
		"returns": func(w *world) {
			w.set("ada", "active", false)
			w.sync()
			w.set("ada", "active", true)
			w.sync()
		},
	} {
		for found, find := range map[string]func(w *world){
			"by a change":    func(w *world) { w.set("ada", "title", "New") },
			"by a reconcile": func(w *world) { w.sync(reconciling) },
			"not yet":        func(*world) {},
		} {
			if found == "not yet" && name != "links" {
				continue // only a reconcile or something sent finds it
			}
			t.Run(name+", "+found, func(t *testing.T) {
				w := onSQLite(t)
				small(w)
				w.target.RemoveUser(w.target.UserID("ada"))
				find(w)
				w.sync()
				if found != "not yet" {
					w.set("ada", "title", "Newer")
					w.set("bob", "title", "Beside her")
					log := w.requests(func() { w.sync() })
					if len(log) != 1 || w.target.UserID("ada") != "" {
						t.Errorf("%d requests for bob, and for ada: %v", len(log), w.target.UserID("ada"))
					}
					c, err := w.store.LastCycle(t.Context(), w.app.ID)
					if err != nil {
						t.Fatal(err)
					}
					said := false
					for _, o := range w.operations(c.ID) {
						said = said || o.Source.Name == "ada" && o.Action == provision.Skip && strings.Contains(o.Reason, "vanished") && strings.Contains(o.Reason, "on demand")
					}
					if !said {
						t.Error("nothing says why nothing was sent for ada")
					}
					w.sync(reconciling)
					w.again()
				}
				asked(w)
				w.active("ada", true)
				w.groupMembers("Engineering", "ada", "bob", "cleo")
				if n := len(w.target.UserIDs()); n != 3 {
					t.Errorf("%d accounts", n)
				}
				w.sync(reconciling)
				w.again()
			})
		}
	}
}

// An account that vanished, and another that could not be made in its place, are not forgotten until the next reconcile.
func TestAnotherAccountFailsAtFirst(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.app.Provisioning.Drift.Accounts = "repair"
	w.save()
	w.target.RemoveUser(w.target.UserID("ada"))
	w.target.Fail(connectortest.Fault{Method: http.MethodPost, Path: "Users", Status: 500, Times: 1})
	w.expect(w.sync(reconciling), map[string]int{"skip": 3, "failed": 1})
	if err := w.store.Restart(t.Context(), w.app.ID, "escrow"); err != nil {
		t.Fatal(err)
	}
	w.expect(w.sync(), map[string]int{"create": 1, "update": 2}) // her membership, and her report's manager
	w.active("ada", true)
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	w.sync(reconciling)
	w.again()
}

// A group that a target makes without a word, in the place of one that vanished, is Muster's also when the answer to what follows is
// lost: it goes with its assignment, and does not stay as one that was there before.
func TestAnotherGroupIsMustersOwn(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Groups.Actions = []string{"create", "update", "delete"}
	w.app.Provisioning.Drift.Accounts = "repair"
	small(w)
	w.target.Behave(func(b *connectortest.Behaviour) { b.EmptyCreate, b.NoLocation = true, true })
	w.target.RemoveGroup(w.target.GroupID("Engineering"))
	w.target.Fail(connectortest.Fault{Method: http.MethodPatch, Path: "Groups", Body: "<html>", Committed: true, Times: -1})
	w.sync(reconciling)
	w.target.Heal()
	w.sync()
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	w.app.Assignments[0].Role = "Default Access"
	w.save()
	w.sync(func(o *cycle.Options) { o.ApproveHeld = true })
	if id := w.target.GroupID("Engineering"); id != "" {
		t.Errorf("the group stays as %s", id)
	}
}

// A vanished account that is there again is looked after again, without a second one.
func TestVanishedAccountIsFoundAgain(t *testing.T) {
	w := onSQLite(t)
	small(w)
	id := w.target.UserID("ada")
	w.target.Fail(connectortest.Fault{Path: "Users/" + id, Status: 404, Times: -1})
	w.set("ada", "title", "New")
	w.sync()
	w.target.Heal()
	w.set("ada", "title", "Newer")
	w.again2(map[string]int{"skip": 1})
	w.sync(reconciling)
	w.sync()
	if got := w.account("ada")["title"]; got != "Newer" || len(w.target.UserIDs()) != 3 {
		t.Errorf("title is %v, %d accounts", got, len(w.target.UserIDs()))
	}
	w.sync(reconciling)
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	w.again()
}

// Whoever is kept without being in scope, and whose account is gone, is not offered to groups for ever.
func TestVanishedAccountOfAKeptLeaver(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.OnUnassign = "keep"
	small(w)
	w.app.Provisioning.Filters = []string{`user.title != "Engineer"`}
	w.save()
	w.sync()
	w.target.RemoveUser(w.target.UserID("ada"))
	w.group("Others", "ada", "bob")
	w.assign("Others")
	w.sync()
	w.sync()
	w.groupMembers("Others", "bob")
	w.again()
	if p := w.stands(); p.Escrow+p.Parked > 0 {
		t.Errorf("something waits: %+v", p)
	}
}

// A deletion whose answer was lost is over when the account is gone: also that of a group which an undo takes back, and
// which nothing else would ever be sent to.
func TestDeletionWithoutAnAnswer(t *testing.T) {
	lost := connectortest.Fault{Method: http.MethodDelete, Path: "Groups", Drop: connectortest.AfterWrite, Times: -1}
	for name, do := range map[string]func(w *world, first string) *cycle.Report{
		"undone":   func(w *world, first string) *cycle.Report { return w.undo(first) },
		"assigned": func(w *world, _ string) *cycle.Report { w.app.Assignments = nil; w.save(); return w.sync() },
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			w.app.Provisioning.Users.Actions = []string{"create", "update", "disable", "delete"}
			w.app.Provisioning.OnUnassign = "delete"
			w.user("ada")
			w.group("Engineering", "ada")
			w.assign("Engineering")
			first := w.sync()
			w.target.Fail(lost)
			do(w, first.Cycle.ID)
			w.target.Heal()
			w.sync()
			w.sync()
			for _, state := range []store.State{store.Unknown, store.Applying} {
				if n := w.left(state); n > 0 {
					t.Errorf("%d operations are still %s", n, state)
				}
			}
			links, err := w.store.LinkedObjects(t.Context(), w.app.ID, directory.KindGroup)
			if err != nil || len(links) > 0 || w.target.GroupID("Engineering") != "" {
				t.Errorf("the group is there, or known: %v, %v", links, err)
			}
			w.again()
		})
	}
}

// left counts the operations in a state.
func (w *world) left(state store.State) (n int) {
	w.t.Helper()
	if err := w.store.Read(w.t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(w.t.Context(), "select count(*) from operations where state = $1", string(state)).Scan(&n)
	}); err != nil {
		w.t.Fatal(err)
	}
	return n
}
