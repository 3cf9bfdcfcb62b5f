package cycle_test

import (
	"testing"

	"github.com/muster-id/muster/internal/directory"
)

func TestFirstLoadThenNothing(t *testing.T) {
	onEach(t, func(w *world) {
		w.user("ada", "title", "Engineer")
		w.user("bob", "manager", "ada")
		w.user("cleo", "manager", "bob")
		w.user("outsider")
		w.group("Engineering", "ada", "bob", "cleo")
		w.assign("Engineering")

		r := w.sync()
		w.expect(r, map[string]int{"create": 4})
		w.groupMembers("Engineering", "ada", "bob", "cleo")
		if w.target.UserID("outsider") != "" {
			t.Error("somebody who is not assigned got an account")
		}
		manager := w.account("cleo")[directory.Enterprise].(map[string]any)["manager"].(map[string]any)["value"]
		if manager != w.target.UserID("bob") {
			t.Errorf("cleo's manager is %v, want bob's account", manager)
		}
		w.again()
	})
}
