package slack_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/slack"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/slackemulator"
)

// TestDiagnosis holds Test Connection to its codes, each with a next step.
func TestDiagnosis(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, token, fault string
		plan               slackemulator.Plan
		code               string
		says               string
	}{
		{"good", "xoxp-good", "", "", connector.DiagnosisOK, "lists"},
		{"unknown token", "xoxp-unknown", "", "", connector.DiagnosisToken, "invalid_auth"},
		{"no scope", "xoxp-scopeless,scopes=users:read", "", "", connector.DiagnosisScope, "admin"},
		{"no role", "xoxp-member,role=member", "", "", connector.DiagnosisRole, ""},
		{"plan", "xoxp-free,plan=free", "", "", connector.DiagnosisPlan, "plus_teams_only"},
		{"workspace of an organisation", "xoxp-team,install=workspace", "", slackemulator.PlanEnterprise, connector.DiagnosisToken, "organisation"},
		{"refused from now on", "xoxp-good", "unauthorized", "", connector.DiagnosisToken, "invalid_auth"},
		{"unsupported version", "xoxp-good", "unsupported-version", "", connector.DiagnosisEndpoint, "unsupported_version"},
		{"throttled", "xoxp-good", "rate-limited=30,count=always", "", connector.DiagnosisRateLimited, ""},
		{"web page", "xoxp-good", "html-200", "", connector.DiagnosisNotSCIM, "JSON"},
		{"JSON that is none of SCIM", "xoxp-good", "empty-object", "", connector.DiagnosisNotSCIM, ""},
		{"proxy fails", "xoxp-good", "html-502", "", connector.DiagnosisUnreachable, ""},
		{"redirect", "xoxp-good", "redirect", "", connector.DiagnosisEndpoint, ""},
		{"bot token", "xoxb-bot", "", "", connector.DiagnosisToken, "bot token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onEmulator(t, func(s *stage) {
				if c.fault == "unsupported-version" && strings.Contains(s.options.Connection.Endpoint, "/v1/") {
					return // a fault of version 2
				}
				token, err := slackemulator.ParseToken(c.token)
				if err != nil {
					t.Fatal(err)
				}
				if c.name != "unknown token" {
					s.em.AddToken(token)
				}
				if c.fault != "" {
					f, err := slackemulator.ParseFault(c.fault)
					if err != nil {
						t.Fatal(err)
					}
					s.em.Inject(f)
				}
				d := s.with(token.Value).Test(t.Context())
				if d.Code != c.code || d.OK != (c.code == connector.DiagnosisOK) || !strings.Contains(d.Message, c.says) || d.Message == "" || d.Next == "" {
					t.Errorf("%+v", d)
				}
				if strings.Contains(d.Message+d.Next, token.Value) {
					t.Errorf("the token is in %+v", d)
				}
				for _, r := range s.em.Log() {
					if r.Method != http.MethodGet && r.Path != "/api/auth.test" || strings.Contains(r.Path, "ServiceProviderConfig") {
						t.Errorf("%s %s was sent", r.Method, r.Path)
					}
				}
			}, func(o *slackemulator.Options, _ *slack.Options) { o.Plan = c.plan })
		})
	}
}

