package cycle_test

import (
	"net/http"
	"testing"

	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// Who takes over a target that another program has kept in order plans nothing and sends nothing: managers, whom the
// target shows by their accounts, and members are there already.
func TestTakeoverOfATargetInOrder(t *testing.T) {
	w := onSQLite(t)
	company := func(w *world) {
		w.user("ada")
		w.user("bob", "manager", "ada")
		w.user("cleo", "manager", "bob")
		w.group("Engineering", "ada", "bob", "cleo")
	}
	// The other program knows people by no id of Muster's.
	w.app.Mappings.Users = without(w.app.Mappings.Users, "externalId")
	w.app.Mappings.Groups = without(w.app.Mappings.Groups, "externalId")
	company(w)
	w.assign("Engineering")
	w.expect(w.sync(), map[string]int{"create": 4})

	// Another Muster, that knows nothing of all this.
	after := newWorld(t, storetest.Open(t, store.Config{Data: t.TempDir()}))
	after.target, after.app = w.target, w.app
	after.app.ID = ""
	company(after)
	for i := range after.app.Assignments {
		after.app.Assignments[i] = provision.Assignment{Group: after.app.Assignments[i].Group}
	}
	after.save()
	stored, err := after.store.Application(t.Context(), "target")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := after.engine.Plan(t.Context(), stored, cycle.Options{ByHand: true})
	if err != nil {
		t.Fatal(err)
	}
	after.counts(plan.Summary, map[string]int{"skip": 4})
	for _, l := range after.requests(func() { after.expect(after.sync(), map[string]int{"skip": 4}) }) {
		if l.Method != http.MethodGet {
			t.Errorf("%s %s was sent: %s", l.Method, l.Path, l.Body)
		}
	}
	after.again()
	after.expect(after.sync(reconciling), map[string]int{"skip": 4})

	// From then on a change is one, told by name on both sides.
	cleo, err := after.store.UserByName(t.Context(), "cleo")
	if err != nil {
		t.Fatal(err)
	}
	boss := "ada"
	if _, _, err := after.store.UpdateUser(t.Context(), by, cleo.ID, store.UserEdit{Attributes: directory.Edit{}, Manager: &boss}); err != nil {
		t.Fatal(err)
	}
	r := after.sync()
	after.expect(r, map[string]int{"update": 1})
	if changes := after.operations(r.Cycle.ID)[0].Changes(); len(changes) != 1 || changes[0].Old != "bob" || changes[0].New != "ada" {
		t.Errorf("%+v", changes)
	}
	if got := after.account("cleo")["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]; got.(map[string]any)["manager"].(map[string]any)["value"] != w.target.UserID("ada") {
		t.Errorf("cleo's manager: %v", got)
	}
	after.again()
}

// A manager who is another at the target is set.
func TestTakeoverMendsManagers(t *testing.T) {
	w := onSQLite(t)
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	ada := w.target.AddUser(map[string]any{"userName": "ada", "active": true})
	stranger := w.target.AddUser(map[string]any{"userName": "stranger", "active": true})
	w.target.AddUser(map[string]any{"userName": "bob", "active": true, enterprise: map[string]any{"manager": map[string]any{"value": stranger}}})
	w.user("ada")
	w.user("bob", "manager", "ada")
	w.group("Engineering", "ada", "bob")
	w.assign("Engineering")
	w.sync()
	if got := w.account("bob")[enterprise].(map[string]any)["manager"].(map[string]any)["value"]; got != ada {
		t.Errorf("bob's manager is %v, want %s", got, ada)
	}
	w.again()
}
