package signin_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/oauth2-proxy/mockoidc"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
)

// provider is an identity provider that nobody here wrote.
type provider struct {
	*mockoidc.MockOIDC
	w *world
}

func newProvider(w *world) *provider {
	w.Helper()
	m, err := mockoidc.Run()
	w.ok(err)
	w.Cleanup(func() { _ = m.Shutdown() })
	p := &provider{MockOIDC: m, w: w}
	w.ok(w.store.SetSingleSignOn(w.ctx, root, &store.SingleSignOn{
		Name: "Example", Issuer: m.Issuer(), ClientID: m.ClientID, Scopes: []string{"openid", "profile", "email", "groups"},
		GroupsClaim: "groups", NameClaim: "preferred_username", Roles: map[string]string{"Muster Owners": "owner", "Helpdesk": "operator", "Everybody": "reader"},
	}, &m.ClientSecret))
	return p
}

// visit goes to the identity provider as a browser does, and returns what it brings back.
func (p *provider) visit(address, subject, name string, groups ...string) url.Values {
	p.w.Helper()
	p.QueueUser(&mockoidc.MockUser{Subject: subject, PreferredUsername: name, Email: name + "@example.org", Groups: groups})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.Get(address)
	p.w.ok(err)
	defer r.Body.Close()
	back, err := r.Location()
	p.w.ok(err)
	if at := back.Scheme + "://" + back.Host + back.Path; at != "https://muster.example.org/signin/callback" {
		p.w.Fatalf("sent back to %s", at)
	}
	return back.Query()
}

// enter signs somebody in.
func (p *provider) enter(subject, name string, groups ...string) (signin.Return, error) {
	p.w.Helper()
	address, token, err := p.w.gate.BeginSingleSignOn(p.w.ctx, signin.ToSignIn, signin.Visitor{}, "/applications")
	p.w.ok(err)
	return p.w.gate.SingleSignOnAnswer(p.w.ctx, p.w.here, signin.Visitor{}, token, p.visit(address, subject, name, groups...))
}

func TestSingleSignOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("root", "owner")
	p := newProvider(w)
	desk := admin.New(w.store, admin.Options{By: root})
	asked, err := desk.TestSingleSignOn(w.ctx, &store.SingleSignOn{Issuer: p.Issuer(), Scopes: []string{"openid", "unheard-of"}})
	w.ok(err)
	if !asked.OK || asked.Token == "" || len(asked.Warnings) != 1 {
		t.Errorf("asked, it is %+v: want its places, and a warning of the scope that it does not know", asked)
	}
	_, err = p.enter("1", "ada", "Sales")
	w.refused(err, "None of your groups")
	_, err = p.enter("1", "ada")
	w.refused(err, "None of your groups")
	back, err := p.enter("1", "ada", "Everybody", "Helpdesk", "Sales")
	w.ok(err)
	v := w.visitor(back.Admission)
	if v.Admin.Name != "ada" || v.Admin.Role != "operator" || back.Page != "/applications" || v.Admin.Issuer != p.Issuer() {
		t.Errorf("%+v came in and goes on with %s", v.Admin, back.Page)
	}
	// The same person under a new name is the same administrator; another one under the old name is not.
	back, err = p.enter("1", "ada.lovelace", "Muster Owners")
	w.ok(err)
	if again := w.visitor(back.Admission); again.Admin.ID != v.Admin.ID || again.Admin.Role != "owner" {
		t.Errorf("%+v came in", again.Admin)
	}
	_, err = w.gate.Visitor(w.ctx, back.Admission.Session)
	w.ok(err)
	_, err = p.enter("2", "ada", "Everybody")
	w.refused(err, "an administrator ada already")
	// Whoever was an owner and lost the group is not let in, and after a day is out.
	_, err = p.enter("1", "ada", "Sales")
	w.refused(err, "None of your groups")
	for range 3 {
		w.clock.pass(7 * time.Hour)
		w.visitor(back.Admission)
	}
	w.clock.pass(3 * time.Hour)
	_, err = w.gate.Visitor(w.ctx, back.Admission.Session)
	w.refused(err, "not signed in")
}