func TestDiagnosisOfWrongAddresses(t *testing.T) {
	t.Parallel()
	em := httptest.NewServer(slackemulator.New(slackemulator.Options{}))
	t.Cleanup(em.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	for endpoint, want := range map[string]string{
		em.URL + "/scim/v9/":                        connector.DiagnosisEndpoint,
		em.URL + "/nothing/":                        connector.DiagnosisEndpoint,
		closed.URL + "/scim/v2/":                    connector.DiagnosisUnreachable,
		"https://nobody.invalid/scim/v2/":           connector.DiagnosisUnreachable,
		strings.Replace(em.URL, "http", "https", 1): connector.DiagnosisTLS,
		secure(t).URL + "/scim/v2/":                 connector.DiagnosisTLS,
	} {
		c, err := slack.New(slack.Options{Connection: provision.Connection{Endpoint: endpoint}, Token: slackemulator.DefaultToken})
		if err != nil {
			t.Fatal(err)
		}
		if d := c.Test(t.Context()); d.Code != want || d.OK || d.Next == "" {
			t.Errorf("%s: %+v", endpoint, d)
		}
	}
}

func secure(t *testing.T) *httptest.Server {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return s
}

// TestWhatAuthTestTells reads the answers of auth.test to a token that SCIM refuses.
func TestWhatAuthTestTells(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, answer, scopes string
		status               int
		code                 string
	}{
		{"bad", `{"ok":false,"error":"token_revoked"}`, "", 200, connector.DiagnosisToken},
		{"a bot's", `{"ok":true,"user_id":"U1","bot_id":"B1"}`, "", 200, connector.DiagnosisToken},
		{"scopes unknown", `{"ok":true,"user_id":"U1"}`, "", 200, connector.DiagnosisScope},
		{"without admin", `{"ok":true,"user_id":"U1"}`, "identify,users:read, admin.users:write", 200, connector.DiagnosisScope},
		{"with admin", `{"ok":true,"user_id":"U1"}`, "identify, admin", 200, connector.DiagnosisRole},
		{"web page", `<html>`, "", 200, connector.DiagnosisToken},
		{"down", `{}`, "", 503, connector.DiagnosisToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/scim/") {
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = io.WriteString(w, `{"Errors":{"description":"invalid_authentication","code":401}}`)
					return
				}
				if r.Method != http.MethodPost || r.URL.Path != "/api/auth.test" || r.Header.Get("Authorization") != "Bearer "+wireToken {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				if c.scopes != "" {
					w.Header().Set("X-OAuth-Scopes", c.scopes)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			}))
			t.Cleanup(server.Close)
			s, err := slack.New(slack.Options{Connection: provision.Connection{Endpoint: server.URL + "/scim/v2/", WebAPI: server.URL + "/api"}, Token: wireToken})
			if err != nil {
				t.Fatal(err)
			}
			d := s.Test(t.Context())
			if d.Code != c.code || d.OK || d.Message == "" || d.Next == "" {
				t.Errorf("%+v", d)
			}
			if c.name == "down" && (!strings.Contains(d.Message, "scope") || !strings.Contains(d.Message, "administrator")) {
				t.Errorf("what cannot be told apart is not named: %s", d.Message)
			}
		})
	}
}

// TestTokenStaysHome: tokens of the wrong kind are sent nowhere, and no token goes to a host that was not
// named.
func TestTokenStaysHome(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked.Add(1) }))
	t.Cleanup(server.Close)
	for _, token := range []string{"xoxb-1", "xoxe.xoxb-1", "xapp-1", "xoxe-1", "", " "} {
		if slack.CheckToken(token) == nil {
			t.Errorf("%q passes", token)
		}
		c, err := slack.New(slack.Options{Connection: provision.Connection{Endpoint: server.URL + "/scim/v2/", WebAPI: server.URL + "/api/"}, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		if d := c.Test(t.Context()); d.Code != connector.DiagnosisToken || d.Next == "" {
			t.Errorf("%q: %+v", token, d)
		}
		_, err = c.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: "U1"})
		if e, ok := err.(*connector.Error); !ok || e.Kind != connector.Unauthorised {
			t.Errorf("%q: %v", token, err)
		}
		for _, err := range c.Read(t.Context(), connector.Query{Kind: directory.KindUser}) {
			if err == nil {
				t.Errorf("%q reads", token)
			}
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	for _, token := range []string{"xoxp-1", "xoxe.xoxp-1", "anything"} {
		if err := slack.CheckToken(token); err != nil {
			t.Errorf("%s: %v", token, err)
		}
	}
	if _, err := slack.New(slack.Options{Connection: provision.Connection{Endpoint: server.URL + "/scim/v2/", WebAPI: "http://slack.example/api/"}, Token: "xoxp-1"}); err == nil || !strings.Contains(err.Error(), "web_api") {
		t.Errorf("a web_api in the clear: %v", err)
	}
}
