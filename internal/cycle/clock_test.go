package cycle_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/provision"
)

// What was to be tried again, or looked at, by a clock that was ahead does not wait until that time has
// really come.
func TestClockSetBackWhileSomethingWaits(t *testing.T) {
	w, clock := withClock(t)
	w.user("ada")
	w.app.Provisioning.Reconcile = 0 // it would look at everybody
	w.on()
	w.group("Team", "ada")
	w.assign("Team")
	w.target.Fail(connectortest.Fault{Method: http.MethodPost, Path: "Users", Status: http.StatusBadRequest, Times: 1})
	w.expect(w.sync(), map[string]int{"create": 1, "failed": 1})
	bob := w.user("bob")
	if _, err := w.store.Assign(t.Context(), by, w.app.ID, provision.Assignment{User: bob.ID}); err != nil {
		t.Fatal(err)
	}
	clock.ms.Add(-(30 * 24 * time.Hour).Milliseconds())
	w.serving()
	w.until("who is due has an account", func() bool { return w.target.UserID("bob") != "" })
	w.until("who was in escrow has an account", func() bool { return w.target.UserID("ada") != "" })
	w.settled()
}
