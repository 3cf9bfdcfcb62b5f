package slack

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

func TestBind(t *testing.T) {
	t.Parallel()
	const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"
	for _, c := range []struct {
		name  string
		paths []string
		want  map[string][]slot
	}{
		{
			"as Entra calls them",
			[]string{
				"userName", `emails[type eq "work"].value`, `phoneNumbers[type eq "mobile"].value`, `phoneNumbers[type eq "work"].value`,
				`addresses[type eq "untyped"].country`, `roles[primary eq "True"].value`, `photos[type eq "photo"].value`,
				"urn:scim:schemas:extension:enterprise:1.0.department", "urn:scim:schemas:extension:enterprise:1.0.manager",
			},
			map[string][]slot{
				"userName": {slotUserName}, `emails[type eq "work"].value`: {slotEmail}, `phoneNumbers[type eq "mobile"].value`: {slotPhone},
				`phoneNumbers[type eq "work"].value`: {slotMobile}, `addresses[type eq "untyped"].country`: {"addresses:country"},
				`roles[primary eq "True"].value`: {slotRole}, `photos[type eq "photo"].value`: {slotPhoto},
				"urn:scim:schemas:extension:enterprise:1.0:department": {"enterprise:department"}, "urn:scim:schemas:extension:enterprise:1.0:manager": {slotManager},
			},
		},
		{
			"two addresses",
			[]string{`emails[type eq "home"].value`, `emails[type eq "work"].value`},
			map[string][]slot{`emails[type eq "work"].value`: {slotEmail}, `emails[type eq "home"].value`: {slotEmail2}},
		},
		{
			"marked goes before typed",
			[]string{`emails[type eq "work"].value`, "emails[primary eq true].value"},
			map[string][]slot{"emails[primary eq true].value": {slotEmail}, `emails[type eq "work"].value`: {slotEmail2}},
		},
		{"the only address is the primary", []string{`emails[type eq "other"].value`}, map[string][]slot{`emails[type eq "other"].value`: {slotEmail}}},
		{
			"a secondary one stays it",
			[]string{"emails[primary eq false].value", `emails[type eq "other"].value`},
			map[string][]slot{"emails[primary eq false].value": {slotEmail2}, `emails[type eq "other"].value`: {slotEmail}},
		},
		{
			"a third has no place",
			[]string{`emails[type eq "a"].value`, `emails[type eq "b"].value`, `emails[type eq "c"].value`},
			map[string][]slot{`emails[type eq "a"].value`: {slotEmail}, `emails[type eq "b"].value`: {slotEmail2}},
		},
		{
			"whole lists",
			[]string{"emails", "phoneNumbers", "addresses"},
			map[string][]slot{"emails": {slotEmail, slotEmail2}, "phoneNumbers": {slotPhone, slotMobile}, "addresses": inList("addresses")},
		},
		{
			"a list takes what is left",
			[]string{"emails", `emails[type eq "work"].value`},
			map[string][]slot{"emails": {slotEmail2}, `emails[type eq "work"].value`: {slotEmail}},
		},
		{"manager by any name", []string{ent + "manager.value"}, map[string][]slot{ent + "manager.value": {slotManager}}},
		{"twice the manager", []string{ent + "manager.value", ent + "manager.managerId"}, map[string][]slot{ent + "manager.managerId": {slotManager}}},
		{
			"nothing of Slack's",
			[]string{
				"externalId", "nickName", "password", "active", "entitlements", "name.middleName", "name.formatted", "emails.type",
				`emails[type eq "work"].display`, ent + "manager.displayName", ent + "room", "urn:example:User:x", "groups", "not a path", "addresses.type", "members",
			},
			map[string][]slot{},
		},
		{"names are case-blind", []string{"USERNAME", "Name.GivenName"}, map[string][]slot{"USERNAME": {slotUserName}, "Name.GivenName": {"name.givenName"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for range 2 { // whatever the order
				got := map[string][]slot{}
				for _, b := range bind(c.paths) {
					got[b.path] = b.slots
				}
				if len(got) != len(c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
				for path, want := range c.want {
					if !slices.Equal(got[path], want) {
						t.Errorf("%s takes %v, want %v", path, got[path], want)
					}
				}
				slices.Reverse(c.paths)
			}
		})
	}
}

// TestWholeLists sends and shows whole multi-valued attributes, by Slack's own choice of entries.
func TestWholeLists(t *testing.T) {
	t.Parallel()
	c := offline(t, "emails", "phoneNumbers", "addresses", "roles")
	entry := func(pairs ...any) any {
		m := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	shaped := c.Shape(directory.KindUser, "", attr.Set{
		"emails":       []any{entry("value", "h@example.org", "type", "home"), entry("value", "w@example.org", "type", "work"), entry("value", "x@example.org")},
		"phoneNumbers": []any{entry("value", "1", "type", "work"), entry("value", "2", "type", "mobile")},
		"addresses":    []any{entry("country", "FR"), entry("country", "GB", "primary", true, "type", "work")},
		"roles":        []any{"a", entry("value", "b", "primary", true)},
	})
	want := attr.Set{
		"emails":       []any{entry("value", "w@example.org", "primary", true), entry("value", "h@example.org", "primary", false)},
		"phoneNumbers": []any{entry("value", "2", "primary", true), entry("value", "1", "primary", false)},
		"addresses":    []any{entry("country", "GB")},
		"roles":        "b",
	}
	if diff := attr.Diff(shaped, want); len(diff) > 0 {
		t.Errorf("%+v", diff)
	}
	again := c.Shape(directory.KindUser, "", shaped)
	if diff := attr.Diff(shaped, again); len(diff) > 0 {
		t.Errorf("shaped again: %+v", diff)
	}
	// What Slack answers to that is the same.
	a := c.account(directory.KindUser, map[string]any{
		"id": "U1", "emails": want["emails"], "phoneNumbers": []any{entry("value", "1", "type", "mobile"), entry("value", "2", "primary", true)},
		"addresses": []any{entry("country", "GB", "region", nil)}, "roles": []any{entry("value", "b", "primary", true)},
	})
	if diff := attr.Diff(a.Values, shaped); len(diff) > 0 {
		t.Errorf("%+v", diff)
	}
}

func offline(t testing.TB, users ...string) *Connector {
	t.Helper()
	c, err := New(Options{Connection: provision.Connection{Endpoint: "https://api.slack.com/scim/v2/"}, Token: "xoxp-1", Users: users, Groups: []string{"displayName"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWebAPIOf: the token goes to Slack's Web API by itself only beside Slack's own endpoint.
func TestWebAPIOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ endpoint, webAPI, want string }{
		{"https://api.slack.com/scim/v2/", "", "https://slack.com/api/"},
		{"https://api.slack.com/scim/v1", "", "https://slack.com/api/"},
		{"https://api.slack-gov.com/scim/v1/", "", ""},
		{"https://proxy.example.org/scim/v2/", "", ""},
		{"http://api.slack.com/scim/v2/", "", ""},
		{"https://api.slack.com:8443/scim/v2/", "", ""},
		{"https://api.slack.com.example.org/scim/v2/", "", ""},
		{"https://proxy.example.org/scim/v2/", "https://proxy.example.org/api/", "https://proxy.example.org/api/"},
	} {
		if got := webAPIOf(provision.Connection{Endpoint: c.endpoint, WebAPI: c.webAPI}); got != c.want {
			t.Errorf("%s, %q: %q", c.endpoint, c.webAPI, got)
		}
	}
}

func TestDialectOf(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"https://api.slack.com/scim/v2/": version2.user, "https://api.slack.com/scim/v2": version2.user, "https://proxy.example.org/slack/": version2.user,
		"https://api.slack.com/scim/v1/": version1.user, "https://api.slack.com/scim/v1": version1.user, "https://api.slack-gov.com/SCIM/V1/": version1.user,
	} {
		if got := dialectOf(endpoint).user; got != want {
			t.Errorf("%s speaks %s", endpoint, got)
		}
	}
}

func TestParseQuirks(t *testing.T) {
	t.Parallel()
	q, err := ParseQuirks(json.RawMessage(`{"settle":"3s","users_page":500}`), map[string]string{"member_batch": "100", "settle": "4s"})
	if err != nil || q.Settle != provision.Duration(4e9) || q.UsersPage != 500 || q.GroupsPage != 200 || q.MemberBatch != 100 {
		t.Errorf("%+v, %v", q, err)
	}
	for _, bad := range []struct {
		template string
		options  map[string]string
	}{
		{`{"colour":"red"}`, nil},
		{`{"users_page":2000}`, nil},
		{"", map[string]string{"colour": "red"}},
		{"", map[string]string{"member_batch": "many"}},
		{"", map[string]string{"member_batch": "0"}},
		{"", map[string]string{"settle": "soon"}},
		{`[]`, nil},
	} {
		if _, err := ParseQuirks(json.RawMessage(bad.template), bad.options); err == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

// FuzzAccount reads whatever JSON stands where a person or a group should be: an account has an id, and
// what it shows can be sent back as it is.
func FuzzAccount(f *testing.F) {
	for _, s := range []string{
		`{"id":"U1","userName":"ada","emails":[{"value":"a@example.org","primary":true}],"active":"False"}`,
		`{"id":"U1","phoneNumbers":[{"value":"1","type":"mobile"},{"value":"2","primary":true}],"addresses":[{"country":null}]}`,
		`{"id":"S1","displayName":"x","members":[{"value":"U1"},null,7,{"value":""}]}`,
		`{"id":"U1","emails":"a","roles":["x",{"value":1}],"name":[],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":"U2"}}`,
		`{"id":["U1"]}`, `[]`, `null`, `{"id":"U1","emails":[[[]]],"photos":{"value":{"value":true}}}`,
	} {
		f.Add([]byte(s))
	}
	c := offline(f, "userName", "displayName", "emails", "phoneNumbers", "addresses", "roles[primary eq true].value", "title", "name.givenName",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User:type")
	f.Fuzz(func(t *testing.T, b []byte) {
		var doc any
		if json.Unmarshal(b, &doc) != nil {
			return
		}
		for _, kind := range []directory.Kind{directory.KindUser, directory.KindGroup} {
			a := c.account(kind, doc)
			if a == nil {
				continue
			}
			if a.ID == "" {
				t.Fatal("an account without an id")
			}
			if kind == directory.KindGroup {
				if slices.Contains(a.Members, "") {
					t.Fatal("a member without an id")
				}
				continue
			}
			p := c.profileOf(a.Values)
			marshal(c.dialect.create(p))
			edits := attr.Diff(nil, a.Values)
			active := true
			for _, d := range []dialect{version1, version2} {
				marshal(d.patch(d, &active, c.changes(edits), p))
			}
		}
		c.page(directory.KindUser, &connector.Answer{Body: doc})
		refine(&connector.Error{}, doc)
	})
}
