package slackemulator_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/muster-id/muster/internal/slackemulator"
)

func TestParseToken(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text string
		want slackemulator.Token
		bad  bool
	}{
		{"xoxp-1", slackemulator.Token{Value: "xoxp-1"}, false},
		{"xoxp-1,scopes=admin+users:read,role=admin,install=workspace,plan=pro", slackemulator.Token{
			Value: "xoxp-1", Scopes: []string{"admin", "users:read"}, Role: slackemulator.RoleAdmin, Workspace: true, Plan: slackemulator.PlanPro,
		}, false},
		{"xoxp-1,install=org", slackemulator.Token{Value: "xoxp-1"}, false},
		{"", slackemulator.Token{}, true},
		{"xoxp-1,role=king", slackemulator.Token{}, true},
		{"xoxp-1,install=nowhere", slackemulator.Token{}, true},
		{"xoxp-1,colour=red", slackemulator.Token{}, true},
	}
	for _, c := range cases {
		got, err := slackemulator.ParseToken(c.text)
		if (err != nil) != c.bad {
			t.Errorf("%q: error %v", c.text, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", c.text, diff)
		}
	}
}

func TestStateAndRequests(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Name: "Acme", TimeScale: 60})
	ada := s.add("ada", m{"password": "hush-hush"})
	s.group("Team", ada)
	s.do("GET", "/scim/v2/Users/"+ada, nil).want(200, "")
	s.do("GET", "/scim/v2/Users/U404?token=in-the-query", nil).want(404, "no_such_user")
	s.form("/api/auth.test", url.Values{"token": {s.token}})
	s.form("/api/oauth.v2.access", access(url.Values{"code": {"secret-code"}}))

	state := s.do("GET", "/_emulator/state", nil).want(200, "")
	equal(t, "name", state.at("workspace", "name"), "Acme")
	equal(t, "scale", state.at("workspace", "time_scale"), 60)
	equal(t, "people", len(state.json["people"].(l)), 3)
	equal(t, "groups of a person", state.at("people", 2, "groups", 0), state.at("groups", 0, "id"))
	equal(t, "members", state.at("groups", 0, "members"), l{ada})
	want := m{"POST /scim/v2/Users": 1, "POST /scim/v2/Groups": 1, "GET /scim/v2/Users/{id}": 2, "POST /api/auth.test": 1, "POST /api/oauth.v2.access": 1}
	equal(t, "counts", state.json["requests"], want)
	equal(t, "in Go", s.Requests(), want)

	log := s.do("GET", "/_emulator/requests", nil).want(200, "")
	equal(t, "newest first", log.at("requests", 0, "path"), "/api/oauth.v2.access")
	equal(t, "code", log.at("requests", 2, "code"), "no_such_user")
	for _, secret := range []string{s.token, "hush-hush", "secret-code", slackemulator.DefaultClientSecret} {
		if strings.Contains(log.body, secret) || strings.Contains(state.body, secret) {
			t.Errorf("%q is in the log or the state", secret)
		}
	}
	s.do("DELETE", "/_emulator/requests", nil).want(200, "")
	equal(t, "emptied", len(s.Requests())+len(s.Log()), 0)
	s.do("POST", "/_emulator/reset", nil).want(200, "")
	equal(t, "reset", len(s.Users()), 2)
	s.do("GET", "/scim/v2/Users", nil).want(200, "")
}

func TestLogKeepsTheLastThousand(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	for i := range 1005 {
		s.do("GET", fmt.Sprintf("/scim/v2/Users/U%d", i), nil)
	}
	log := s.Log()
	equal(t, "length", len(log), 1000)
	equal(t, "newest", log[0].Path, "/scim/v2/Users/U1004")
	equal(t, "oldest", log[999].Path, "/scim/v2/Users/U5")
}

