package slackemulator_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/slackemulator"
)

const redirectTo = "http://127.0.0.1:1/callback"

func (s *slack) form(path string, values url.Values) answer {
	s.t.Helper()
	request, _ := http.NewRequestWithContext(s.t.Context(), "POST", s.url+path, strings.NewReader(values.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := s.send(request)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// authorize asks for a code and returns what the app's own page gets.
func (s *slack) authorize(extra url.Values) url.Values {
	s.t.Helper()
	query := url.Values{"client_id": {slackemulator.DefaultClientID}, "user_scope": {"admin"}, "redirect_uri": {redirectTo}, "state": {"s1"}}
	for name, values := range extra {
		query[name] = values
	}
	a := s.do("GET", "/oauth/v2/authorize?"+query.Encode(), nil)
	if a.status != 302 {
		s.t.Fatalf("authorize: %d %s", a.status, a.body)
	}
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || !strings.HasPrefix(to.String(), redirectTo) {
		s.t.Fatalf("redirected to %v (%v)", to, err)
	}
	return to.Query()
}

func access(values url.Values) url.Values {
	out := url.Values{"client_id": {slackemulator.DefaultClientID}, "client_secret": {slackemulator.DefaultClientSecret}, "redirect_uri": {redirectTo}}
	for name, v := range values {
		out[name] = v
	}
	return out
}

func TestOAuth(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	s := start(t, slackemulator.Options{Clock: clock.time, OAuth: slackemulator.OAuthApp{AutoApprove: true}})
	back := s.authorize(nil)
	equal(t, "state", back.Get("state"), "s1")
	code := back.Get("code")

	for name, c := range map[string]struct {
		change url.Values
		want   string
	}{
		"client":   {url.Values{"client_id": {"x"}}, "invalid_client_id"},
		"secret":   {url.Values{"client_secret": {"x"}}, "bad_client_secret"},
		"grant":    {url.Values{"grant_type": {"password"}}, "invalid_grant_type"},
		"code":     {url.Values{"code": {"x"}}, "invalid_code"},
		"refresh":  {url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, "invalid_refresh_token"},
		"no code":  {nil, "invalid_code"},
		"redirect": {url.Values{"code": {s.authorize(nil).Get("code")}, "redirect_uri": {"http://127.0.0.1:1/other"}}, "bad_redirect_uri"},
	} {
		a := s.form("/api/oauth.v2.access", access(c.change))
		if a.status != 200 || a.json["ok"] != false || a.json["error"] != c.want {
			t.Errorf("%s: %d %s, want %s", name, a.status, a.body, c.want)
		}
	}

	a := s.form("/api/oauth.v2.access", access(url.Values{"code": {code}}))
	equal(t, "ok", a.json["ok"], true)
	owner, _ := s.User("workspace.owner")
	equal(t, "authed_user.id", a.at("authed_user", "id"), owner.ID)
	equal(t, "scope", a.at("authed_user", "scope"), "admin")
	equal(t, "type", a.at("authed_user", "token_type"), "user")
	equal(t, "no top-level token", a.json["access_token"], nil)
	equal(t, "team", a.at("team", "id"), "T0EMULATED")
	equal(t, "enterprise", a.json["enterprise"], nil)
	equal(t, "org", a.json["is_enterprise_install"], false)
	token, _ := a.at("authed_user", "access_token").(string)
	if !strings.HasPrefix(token, "xoxp-") {
		t.Fatalf("token %q", token)
	}
	equal(t, "no rotation", a.at("authed_user", "refresh_token"), nil)
	equal(t, "used up", s.form("/api/oauth.v2.access", access(url.Values{"code": {code}})).json["error"], "invalid_code")
	s.token = token
	s.do("GET", "/scim/v2/Users", nil).want(200, "")
	clock.pass(1000 * time.Hour)
	s.do("GET", "/scim/v2/Users", nil).want(200, "")

	late := s.authorize(nil).Get("code")
	clock.pass(10 * time.Minute)
	equal(t, "ten minutes", s.form("/api/oauth.v2.access", access(url.Values{"code": {late}})).json["error"], "invalid_code")

	// Bot scopes bring a token of their own, which SCIM refuses; HTTP Basic works too.
	both := s.authorize(url.Values{"scope": {"chat:write"}}).Get("code")
	request, _ := http.NewRequestWithContext(t.Context(), "POST", s.url+"/api/oauth.v2.access", strings.NewReader(url.Values{"code": {both}, "redirect_uri": {redirectTo}}.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(slackemulator.DefaultClientID, slackemulator.DefaultClientSecret)
	a, err := s.send(request)
	if err != nil {
		t.Fatal(err)
	}
	s.token, _ = a.json["access_token"].(string)
	if !strings.HasPrefix(s.token, "xoxb-") {
		t.Errorf("bot token %q", s.token)
	}
	s.do("GET", "/scim/v2/Users", nil).want(401, "invalid_authentication")
}

func TestOAuthPKCE(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{OAuth: slackemulator.OAuthApp{AutoApprove: true}})
	sum := sha256.Sum256([]byte("verifier"))
	challenge := url.Values{"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	bad := s.form("/api/oauth.v2.access", access(url.Values{"code": {s.authorize(challenge).Get("code")}, "code_verifier": {"guess"}}))
	equal(t, "wrong", bad.json["error"], "invalid_code_verifier")
	good := s.form("/api/oauth.v2.access", access(url.Values{"code": {s.authorize(challenge).Get("code")}, "code_verifier": {"verifier"}}))
	equal(t, "right", good.json["ok"], true)
}

func TestOAuthOnEnterprise(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Plan: slackemulator.PlanEnterprise, OAuth: slackemulator.OAuthApp{AutoApprove: true}})
	org := s.form("/api/oauth.v2.access", access(url.Values{"code": {s.authorize(nil).Get("code")}}))
	equal(t, "org", org.json["is_enterprise_install"], true)
	equal(t, "team", org.json["team"], nil)
	equal(t, "enterprise", org.at("enterprise", "id"), "E0EMULATED")
	s.token, _ = org.at("authed_user", "access_token").(string)
	s.do("GET", "/scim/v2/Users", nil).want(200, "")
	equal(t, "auth.test", s.do("GET", "/api/auth.test", nil).json["enterprise_id"], "E0EMULATED")

	one := s.form("/api/oauth.v2.access", access(url.Values{"code": {s.authorize(url.Values{"team": {"T0EMULATED"}}).Get("code")}}))
	equal(t, "workspace", one.json["is_enterprise_install"], false)
	s.token, _ = one.at("authed_user", "access_token").(string)
	s.do("GET", "/scim/v2/Users", nil).want(403, "non_org_teams_only")
}

func TestOAuthRotation(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	s := start(t, slackemulator.Options{Clock: clock.time, OAuth: slackemulator.OAuthApp{AutoApprove: true, Rotation: true}})
	first := s.form("/api/oauth.v2.access", access(url.Values{"code": {s.authorize(nil).Get("code")}}))
	equal(t, "expires_in", first.at("authed_user", "expires_in"), 43200)
	token := func(a answer) (string, string) {
		access, _ := a.at("authed_user", "access_token").(string)
		refresh, _ := a.at("authed_user", "refresh_token").(string)
		if !strings.HasPrefix(access, "xoxe.xoxp-1-") || !strings.HasPrefix(refresh, "xoxe-1-") {
			t.Errorf("tokens %q %q", access, refresh)
		}
		return access, refresh
	}
	works := func(access string, want bool) {
		t.Helper()
		s.token = access
		if got := s.do("GET", "/scim/v2/Users", nil).status == 200; got != want {
			t.Errorf("token works: %v, want %v", got, want)
		}
	}
	refreshWith := func(refresh string) answer {
		return s.form("/api/oauth.v2.access", access(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}))
	}
	access1, refresh1 := token(first)
	second := refreshWith(refresh1)
	access2, refresh2 := token(second)
	equal(t, "top level", second.json["access_token"], access2)
	equal(t, "single use", refreshWith(refresh1).json["error"], "invalid_refresh_token")
	works(access1, true)
	works(access2, true)
	access3, _ := token(refreshWith(refresh2))
	works(access1, false) // two live at most
	works(access2, true)
	works(access3, true)
	clock.pass(12 * time.Hour)
	works(access3, false)
	equal(t, "auth.test", s.do("POST", "/api/auth.test", nil).json["error"], "token_expired")

	// A long-lived token is exchanged once.
	exchange := func() answer {
		return s.form("/api/oauth.v2.exchange", access(url.Values{"token": {slackemulator.DefaultToken}}))
	}
	access4, _ := token(exchange())
	works(access4, true)
	works(slackemulator.DefaultToken, false)
	equal(t, "again", exchange().json["error"], "invalid_token")
}

func TestConsentPage(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{
		Plan:  slackemulator.PlanEnterprise,
		OAuth: slackemulator.OAuthApp{RedirectURIs: []string{"https://app.example/oauth", redirectTo}},
	})
	query := func(change url.Values) string {
		out := url.Values{"client_id": {slackemulator.DefaultClientID}, "user_scope": {"admin"}, "redirect_uri": {redirectTo}, "state": {`"><script>`}}
		for name, v := range change {
			out[name] = v
		}
		return out.Encode()
	}
	page := s.do("GET", "/oauth/v2/authorize?"+query(nil), nil)
	if page.status != 200 || !strings.Contains(page.body, "Allow") || strings.Contains(page.body, "<script>") {
		t.Errorf("page %d: %s", page.status, page.body)
	}
	for name, c := range map[string]struct {
		change url.Values
		want   string
	}{
		"client":        {url.Values{"client_id": {"x"}}, "invalid_client_id"},
		"scope":         {url.Values{"user_scope": {"everything"}}, "invalid_scope"},
		"no scope":      {url.Values{"user_scope": {""}}, "invalid_scope"},
		"admin for bot": {url.Values{"scope": {"admin"}}, "invalid_scope"},
		"other address": {url.Values{"redirect_uri": {"https://evil.example/oauth"}}, "bad_redirect_uri"},
		"beside":        {url.Values{"redirect_uri": {"https://app.example/oauthevil"}}, "bad_redirect_uri"},
		"dots":          {url.Values{"redirect_uri": {"https://app.example/oauth/../evil"}}, "bad_redirect_uri"},
		"fragment":      {url.Values{"redirect_uri": {"https://app.example/oauth#x"}}, "bad_redirect_uri"},
		"http":          {url.Values{"redirect_uri": {"http://app.example/oauth"}}, "bad_redirect_uri"},
	} {
		if a := s.do("GET", "/oauth/v2/authorize?"+query(c.change), nil); a.status != 400 || !strings.Contains(a.body, c.want) {
			t.Errorf("%s: %d, want %s", name, a.status, c.want)
		}
	}
	s.do("GET", "/oauth/v2/authorize?"+query(url.Values{"redirect_uri": {"https://app.example/oauth/below"}}), nil).want(200, "")

	answerForm := func(extra string) url.Values {
		values, _ := url.ParseQuery(query(nil) + "&" + extra)
		a := s.form("/oauth/v2/authorize", values)
		to, err := url.Parse(a.header.Get("Location"))
		if err != nil || a.status != 302 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return to.Query()
	}
	equal(t, "cancelled", answerForm("emulator_answer=cancel").Get("error"), "access_denied")
	member := s.add("member", nil)
	back := answerForm("emulator_answer=allow&emulator_as=" + member + "&emulator_install=workspace")
	equal(t, "state", back.Get("state"), `"><script>`)
	a := s.form("/api/oauth.v2.access", access(url.Values{"code": {back.Get("code")}}))
	equal(t, "as", a.at("authed_user", "id"), member)
	s.token, _ = a.at("authed_user", "access_token").(string)
	s.do("GET", "/scim/v2/Users", nil).want(401, "invalid_authentication") // installed by a mere member
}
