package signin_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/interop"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
)

// certified is a provider that the OpenID Foundation has certified, with a browser of somebody's own.
type certified struct {
	w      *world
	issuer string
}

const back = "https://muster.example.org/signin/callback"

func newCertified(w *world) *certified {
	w.Helper()
	issuer, secret := interop.OpenIDProvider(w, back, map[string][]string{"ada": {"Muster Owners", "Sales"}, "bea": {"Everybody"}, "eve": {"Sales"}})
	w.ok(w.store.SetSingleSignOn(w.ctx, root, &store.SingleSignOn{
		Name: "Example", Issuer: issuer, ClientID: "muster", Scopes: []string{"openid", "profile", "email", "groups"},
		GroupsClaim: "groups", NameClaim: "preferred_username", Roles: map[string]string{"Muster Owners": "owner", "Everybody": "reader"},
	}, &secret))
	return &certified{w, issuer}
}

var formAction = regexp.MustCompile(`action="([^"]+)"`)

// visit signs somebody in there as a browser does, allows Muster in, and returns what it brings back.
func (c *certified) visit(address, name string) url.Values {
	c.w.Helper()
	var answer *url.URL
	home := errors.New("back at Muster")
	jar, _ := cookiejar.New(nil) // never fails
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), back) {
			answer = r.URL
			return home
		}
		return nil
	}}
	res, err := browser.Get(address)
	for _, form := range []url.Values{{"prompt": {"login"}, "login": {name}, "password": {"any"}}, {"prompt": {"consent"}}} {
		if answer != nil {
			break
		}
		c.w.ok(err)
		page, rerr := io.ReadAll(res.Body)
		res.Body.Close()
		c.w.ok(rerr)
		action := formAction.FindSubmatch(page)
		if action == nil {
			c.w.Fatalf("%s shows no form:\n%s", res.Request.URL, page)
		}
		to, perr := res.Request.URL.Parse(string(action[1]))
		c.w.ok(perr)
		res, err = browser.PostForm(to.String(), form)
	}
	if res != nil {
		res.Body.Close()
	}
	if answer == nil {
		c.w.Fatalf("%s never came back to Muster: %v", name, err)
	}
	return answer.Query()
}

func (c *certified) begin() (address, token string) {
	c.w.Helper()
	address, token, err := c.w.gate.BeginSingleSignOn(c.w.ctx, signin.ToSignIn, signin.Visitor{}, "/logs")
	c.w.ok(err)
	return address, token
}

// finish is what comes of an answer.
func (c *certified) finish(token string, answer url.Values) (signin.Return, error) {
	return c.w.gate.SingleSignOnAnswer(c.w.ctx, c.w.here, signin.Visitor{}, token, answer)
}

// Single sign-on works with a provider whose authors read the standard for themselves, and neither an answer of somebody else's errand nor
// one that is used twice gets in.
func TestCertifiedProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("root", "owner")
	c := newCertified(w)
	for name, role := range map[string]string{"ada": "owner", "bea": "reader"} { // by the groups there
		address, token := c.begin()
		in, err := c.finish(token, c.visit(address, name))
		w.ok(err)
		if v := w.visitor(in.Admission); v.Admin.Name != name+"@example.org" || v.Admin.Role != role || v.Admin.Subject != name || in.Page != "/logs" {
			t.Errorf("%+v came in and goes on with %s", v.Admin, in.Page)
		}
	}
	address, token := c.begin()
	_, err := c.finish(token, c.visit(address, "eve"))
	w.refused(err, "None of your groups")

	for name, parameters := range map[string]map[string]string{
		"no code challenge":      {"code_challenge": "", "code_challenge_method": ""},
		"another code challenge": {"code_challenge": strings.Repeat("a", 43)},
		"another nonce":          {"nonce": "of-somebody-else"},
	} {
		address, token := c.begin()
		u, err := url.Parse(address)
		w.ok(err)
		q := u.Query()
		for key, value := range parameters {
			q.Set(key, value)
			if value == "" {
				q.Del(key)
			}
		}
		u.RawQuery = q.Encode()
		if _, err := c.finish(token, c.visit(u.String(), "ada")); err == nil {
			t.Errorf("%s: ada came in", name)
		}
	}
	address, token = c.begin()
	answer := c.visit(address, "ada")
	_, others := c.begin()
	if _, err := c.finish(others, answer); err == nil {
		t.Error("the answer of one errand ended another")
	}
	wrong := url.Values{"code": answer["code"], "state": {"another"}, "iss": answer["iss"]}
	if _, err := c.finish(token, wrong); err == nil {
		t.Error("another state was taken")
	}
	address, token = c.begin()
	answer = c.visit(address, "ada")
	_, err = c.finish(token, answer)
	w.ok(err)
	if _, err := c.finish(token, answer); err == nil {
		t.Error("an answer was taken twice")
	}
}
