package slackemulator_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/slackemulator"
)

func TestAuthentication(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	tokens := []slackemulator.Token{
		{Value: "xoxp-good"},
		{Value: "xoxp-admin", Role: slackemulator.RoleAdmin},
		{Value: "xoxp-member", Role: slackemulator.RoleMember},
		{Value: "xoxp-noscope", Scopes: []string{"users:read"}},
		{Value: "xoxp-free", Plan: slackemulator.PlanFree},
		{Value: "xoxp-pro", Plan: slackemulator.PlanPro},
		{Value: "xoxp-workspace", Workspace: true},
		{Value: "xoxb-bot"},
		{Value: "xoxp-old", Expires: clock.time().Add(-time.Second)},
	}
	s := start(t, slackemulator.Options{Tokens: tokens, Plan: slackemulator.PlanEnterprise, Clock: clock.time})
	cases := []struct {
		header   string
		status   int
		code     string
		authTest string // its error; empty: ok
	}{
		{"Bearer xoxp-good", 200, "", ""},
		{"bearer xoxp-good", 200, "", ""},
		{"Bearer xoxp-admin", 200, "", ""},
		{"", 401, "missing_authentication", "not_authed"},
		{"Bearer ", 401, "invalid_authentication", "invalid_auth"},
		{"Basic eDp5", 401, "invalid_authentication", "invalid_auth"},
		{"Bearer dummy", 401, "invalid_authentication", "invalid_auth"},
		{"Bearer xoxb-bot", 401, "invalid_authentication", ""},
		{"Bearer xoxp-noscope", 401, "invalid_authentication", ""},
		{"Bearer xoxp-member", 401, "invalid_authentication", ""},
		{"Bearer xoxp-old", 401, "invalid_authentication", "token_expired"},
		{"Bearer xoxp-free", 403, "plus_teams_only", ""},
		{"Bearer xoxp-pro", 403, "plus_teams_only", ""},
		{"Bearer xoxp-workspace", 403, "non_org_teams_only", ""},
	}
	for _, c := range cases {
		for _, path := range []string{"/scim/v1/Users", "/scim/v2/Users?count=1", "/scim/v2/Users/U1", "/scim/v1/Groups", "/scim/v2/Schemas", "/scim/v2/Nonsense"} {
			if c.status == 200 && strings.Contains(path, "U1") || strings.Contains(path, "Nonsense") && c.status == 200 {
				continue
			}
			request, _ := http.NewRequestWithContext(t.Context(), "GET", s.url+path, nil)
			request.Header.Set("Authorization", c.header)
			if c.header == "" {
				request.Header.Del("Authorization")
			}
			a, err := s.send(request)
			if err != nil {
				t.Fatal(err)
			}
			if c.status == 200 && a.status == 200 {
				continue
			}
			a.want(c.status, c.code)
			if a.at("Errors", "code") != float64(c.status) || a.json["schemas"] != nil {
				t.Errorf("%s with %q: not v1's shape: %s", path, c.header, a.body)
			}
		}
		request, _ := http.NewRequestWithContext(t.Context(), "POST", s.url+"/api/auth.test", nil)
		if c.header != "" {
			request.Header.Set("Authorization", c.header)
		}
		a, err := s.send(request)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := a.json["error"].(string)
		if a.status != 200 || got != c.authTest || a.json["ok"] != (c.authTest == "") {
			t.Errorf("auth.test with %q: got %d %s, want error %q", c.header, a.status, a.body, c.authTest)
		}
	}
}

func TestAuthTestNamesTheInstaller(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Tokens: []slackemulator.Token{{Value: "xoxp-a", Role: slackemulator.RoleAdmin, Scopes: []string{"admin", "users:read"}}}})
	s.token = "xoxp-a"
	a := s.do("POST", "/api/auth.test", nil)
	installer, _ := s.User("installer.admin")
	equal(t, "user_id", a.json["user_id"], installer.ID)
	equal(t, "team_id", a.json["team_id"], "T0EMULATED")
	equal(t, "enterprise_id", a.json["enterprise_id"], nil)
	equal(t, "scopes", a.header.Get("X-OAuth-Scopes"), "admin,users:read")

	form := url.Values{"token": {"xoxp-a"}}
	request, _ := http.NewRequestWithContext(t.Context(), "POST", s.url+"/api/auth.test", strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	byForm, err := s.send(request)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "by form", byForm.json["user_id"], installer.ID)

	// Deactivating the installer kills the token.
	if _, err := s.ChangeUser(installer.ID, func(u *slackemulator.User) { u.Active = false }); err != nil {
		t.Fatal(err)
	}
	equal(t, "auth.test", s.do("POST", "/api/auth.test", nil).json["error"], "account_inactive")
	s.do("GET", "/scim/v2/Users", nil).want(401, "invalid_authentication")
}