func TestPeopleChangeInSlack(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	made := s.do("POST", "/_emulator/people", m{"user_name": "Eve", "email": "eve@example.org", "title": "Stranger"}).want(200, "").id()
	a := s.do("GET", "/scim/v2/Users/"+made, nil).want(200, "")
	equal(t, "made", a.json["userName"], "eve")
	equal(t, "active", a.json["active"], true)

	s.do("PATCH", "/_emulator/people/eve@example.org", m{"title": "Drifted", "profile": m{"department": "R&D"}}).want(200, "")
	s.do("PATCH", "/_emulator/people/eve", m{"profile": m{"division": "East"}, "id": "U1", "role": "admin"}).want(200, "")
	u, _ := s.User(made)
	equal(t, "merged", *u.Profile, slackemulator.Profile{Department: "R&D", Division: "East"})
	equal(t, "role", u.Role, "admin")
	s.do("PATCH", "/_emulator/people/"+made, m{"active": false}).want(200, "")
	equal(t, "deactivated", s.do("GET", "/scim/v2/Users/"+made, nil).json["active"], false)
	s.do("PATCH", "/_emulator/people/"+made, m{"user_name": "eve2"}).want(200, "")
	equal(t, "renamed", s.do("GET", "/scim/v2/Users?filter=userName%20eq%20eve2", nil).json["totalResults"], 1)
	equal(t, "old name", s.do("GET", "/scim/v2/Users?filter=userName%20eq%20eve", nil).json["totalResults"], 0)

	team := s.do("POST", "/_emulator/groups", m{"display_name": "Team", "members": l{"eve2"}}).want(200, "").id()
	s.do("PATCH", "/_emulator/groups/Team", m{"members": l{}, "display_name": "Crew"}).want(200, "")
	equal(t, "group", s.do("GET", "/scim/v2/Groups/"+team, nil).json["members"], l{})
	s.do("DELETE", "/_emulator/groups/Crew", nil).want(200, "")
	s.do("GET", "/scim/v2/Groups/"+team, nil).want(404, "no_such_group")
	s.do("PATCH", "/_emulator/people/"+made, m{"active": true}).want(200, "")
	s.group("Last", made)
	s.do("DELETE", "/_emulator/people/"+made, nil).want(200, "")
	s.do("GET", "/scim/v2/Users/"+made, nil).want(404, "no_such_user")
	g, _ := s.Group("Last")
	equal(t, "left", g.Members, []string{})

	s.do("POST", "/_emulator/channels", m{"name": "Marketing"}).want(200, "")
	s.do("POST", "/scim/v2/Users", person("marketing", nil)).want(400, "username_taken")
	s.do("POST", "/_emulator/tokens", m{"value": "xoxp-new", "scopes": l{"users:read"}}).want(200, "")
	s.token = "xoxp-new"
	equal(t, "auth.test", s.do("POST", "/api/auth.test", nil).json["ok"], true)
	s.do("GET", "/scim/v2/Users", nil).want(401, "invalid_authentication")
	equal(t, "revoked", s.do("DELETE", "/_emulator/tokens?value=xoxp-new", nil).json["revoked"], true)
	equal(t, "auth.test", s.do("POST", "/api/auth.test", nil).json["error"], "token_revoked")

	for _, bad := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/_emulator/people", m{"user_name": "x"}},
		{"POST", "/_emulator/people", m{"user_name": "slackbot", "email": "x@example.org"}},
		{"POST", "/_emulator/people", m{"user_name": "x", "email": "x@example.org", "role": "king"}},
		{"POST", "/_emulator/people", m{"userName": "x", "email": "x@example.org"}},
		{"PATCH", "/_emulator/people/nobody", m{"active": false}},
		{"PATCH", "/_emulator/people/slackbot", m{"active": "no"}},
		{"PATCH", "/_emulator/people/slackbot", m{"user_name": ""}},
		{"DELETE", "/_emulator/people/nobody", nil},
		{"POST", "/_emulator/groups", m{"display_name": ""}},
		{"POST", "/_emulator/groups", m{"display_name": "x", "members": l{"nobody"}}},
		{"POST", "/_emulator/groups", m{"display_name": "last"}},
		{"PATCH", "/_emulator/groups/none", m{}},
		{"DELETE", "/_emulator/groups/none", nil},
		{"POST", "/_emulator/faults", m{"name": "nonsense"}},
		{"POST", "/_emulator/faults", m{"fault": "latency=soon"}},
		{"PATCH", "/_emulator/policies", m{"display_names": "mine"}},
		{"PATCH", "/_emulator/policies", m{"plan": "gold"}},
		{"PATCH", "/_emulator/policies", m{"group_delay": "soon"}},
		{"PATCH", "/_emulator/policies", m{"statuses": m{"email_taken": 200}}},
		{"PATCH", "/_emulator/policies", m{"nonsense": true}},
		{"PUT", "/_emulator/limits", m{}},
		{"POST", "/_emulator/channels", m{}},
		{"POST", "/_emulator/tokens", m{}},
		{"POST", "/_emulator/people", "not JSON"},
	} {
		if a := s.do(bad.method, bad.path, bad.body); a.status != 400 || a.json["error"] == nil {
			t.Errorf("%s %s %v: %d %s", bad.method, bad.path, bad.body, a.status, a.body)
		}
	}
}

