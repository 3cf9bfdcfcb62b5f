package slackemulator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`userName eq "ada"`, `(a eq 'b' or c pr) and d sw x`, `emails[type eq "work"].value co "@"`, `((((`, `a eq "\u00`, `not (a eq b)`, "a\teq\n1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseFilter(text)
		if err != nil {
			if _, ours := err.(*scimError); !ours || c != nil {
				t.Errorf("%q: %v, %v", text, c, err)
			}
			return
		}
		_ = c.check(userAttributes)
		_, _ = c.candidates(func(string, string) (string, bool) { return "U1", true })
		u := User{UserName: "ada", Email: "ada@example.org"}
		_ = c.holds(u.lookup)
	})
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"title", "name.givenName", `emails[value eq "a]b"].value`, enterpriseV2 + ":manager.managerId", enterpriseV1 + ".department", "a[b", "[]", guestV2,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, v := range []version{v1, v2} {
			p, err := parsePath(v, text)
			if err == nil && p.attr == "" {
				t.Errorf("%q: no attribute", text)
			}
		}
	})
}

func FuzzFault(f *testing.F) {
	for _, seed := range []string{"latency=20ms", "rate-limited=date:30,method=POST,count=always", "x,=", "hang,after=1,after=2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if fault, err := ParseFault(text); err == nil {
			New(Options{}).Inject(fault) // must not panic on what the parser lets through
		}
		_, _ = ParseToken(text)
	})
}

// FuzzWrite sends a body to one of the writing endpoints of a workspace with people in it. Whatever
// it is, the answer is one of Slack's, and the workspace still agrees with itself.
func FuzzWrite(f *testing.F) {
	methods := []string{http.MethodPost, http.MethodPut, http.MethodPatch}
	paths := []string{"/scim/v1/Users", "/scim/v2/Users", "/scim/v1/Groups", "/scim/v2/Groups"}
	for i, seed := range []string{
		`{"schemas":["x"],"userName":"Eve","emails":[{"value":"eve@example.org","primary":true}],"phoneNumbers":[{"type":"work","value":"1"}],"name":{"givenName":"E"}}`,
		`{"schemas":["x"],"displayName":"Crew","members":[{"value":"U019XTF1TV","operation":"delete"}],"meta":{"attributes":["members"]}}`,
		`{"schemas":["x"],"Operations":[{"op":"replace","path":"emails[type eq \"work\"].value","value":"x@example.org"},{"op":"add","value":{"title":"t"}}]}`,
		`{"schemas":["x"],"Operations":[{"op":"remove","path":"members[value eq U019XTF1TV]"},{"op":"replace","path":"members","value":["U019XTF1TW"]}]}`,
		`{"schemas":["x"],"meta":{"attributes":["title","urn:scim:schemas:extension:enterprise:1.0.department"]},"emails":[{"value":"ada@example.org","operation":"delete"}]}`,
		`{"schemas":["x"],"urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User":{"type":"multi"},"active":"False","roles":["x"],"addresses":{"country":"DE"},"photos":"https://p.example/x.png"}`,
		`{"schemas":["x"],"Operations":[{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":{"managerId":"bob"}}]}`,
	} {
		for method := range methods {
			f.Add(uint8(method), uint8(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, method, where uint8, body string) {
		e := New(Options{LimitsOff: true, Plan: PlanEnterprise, Clock: func() time.Time { return time.Unix(1_700_000_000, 0) }})
		for _, name := range []string{"ada", "bob"} {
			if _, err := e.AddUser(User{UserName: name, Email: name + "@example.org", Active: true}); err != nil {
				t.Fatal(err)
			}
		}
		g, err := e.AddGroup(Group{DisplayName: "Team", Members: []string{"ada"}})
		if err != nil {
			t.Fatal(err)
		}
		path, verb := paths[int(where)%len(paths)], methods[int(method)%len(methods)]
		if verb != http.MethodPost {
			ada, _ := e.User("ada")
			path += "/" + map[bool]string{true: ada.ID, false: g.ID}[strings.HasSuffix(path, "Users")]
		}
		r := httptest.NewRequest(verb, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+DefaultToken)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s %s: %d %s", verb, path, body, w.Code, w.Body)
		}
		if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("not JSON: %s", w.Body)
		}
		if strings.Contains(strings.ToLower(w.Body.String()), `"password"`) {
			t.Errorf("a password came back: %s", w.Body)
		}
		agrees(t, e.ws)
	})
}

// agrees checks that every index of the workspace says what its people and groups say.
func agrees(t *testing.T, ws *workspace) {
	t.Helper()
	addresses := 0
	for id, h := range ws.users {
		u := h.now
		if u.Email == "" || u.UserName == "" || len(u.UserName) > maxUserName || ws.byUserName[u.UserName] != id {
			t.Errorf("person %+v", u)
		}
		for _, address := range []string{u.Email, u.SecondEmail} {
			if address != "" {
				addresses++
				if ws.byEmail[strings.ToLower(address)] != id {
					t.Errorf("%s does not lead to %s", address, id)
				}
			}
		}
		for _, groupID := range ws.memberOf[id] {
			if !contains(ws.group(groupID).Members, id) {
				t.Errorf("%s is not in %s", id, groupID)
			}
		}
	}
	if len(ws.byUserName) != len(ws.users) || len(ws.byEmail) != addresses || len(ws.userOrder) != len(ws.users) {
		t.Errorf("indices of %d people: %d names, %d of %d addresses, %d in order", len(ws.users), len(ws.byUserName), len(ws.byEmail), addresses, len(ws.userOrder))
	}
	for id, h := range ws.groups {
		for _, member := range h.now.Members {
			if ws.users[member] == nil || !ws.isMember(member, id) {
				t.Errorf("member %s of %s", member, id)
			}
		}
		if ws.byGroup[strings.ToLower(h.now.DisplayName)] != id {
			t.Errorf("group %s is not found by name", id)
		}
	}
	if len(ws.byGroup) != len(ws.groups) {
		t.Errorf("%d groups, %d names", len(ws.groups), len(ws.byGroup))
	}
}

func contains(ids []string, id string) bool {
	for _, other := range ids {
		if other == id {
			return true
		}
	}
	return false
}
