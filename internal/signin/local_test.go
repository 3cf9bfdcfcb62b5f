package signin_test

import (
	"testing"

	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
)

// Somebody who is disabled is out at once, stays out by every way there is, and comes back as they were.
func TestDisabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("root", "owner")
	p := newProvider(w)
	ada, grace := w.join("ada", "operator"), store.Administrator{}
	in, err := p.enter("7", "grace", "Helpdesk")
	w.ok(err)
	grace = in.Admin
	session, err := w.gate.Password(w.ctx, w.here, "ada", good)
	w.ok(err)
	for _, a := range []store.Administrator{ada, grace} {
		if _, err := w.store.DisableAdministrator(w.ctx, root, a.Name, true); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.gate.Visitor(w.ctx, session.Session)
	w.refused(err, "not signed in")
	_, err = w.gate.Password(w.ctx, w.here, "ada", good)
	w.refused(err, "Ada is disabled")
	_, err = p.enter("7", "grace", "Helpdesk")
	w.refused(err, "Grace is disabled")
	if _, _, _, err := w.store.IssueLink(w.ctx, root, "ada", false); err == nil {
		t.Error("a link was made for somebody who is disabled")
	}
	_, err = w.store.DisableAdministrator(w.ctx, root, "ada", false)
	w.ok(err)
	w.enter("ada")
	if n := w.audited("disable"); n != 2 {
		t.Errorf("the audit log tells of %d", n)
	}
}

// The last owner is not disabled, and one who is disabled is no owner to rely on.
func TestLastOwnerIsNotDisabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("root", "owner")
	w.join("ada", "owner")
	_, err := w.store.DisableAdministrator(w.ctx, root, "ada", true)
	w.ok(err)
	if _, err := w.store.DisableAdministrator(w.ctx, root, "root", true); err == nil {
		t.Error("the last owner was disabled")
	}
	if _, err := w.store.RemoveAdministrator(w.ctx, root, "root"); err == nil {
		t.Error("the last owner who gets in was removed")
	}
}

// Where single sign-on alone lets people in, a right password gets nobody in and is not even told from a
// wrong one; and nobody can take that only door away.
func TestSingleSignOnAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("root", "owner")
	if err := w.store.SetLocalSignIn(w.ctx, root, false); err == nil {
		t.Fatal("local sign-in was refused although there is no other way in")
	}
	p := newProvider(w)
	if err := w.store.SetLocalSignIn(w.ctx, root, false); err == nil {
		t.Fatal("local sign-in was refused although no owner comes by single sign-on")
	}
	_, link, _, err := w.store.IssueLink(w.ctx, root, w.join("eve", "reader").Name, false)
	w.ok(err)
	local := w.enter("root")
	in, err := p.enter("1", "ada", "Muster Owners")
	w.ok(err)
	w.ok(w.store.SetLocalSignIn(w.ctx, root, false))

	_, err = w.store.LinkOf(w.ctx, link)
	w.ok(err) // kept for when it leads somewhere again
	_, err = w.gate.FollowLink(w.ctx, w.here, link, "", good)
	w.refused(err, "Single sign-on alone")
	for _, password := range []string{good, "wrong " + good} {
		_, err = w.gate.Password(w.ctx, w.here, "root", password)
		w.refused(err, "Single sign-on alone")
	}
	if s, err := w.gate.Sessions(w.ctx, local); err != nil || len(s) != 0 {
		t.Errorf("sessions that a password began are there still: %v, %v", s, err)
	}
	w.visitor(in.Admission)
	_, err = p.enter("1", "ada", "Muster Owners")
	w.ok(err)

	if err := w.store.SetSingleSignOn(w.ctx, root, nil, nil); err == nil {
		t.Error("the only door was taken away")
	}
	o, err := w.store.SingleSignOn(w.ctx)
	w.ok(err)
	o.Issuer = "https://other.example.org"
	secret := "x"
	if err := w.store.SetSingleSignOn(w.ctx, root, o, &secret); err == nil {
		t.Error("the only door leads elsewhere now, where no owner comes from")
	}
	if _, err := w.store.RemoveAdministrator(w.ctx, root, "ada"); err == nil {
		t.Error("the last owner who gets in was removed: root has a password alone")
	}
	w.ok(w.store.SetLocalSignIn(w.ctx, root, true))
	w.enter("root")
}
