package cycle_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/store"
)

// TestEndpointOfAnotherTarget: at another target the ids of linked accounts are those of strangers. Whoever enters its
// address, by mistake or not, has nobody's account changed or switched off there, whatever kind of cycle runs.
func TestEndpointOfAnotherTarget(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		home := w.url
		other, url := connectortest.Serve(t, connectortest.Behaviour{})
		for i := range 40 {
			other.AddUser(map[string]any{"userName": fmt.Sprintf("stranger%d", i), "active": true})
		}
		if other.User(w.target.UserID("ada")) == nil {
			t.Fatal("no stranger has ada's id: this shows nothing")
		}
		w.set("ada", "active", false)
		w.set("bob", "title", "Mover")

		w.app.Connection.Endpoint = url
		w.save()
		passes := map[string]func(*cycle.Options){
			"incremental": func(*cycle.Options) {},
			"approving":   func(o *cycle.Options) { o.ApproveHeld = true },
			"reconcile":   func(o *cycle.Options) { o.Reconcile = true },
		}
		for name, how := range passes {
			r, err := w.trySync(how)
			if err != nil {
				t.Fatal(err)
			}
			if r.Stopped == nil || r.Stopped.Code != connector.CodeElsewhere || strings.Contains(r.Stopped.Error(), "stranger") {
				t.Errorf("%s: stopped by %v", name, r.Stopped)
			}
		}
		if _, err := w.engine.Plan(t.Context(), w.app, cycle.Options{ByHand: true}); err == nil {
			t.Error("a plan was made for the other target")
		}
		for _, l := range other.Log() {
			if l.Method != "GET" {
				t.Errorf("the other target was sent %s %s", l.Method, l.Path)
			}
		}

		// Back again, nothing was lost; and the same target under another name of its host is taken for what it is.
		w.app.Connection.Endpoint = home
		w.save()
		w.sync()
		w.active("ada", false)
		w.again()
		w.app.Connection.Endpoint = strings.Replace(home, "127.0.0.1", "localhost", 1)
		w.save()
		w.set("bob", "title", "Settled")
		w.sync()
		if w.account("bob")["title"] != "Settled" {
			t.Error("nothing was sent to the new address of the same target")
		}
		w.again()
	})
}

// TestTokenOfAnotherTenant: the same where the token decides whose accounts are behind an address.
func TestTokenOfAnotherTenant(t *testing.T) {
	w := onSQLite(t)
	other, _ := connectortest.Serve(t, connectortest.Behaviour{})
	for i := range 40 {
		other.AddUser(map[string]any{"userName": fmt.Sprintf("stranger%d", i), "active": true})
	}
	var theirs atomic.Bool
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if theirs.Load() {
			next = other
		}
		next.ServeHTTP(rw, r)
	})
	small(w)
	another := func(tenant bool) {
		theirs.Store(tenant)
		if err := w.store.Write(t.Context(), func(tx *store.Tx) error { return tx.Reconnected(t.Context(), w.app.ID) }); err != nil {
			t.Fatal(err)
		}
	}
	w.set("ada", "active", false)
	another(true)
	for range 2 {
		r, err := w.trySync()
		if err != nil {
			t.Fatal(err)
		}
		if r.Stopped == nil || r.Stopped.Code != connector.CodeElsewhere || !strings.Contains(r.Stopped.Error(), "credentials") {
			t.Errorf("stopped by %v", r.Stopped)
		}
	}
	if n := other.Writes(); n != 0 {
		t.Errorf("the other tenant was sent %d writes", n)
	}
	another(false)
	w.sync()
	w.active("ada", false)
	if log := w.requests(func() { w.sync() }); len(log) != 0 {
		t.Errorf("%d requests once the accounts were seen", len(log))
	}
	w.again()
}
