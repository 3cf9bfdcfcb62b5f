package signin_test

import (
	"testing"
	"time"

	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
)

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	tests := map[string]func(w *world, v signin.Visitor){
		"unused for 8 hours": func(w *world, v signin.Visitor) { w.clock.pass(8 * time.Hour) },
		"signed out":         func(w *world, v signin.Visitor) { w.ok(w.gate.SignOut(w.ctx, v)) },
		"ended elsewhere":    func(w *world, v signin.Visitor) { _, err := w.gate.EndOthers(w.ctx, w.enter("grace")); w.ok(err) },
		"role changed": func(w *world, v signin.Visitor) {
			_, err := w.store.SetAdministratorRole(w.ctx, root, "grace", "reader")
			w.ok(err)
		},
		"removed": func(w *world, v signin.Visitor) {
			_, err := w.store.RemoveAdministrator(w.ctx, root, "grace")
			w.ok(err)
		},
		"password reset": func(w *world, v signin.Visitor) {
			_, _, _, err := w.store.IssueLink(w.ctx, root, "grace", false)
			w.ok(err)
		},
		"password changed in another session": func(w *world, v signin.Visitor) {
			_, err := w.gate.ChangePassword(w.ctx, w.enter("grace"), good+"!")
			w.ok(err)
		},
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, signin.Options{})
			w.join("ada", "owner")
			w.join("grace", "admin")
			in, err := w.gate.Password(w.ctx, w.here, "grace", good)
			w.ok(err)
			v := w.visitor(in)
			end(w, v)
			_, err = w.gate.Visitor(w.ctx, in.Session)
			w.refused(err, "not signed in")
		})
	}
}

func TestSessionStaysWhileItIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	in, err := w.gate.Password(w.ctx, w.here, "ada", good)
	w.ok(err)
	for range 23 {
		w.clock.pass(7 * time.Hour)
		w.visitor(in)
	}
	w.clock.pass(7 * time.Hour) // 168 hours
	_, err = w.gate.Visitor(w.ctx, in.Session)
	w.refused(err, "not signed in")
}

// A look at a session costs one query; noting that it was used is left to once in five minutes.
func TestSessionCostsOneQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	in, err := w.gate.Password(w.ctx, w.here, "ada", good)
	w.ok(err)
	before := w.store.Queries()
	for range 10 {
		w.visitor(in)
	}
	if n := w.store.Queries() - before; n != 10 {
		t.Errorf("%d queries for 10 looks", n)
	}
}

// What was planted in the browser before does not become the session of who signs in there.
func TestNoSessionIsFixed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	w.join("eve", "reader")
	eve, err := w.gate.Password(w.ctx, w.here, "eve", good)
	w.ok(err)
	victim := w.here
	victim.Session = eve.Session
	ada, err := w.gate.Password(w.ctx, victim, "ada", good)
	w.ok(err)
	if ada.Session == eve.Session {
		t.Fatal("the planted session went on")
	}
	_, err = w.gate.Visitor(w.ctx, eve.Session)
	w.refused(err, "not signed in")
	// Proving again, and changing what lets one in, give the session another token.
	v := w.visitor(ada)
	confirmed, err := w.gate.Confirm(w.ctx, w.here, v, good, "")
	w.ok(err)
	changed, err := w.gate.ChangePassword(w.ctx, v, good+"!")
	w.ok(err)
	for _, old := range []string{ada.Session, confirmed} {
		_, err = w.gate.Visitor(w.ctx, old)
		w.refused(err, "not signed in")
	}
	w.visitor(signin.Admission{Session: changed})
}

func TestChangesWantFreshProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{URL: "http://localhost:8080"})
	w.join("ada", "owner")
	v := w.enter("ada")
	w.clock.pass(10 * time.Minute)
	changes := map[string]func() error{
		"password":       func() error { _, err := w.gate.ChangePassword(w.ctx, v, good+"!"); return err },
		"app":            func() error { _, err := w.gate.BeginAuthenticator(w.ctx, v); return err },
		"app's code":     func() error { _, _, err := w.gate.FinishAuthenticator(w.ctx, v, "", ""); return err },
		"no app":         func() error { return w.gate.RemoveAuthenticator(w.ctx, v) },
		"codes":          func() error { _, err := w.gate.NewRecoveryCodes(w.ctx, v); return err },
		"passkey":        func() error { _, _, err := w.gate.BeginRegistration(w.ctx, v); return err },
		"passkey's":      func() error { return w.gate.FinishRegistration(w.ctx, v, "", "", nil) },
		"no passkey":     func() error { return w.gate.RemovePasskey(w.ctx, v, "x") },
		"single sign-on": func() error { _, _, err := w.gate.BeginSingleSignOn(w.ctx, signin.ToLink, v, "/"); return err },
	}
	for name, change := range changes {
		t.Log(name)
		w.refused(change(), "Confirm that it is you")
	}
	_, err := w.gate.Confirm(w.ctx, w.here, v, "wrong", "")
	w.refused(err, "not right")
	token, err := w.gate.Confirm(w.ctx, w.here, v, good, "")
	w.ok(err)
	_, err = w.gate.ChangePassword(w.ctx, w.visitor(signin.Admission{Session: token}), good+"!")
	w.ok(err)
}

func TestAuditSaysWhoAndWhereFromAndNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	w.enter("ada")
	log, err := w.store.AuditLog(w.ctx, store.AuditQuery{})
	w.ok(err)
	e := log[0]
	if e.Action != "sign in" || e.Actor != "ada" || e.Via != "console" || e.After["from"] != "public" || e.After["method"] != "password" || len(e.After) != 2 {
		t.Errorf("%+v", e)
	}
}