func TestSwitchesOverHTTP(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	a := s.do("PATCH", "/_emulator/policies", m{"display_names": "managed", "group_delay": "1.5s", "statuses": m{"no_such_user": 410}}).want(200, "")
	equal(t, "delay", a.json["group_delay"], "1.5s")
	s.do("GET", "/scim/v2/Users/U404", nil).want(410, "no_such_user")
	equal(t, "kept", s.do("GET", "/_emulator/policies", nil).json["display_names"], "managed")

	added := s.do("POST", "/_emulator/faults", m{"fault": "html-502,count=2"}).want(200, "")
	equal(t, "active", added.at("active", 0, "count"), 2)
	s.do("POST", "/_emulator/faults", m{"name": "server-error", "method": "PUT"}).want(200, "")
	s.do("GET", "/scim/v2/Users", nil).want(502, "")
	left := s.do("DELETE", "/_emulator/faults?name=server-error", nil)
	equal(t, "left", len(left.json["active"].(l)), 1)
	equal(t, "known", len(left.json["known"].(l)), len(slackemulator.FaultNames()))
	s.do("DELETE", "/_emulator/faults", nil)
	s.do("GET", "/scim/v2/Users", nil).want(200, "")

	equal(t, "limits", s.do("PUT", "/_emulator/limits", m{"on": true}).json["on"], true)
	s.do("GET", "/scim/v2/Users/U1", nil)
	limits := s.do("GET", "/_emulator/limits", nil)
	found := false
	for _, row := range limits.json["limits"].(l) {
		if walk(row, "name") == "get user" {
			found = true
			if left := walk(row, "left").(float64); left < 299 || left >= 300 {
				t.Errorf("left %v", left)
			}
		}
	}
	if !found {
		t.Errorf("no row: %s", limits.body)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Name: `<b>Acme</b>`})
	id := s.add("eve", m{"title": `<script>alert(1)</script>`, "displayName": `"><img src=x>`, enterpriseV2: m{"department": "<i>R</i>", "manager": m{"managerId": "slackbot"}}})
	s.group("<u>Team</u>", id)
	for i := range 150 {
		if _, err := s.AddUser(slackemulator.User{UserName: fmt.Sprintf("p%d", i), Email: fmt.Sprintf("p%d@example.org", i)}); err != nil {
			t.Fatal(err)
		}
	}
	s.inject("latency=0s,path=/nowhere")
	for _, path := range []string{"/_emulator/", "/_emulator/?q=eve", "/_emulator/?page=2", "/_emulator/?page=99&q=p1", "/_emulator/people/" + id} {
		a := s.do("GET", path, nil)
		if a.status != 200 {
			t.Fatalf("%s: %d", path, a.status)
		}
		for _, raw := range []string{"<script", "<img", "<b>Acme", "<u>Team", "<i>R", "http://", "https://", "ZgotmplZ"} {
			if strings.Contains(a.body, raw) {
				t.Errorf("%s has %q", path, raw)
			}
		}
		if policy := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
	first, second := s.do("GET", "/_emulator/", nil).body, s.do("GET", "/_emulator/?page=2", nil).body
	for text, want := range map[string][2]bool{">eve<": {true, false}, ">p149<": {false, true}, "page 1 of 2": {true, false}, "&lt;u&gt;Team": {true, true}, "latency": {true, true}} {
		if got := [2]bool{strings.Contains(first, text), strings.Contains(second, text)}; got != want {
			t.Errorf("%q on pages 1 and 2: %v, want %v", text, got, want)
		}
	}
	if css := s.do("GET", "/_emulator/style.css", nil); css.status != 200 || !strings.HasPrefix(css.header.Get("Content-Type"), "text/css") {
		t.Errorf("style: %d", css.status)
	}
	if a := s.do("GET", "/_emulator/people/nobody", nil); a.status != 404 {
		t.Errorf("nobody: %d", a.status)
	}
	if a := s.do("GET", "/", nil); a.status != 302 {
		t.Errorf("/: %d", a.status)
	}
	if a := s.do("GET", "/nowhere", nil); a.status != 404 {
		t.Errorf("/nowhere: %d", a.status)
	}
}

