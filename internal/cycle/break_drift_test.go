package cycle_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
)

// What the target acknowledged without doing it, and could not be asked about, is looked at again as if no
// answer had come: nothing else would ever find it, since a reconcile compares with what was answered.
func TestAcknowledgedAndUnreadable(t *testing.T) {
	w := onSQLite(t)
	small(w)
	lie := connectortest.Fault{Method: http.MethodPatch, Path: "Users", Status: 200, Body: "{}", Times: -1}
	blind := connectortest.Fault{Method: http.MethodGet, Path: "Users", Status: 400, Times: -1}
	for _, change := range []func(){
		func() { w.set("ada", "title", "Countess") },
		func() { w.off("bob") },
		func() { w.set("bob", "active", true) },
	} {
		w.target.Fail(lie)
		w.target.Fail(blind)
		change()
		w.expect(w.sync(), map[string]int{"failed": 1, "skip": w.skips()})
		w.target.Heal()
		w.sync()
		w.again()
	}
	if got := w.account("ada")["title"]; got != "Countess" {
		t.Errorf("title is %v", got)
	}
	w.active("bob", true)
}

// skips is how many the last pass skipped, for a comparison of the rest.
func (w *world) skips() int {
	w.t.Helper()
	c, err := w.store.LastCycle(w.t.Context(), w.app.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Summary["skip"]
}

// A value that somebody changed at the target is set again also when something else was sent for that
// account before the reconcile came, or the account was switched off there as well.
func TestUpdatesHideNoDrift(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Drift.Accounts = "repair"
	small(w)
	there := func(doc map[string]any) { doc["title"] = "Entered there" }
	w.target.EditUser(w.target.UserID("ada"), there)
	w.set("ada", "department", "R&D")
	w.sync()
	w.target.EditUser(w.target.UserID("cleo"), func(doc map[string]any) { there(doc); doc["active"] = false })
	w.sync(reconciling)
	if got := w.account("ada")["title"]; got != "Engineer" {
		t.Errorf("ada's title is %v", got)
	}
	w.active("cleo", true)
	if got := w.account("cleo")["title"]; got != nil && got != "" {
		t.Errorf("cleo's title is %v", got)
	}
	log := w.requests(func() { w.sync(reconciling) })
	for _, l := range log {
		if l.Method != http.MethodGet {
			t.Errorf("there is still something to repair: %s %s", l.Method, l.Body)
		}
	}
}

// Whoever is sent for beside somebody whose account turns out to be gone names the next account in the end.
func TestReportOfSomebodyWhoseAccountIsGone(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Drift.Accounts = "repair"
	small(w)
	w.target.RemoveUser(w.target.UserID("ada"))
	w.set("ada", "title", "Countess")
	boss, cleo := "ada", w.members([]string{"cleo"})[0].ID
	if _, _, err := w.store.UpdateUser(t.Context(), by, cleo, store.UserEdit{Manager: &boss}); err != nil {
		t.Fatal(err)
	}
	w.sync()
	w.sync()
	for _, report := range []string{"bob", "cleo"} {
		ext, _ := w.account(report)[directory.Enterprise].(map[string]any)
		if m, _ := ext["manager"].(map[string]any); m["value"] != w.target.UserID("ada") {
			t.Errorf("%s's manager is %v, ada's account is %s", report, m, w.target.UserID("ada"))
		}
	}
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	w.again()
}

// What Muster made is Muster's, also when neither the create nor the change of what was found then was answered: a
// group that it made goes, and whoever leaves before the link is stored is switched off.
func TestCreateAndWhatFollowsUnanswered(t *testing.T) {
	w := onSQLite(t)
	w.target.Behave(func(b *connectortest.Behaviour) { b.EmptyCreate, b.NoLocation = true, true })
	w.target.Fail(connectortest.Fault{Method: http.MethodPatch, Drop: connectortest.AfterWrite, Times: -1})
	// The first create is done without the value that the second look then sets.
	w.target.Fail(connectortest.Fault{Method: http.MethodPost, Drop: connectortest.AfterWrite, Times: -1})
	w.user("ada")
	w.group("Engineering", "ada")
	w.assign("Engineering")
	for range 2 {
		if _, err := w.trySync(); err != nil {
			t.Fatal(err)
		}
		w.target.EditUser(w.target.UserID("ada"), func(doc map[string]any) { doc["displayName"] = "Lost" })
	}
	w.target.Heal()
	w.sync()
	w.app.Assignments = nil
	w.save()
	w.sync()
	w.active("ada", false)
	if w.target.GroupID("Engineering") != "" {
		t.Error("a group that Muster made is left")
	}
	w.again()
}

// An account that an interrupted operation switched on is a member of what its person joined meanwhile.
func TestSwitchedOnByAnInterruptedOperation(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.group("Club", "ada")
	w.assign("Club")
	w.off("cleo")
	w.sync()
	w.join("Club", "cleo")
	w.sync()
	w.target.Fail(connectortest.Fault{Method: http.MethodPatch, Path: "Users", Drop: connectortest.AfterWrite})
	w.target.Fail(connectortest.Fault{Method: http.MethodGet, Status: 400, Times: -1})
	w.set("cleo", "active", true)
	if _, err := w.trySync(); err != nil {
		t.Fatal(err)
	}
	w.target.Heal()
	if err := w.store.Restart(t.Context(), w.app.ID, "escrow"); err != nil { // a killed process leaves no failure to try again
		t.Fatal(err)
	}
	cleo := w.members([]string{"cleo"})[0].ID
	w.sync(func(o *cycle.Options) { o.Kind, o.Object = directory.KindUser, cleo })
	w.sync()
	w.active("cleo", true)
	w.groupMembers("Club", "ada", "cleo")
	w.again()
}

// Whoever comes to report to somebody who is switched off in the same pass waits for that account: many targets
// refuse it.
func TestManagerLeavesAsTheReportComes(t *testing.T) {
	w := onSQLite(t)
	small(w)
	boss, cleo := "ada", w.members([]string{"cleo"})[0].ID
	if _, _, err := w.store.UpdateUser(t.Context(), by, cleo, store.UserEdit{Manager: &boss}); err != nil {
		t.Fatal(err)
	}
	w.off("ada")
	manager := func() any {
		ext, _ := w.account("cleo")[directory.Enterprise].(map[string]any)
		m, _ := ext["manager"].(map[string]any)
		return m["value"]
	}
	if w.sync(); manager() != nil {
		t.Errorf("cleo's manager is %v, who is off", manager())
	}
	w.again()
	w.set("ada", "active", true)
	if w.sync(); manager() != w.target.UserID("ada") {
		t.Errorf("cleo's manager is %v", manager())
	}
	w.again()
}

// A target whose attributes change each other is not written to again with every reconcile.
func TestCrossedAttributesSettle(t *testing.T) {
	w := onSQLite(t)
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch {
			next.ServeHTTP(httptest.NewRecorder(), r)
			w.target.EditUser(w.target.UserID("ada"), func(doc map[string]any) { doc["displayName"] = doc["title"] })
			r.Method, r.Body = http.MethodGet, http.NoBody
		}
		next.ServeHTTP(rw, r)
	})
	small(w)
	w.set("ada", "title", "Countess")
	w.sync()
	w.sync(reconciling)
	w.target.Forget()
	w.sync(reconciling)
	if n := w.target.Writes(); n != 0 {
		t.Errorf("the second reconcile wrote %d times", n)
	}
}