// Groups that would take the last owner's role away do not.
func TestSingleSignOnKeepsTheLastOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	p := newProvider(w)
	_, err := p.enter("1", "ada", "Muster Owners")
	w.ok(err)
	_, err = p.enter("1", "ada", "Everybody")
	w.refused(err, "last owner")
	if a, err := w.store.Administrator(w.ctx, "ada"); err != nil || a.Role != "owner" {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestSingleSignOnAnswersAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	p := newProvider(w)
	begin := func() (string, string) {
		address, token, err := w.gate.BeginSingleSignOn(w.ctx, signin.ToSignIn, signin.Visitor{}, "/")
		w.ok(err)
		return address, token
	}
	answer := func(token string, q url.Values) error {
		_, err := w.gate.SingleSignOnAnswer(w.ctx, w.here, signin.Visitor{}, token, q)
		return err
	}
	address, _ := begin()
	q := p.visit(address, "1", "ada", "Muster Owners")
	// An answer that somebody planted: no errand, another browser's errand, another state.
	w.refused(answer("", q), "does not belong")
	_, others := begin()
	w.refused(answer(others, q), "does not belong")
	forged := url.Values{"code": q["code"], "state": {"x"}}
	_, token := begin()
	w.refused(answer(token, forged), "does not belong")
	// The code of one errand in the answer to another: PKCE and nonce refuse it.
	address2, token3 := begin()
	u, err := url.Parse(address2)
	w.ok(err)
	stolen := url.Values{"code": q["code"], "state": u.Query()["state"]}
	w.refused(answer(token3, stolen), "not accepted")
	// The right one, and not twice.
	address, token = begin()
	q = p.visit(address, "1", "ada", "Muster Owners")
	w.ok(answer(token, q))
	w.refused(answer(token, q), "does not belong")
	// An answer that says which provider it is of, and is of another one.
	address, token = begin()
	q = p.visit(address, "1", "ada", "Muster Owners")
	q.Set("iss", "https://evil.example")
	w.refused(answer(token, q), "another identity provider")
	// The provider says no.
	address, token = begin()
	u, err = url.Parse(address)
	w.ok(err)
	w.refused(answer(token, url.Values{"state": u.Query()["state"], "error": {"access_denied"}, "error_description": {"not assigned"}}), "not assigned")
	for _, part := range []string{"code_challenge_method=S256", "code_challenge=", "nonce=", "state="} {
		if !contains(u.RawQuery, part) {
			t.Errorf("%s is not asked with: %s", part, u.RawQuery)
		}
	}
}

func TestLinkingToTheIdentityProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	w.join("eve", "admin")
	p := newProvider(w)
	ada, eve := w.enter("ada"), w.enter("eve")
	address, token, err := w.gate.BeginSingleSignOn(w.ctx, signin.ToLink, ada, "/account")
	w.ok(err)
	q := p.visit(address, "1", "ada", "Muster Owners")
	_, err = w.gate.SingleSignOnAnswer(w.ctx, w.here, eve, token, q) // in eve's session by now
	w.refused(err, "Somebody else")
	link := func(v signin.Visitor) error {
		address, token, err := w.gate.BeginSingleSignOn(w.ctx, signin.ToLink, v, "/account")
		w.ok(err)
		_, err = w.gate.SingleSignOnAnswer(w.ctx, w.here, v, token, p.visit(address, "1", "ada", "Muster Owners"))
		return err
	}
	w.ok(link(ada))
	w.refused(link(eve), "belongs to administrator ada")
	back, err := p.enter("1", "ada", "Muster Owners")
	w.ok(err)
	if v := w.visitor(back.Admission); v.Admin.ID != ada.Admin.ID {
		t.Errorf("%+v came in", v.Admin)
	}
	// Confirming takes the account that is linked, and no other.
	ada = w.enter("ada")
	for subject, says := range map[string]string{"1": "", "2": "another account"} {
		address, token, err := w.gate.BeginSingleSignOn(w.ctx, signin.ToConfirm, ada, "/account")
		w.ok(err)
		if !contains(address, "prompt=login") {
			t.Error("the provider is not told to ask again")
		}
		back, err := w.gate.SingleSignOnAnswer(w.ctx, w.here, ada, token, p.visit(address, subject, "ada", "Muster Owners"))
		if says != "" {
			w.refused(err, says)
			continue
		}
		w.ok(err)
		if back.Session == "" {
			t.Error("the session has no new token")
		}
	}
}

func TestSingleSignOnIsOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	_, _, err := w.gate.BeginSingleSignOn(w.ctx, signin.ToSignIn, signin.Visitor{}, "/")
	w.refused(err, "not set up")
	_, err = admin.New(w.store, admin.Options{By: root}).TestSingleSignOn(w.ctx, &store.SingleSignOn{Issuer: "http://127.0.0.1:1"})
	if p := admin.Explain(err); p == nil || p.Code != "identity_provider" {
		t.Errorf("nobody answers, and the test says %v", err)
	}
}