func TestPersonForm(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	id := s.add("eve", nil)
	path := "/_emulator/people/" + id
	submit := func(do string, more url.Values) answer {
		values := url.Values{"do": {do}, "user_name": {"eve"}, "display_name": {"Eve"}, "email": {"eve@example.org"}, "role": {"member"}}
		for name, v := range more {
			values[name] = v
		}
		return s.form(path, values)
	}
	if a := submit("save", url.Values{"title": {"Drifted"}, "role": {"admin"}}); a.status != 303 || a.header.Get("Location") != path {
		t.Errorf("save: %d %s", a.status, a.header.Get("Location"))
	}
	u, _ := s.User(id)
	equal(t, "title", u.Title, "Drifted")
	equal(t, "role", u.Role, "admin")
	submit("deactivate", nil)
	u, _ = s.User(id)
	equal(t, "active", u.Active, false)
	submit("activate", nil)
	u, _ = s.User(id)
	equal(t, "active", u.Active, true)
	if a := submit("save", url.Values{"user_name": {"slackbot"}}); a.status != 400 || !strings.Contains(a.body, "is taken by") {
		t.Errorf("taken: %d %s", a.status, a.body)
	}
	if a := submit("explode", nil); a.status != 400 {
		t.Errorf("explode: %d", a.status)
	}
	// A page of another site cannot do it.
	request, _ := http.NewRequestWithContext(t.Context(), "POST", s.url+path, strings.NewReader("do=delete"))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	if a, err := s.send(request); err != nil || a.status != 403 {
		t.Errorf("cross-site: %d %v", a.status, err)
	}
	if a := submit("delete", nil); a.status != 303 || a.header.Get("Location") != "/_emulator/" {
		t.Errorf("delete: %d", a.status)
	}
	if _, ok := s.User(id); ok {
		t.Error("still there")
	}
}

// TestManyAtOnce lets clients, people and readers loose on one workspace; run with -race it finds
// unguarded state, and at the end the indices must agree with the people.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	team := s.group("Team")
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 10 {
				name := fmt.Sprintf("w%d-%d", worker, i)
				a, err := s.try("POST", "/scim/v2/Users", person(name, nil))
				if err != nil || a.status != 201 {
					t.Errorf("%v %d %s", err, a.status, a.body)
					return
				}
				id, _ := a.json["id"].(string)
				for _, step := range []struct {
					method, path string
					body         any
				}{
					{"PATCH", "/scim/v2/Groups/" + team, ops(op("add", "members", refs(id)))}, // may meet the lock
					{"PATCH", "/scim/v1/Users/" + id, m{"schemas": l{coreV1}, "userName": name + "x"}},
					{"GET", "/scim/v2/Users?count=1000", nil},
					{"GET", "/_emulator/state", nil},
					{"GET", "/_emulator/", nil},
					{"PATCH", "/_emulator/policies", m{"display_names": "managed"}},
					{"DELETE", "/scim/v2/Users/" + id, nil},
				} {
					a, err := s.try(step.method, step.path, step.body)
					if err != nil || a.status >= 400 && a.status != 429 {
						t.Errorf("%s %s: %v %d %s", step.method, step.path, err, a.status, a.body)
					}
				}
				// The same name at the same time: one wins.
				_, _ = s.try("POST", "/scim/v2/Users", person(fmt.Sprintf("same-%d", i), nil))
			}
		})
	}
	wg.Wait()
	names := map[string]bool{}
	for _, u := range s.Users() {
		if names[u.UserName] {
			t.Errorf("%s twice", u.UserName)
		}
		names[u.UserName] = true
		if found, ok := s.User(u.Email); !ok || found.ID != u.ID {
			t.Errorf("%s is not found by e-mail address", u.UserName)
		}
		a := s.do("GET", "/scim/v2/Users?filter="+url.QueryEscape(`userName eq "`+u.UserName+`"`), nil)
		equal(t, u.UserName, a.at("Resources", 0, "id"), u.ID)
	}
	equal(t, "people", len(names), 2+8*10+10)
}