func TestRevokedToken(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	equal(t, "revoked", s.do("POST", "/api/auth.revoke", nil).json["revoked"], true)
	equal(t, "auth.test", s.do("POST", "/api/auth.test", nil).json["error"], "token_revoked")
	s.do("GET", "/scim/v2/Users", nil).want(401, "invalid_authentication")
	equal(t, "other method", s.do("POST", "/api/chat.update", nil).json["error"], "unknown_method")
}

func TestConfigNeedsNoToken(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	for _, token := range []string{"", "dummy", slackemulator.DefaultToken} {
		s.token = token
		for _, path := range []string{"/scim/v1/ServiceProviderConfigs", "/scim/v2/ServiceProviderConfigs", "/scim/v2/ServiceProviderConfig", "/scim/v2/ServiceProviderConfig/"} {
			a := s.do("GET", path, nil).want(200, "")
			equal(t, "patch", a.at("patch", "supported"), true)
			for _, feature := range []string{"filter", "sort", "etag", "bulk", "changePassword", "xmlDataFormat"} {
				equal(t, feature, a.at(feature, "supported"), false)
			}
			equal(t, "schemas", a.json["schemas"], nil)
			if a.at("authenticationSchemes", 0, "specUrl") == nil {
				t.Errorf("%s: no specUrl: %s", path, a.body)
			}
		}
	}
	s.do("GET", "/scim/v1/ServiceProviderConfig", nil).want(404, "bad_endpoint")
}

func TestRouting(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	cases := []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/scim/v3/Users", 400, "unsupported_version"},
		{"GET", "/scim/v2/Nonsense", 404, "bad_endpoint"},
		{"GET", "/scim/v2", 404, "bad_endpoint"},
		{"GET", "/scim/v2/Users/U1/more", 404, "bad_endpoint"},
		{"POST", "/scim/v2/Bulk", 404, "bad_endpoint"},
		{"GET", "/scim/v2/Me", 404, "bad_endpoint"},
		{"GET", "/scim/v1/ResourceTypes", 404, "bad_endpoint"},
		{"OPTIONS", "/scim/v2/Users", 405, "method_not_allowed"},
		{"OPTIONS", "/scim/v2/Users/U1", 405, "method_not_allowed"},
		{"PUT", "/scim/v2/Users", 400, "missing_user_id"},
		{"DELETE", "/scim/v1/Groups", 400, "missing_group_id"},
		{"GET", "/scim/v2/Users/U1", 404, "no_such_user"},
		{"DELETE", "/scim/v2/Users/U1", 404, "no_such_user"},
		{"GET", "/scim/v1/Groups/S1", 404, "no_such_group"},
		{"GET", "/scim/v2/Users/", 200, ""},
		{"GET", "/scim/v1/Groups/", 200, ""},
		{"GET", "/scim/v1/Schemas/Users", 200, ""},
		{"GET", "/scim/v1/Schemas/Groups", 200, ""},
		{"GET", "/scim/v2/Schemas/Users", 200, ""},
		{"GET", "/scim/v2/Schemas", 200, ""},
	}
	for _, c := range cases {
		a := s.do(c.method, c.path, nil).want(c.status, c.code)
		if got := a.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
			t.Errorf("%s %s: content type %q", c.method, c.path, got)
		}
	}
	types := s.do("GET", "/scim/v2/ResourceTypes", nil).want(200, "")
	equal(t, "totalResults", types.json["totalResults"], nil)
	equal(t, "extensions", len(types.at("Resources", 0, "schemaExtensions").(l)), 4)
	equal(t, "id", types.at("Resources", 1, "id"), "Group")
}

func TestRoleTooLow(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Tokens: []slackemulator.Token{
		{Value: "xoxp-admin", Role: slackemulator.RoleAdmin}, {Value: "xoxp-owner", Role: slackemulator.RoleOwner},
	}})
	owner, _ := s.User("installer.owner")
	admin, _ := s.User("installer.admin")
	title := ops(op("replace", "title", "Boss"))
	s.token = "xoxp-admin"
	s.do("PATCH", "/scim/v2/Users/"+admin.ID, title).want(200, "")
	s.do("PATCH", "/scim/v2/Users/"+owner.ID, title).want(403, "permission_denied")
	s.do("DELETE", "/scim/v2/Users/"+owner.ID, nil).want(403, "permission_denied")
	s.token = "xoxp-owner"
	s.do("PATCH", "/scim/v2/Users/"+owner.ID, title).want(200, "")
	s.do("PATCH", "/scim/v2/Users/"+admin.ID, title).want(200, "")
	s.ChangePolicies(func(p *slackemulator.Policies) { p.Statuses = map[string]int{"permission_denied": 400} })
	s.token = "xoxp-admin"
	s.do("PATCH", "/scim/v2/Users/"+owner.ID, title).want(400, "permission_denied")
}
