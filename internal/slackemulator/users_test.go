package slackemulator_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/slackemulator"
)

func TestCreateRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Policies: slackemulator.Policies{ReservedNames: []string{"board"}}})
	s.AddChannel("marketing")
	taken := s.add("taken", nil)
	cases := []struct {
		name         string
		change       m
		codeV1, code string
	}{
		{"no schemas", m{"schemas": nil}, "missing_schema_element", "missing_schema_element"},
		{"empty schemas", m{"schemas": l{}}, "missing_schema_element", "missing_schema_element"},
		{"no userName", m{"userName": nil}, "username_empty", "username_empty"},
		{"no e-mail", m{"emails": l{}}, "email_empty", "email_empty"},
		{"userName of 22", m{"userName": strings.Repeat("a", 22)}, "long_username", "username_too_long"},
		{"local part of 22", m{"userName": strings.Repeat("a", 22) + "@example.org"}, "long_username", "username_too_long"},
		{"userName of a person", m{"userName": "TAKEN"}, "username_taken", "username_taken"},
		{"userName of a channel", m{"userName": "Marketing"}, "username_taken", "username_taken"},
		{"reserved word", m{"userName": "everyone"}, "username_not_allowed", "username_not_allowed"},
		{"reserved by policy", m{"userName": "board"}, "username_not_allowed", "username_not_allowed"},
		{"userName of signs", m{"userName": "???"}, "username_invalid", "username_invalid"},
		{"userName a list", m{"userName": l{"x"}}, "invalid_attribute_format", "invalid_attribute_format"},
		{"e-mail taken", m{"emails": l{m{"value": "TAKEN@example.org"}}}, "email_taken", "email_taken"},
		{"second e-mail taken", m{"emails": l{m{"value": "fresh@example.org"}, m{"value": "taken@example.org"}}}, "email_taken", "email_taken"},
		{"e-mail malformed", m{"emails": l{m{"value": "nobody"}}}, "bad_email_address", "bad_email_address"},
		{"emails a number", m{"emails": 5}, "emails_invalid", "emails_invalid"},
		{"blank name", m{"name": m{"givenName": " ", "familyName": ""}}, "invalid_name_required", "invalid_name_required"},
		{"@ in displayName", m{"displayName": "a@b"}, "invalid_name_specials", "invalid_name_specials"},
		{"leading @", m{"displayName": "@a"}, "invalid_starts_with_at", "invalid_starts_with_at"},
		{"displayName of 81", m{"displayName": strings.Repeat("é", 81)}, "invalid_name_maxlength", "invalid_name_maxlength"},
		{"emoji", m{"displayName": "party 🎉"}, "invalid_emoji_not_allowed", "invalid_emoji_not_allowed"},
		{"photo", m{"photos": l{m{"value": "not an address"}}}, "photos_invalid", "photos_invalid"},
		{"active", m{"active": "perhaps"}, "invalid_attribute_format", "invalid_attribute_format"},
		{"guest on Business+", m{guestV2: m{"type": "multi"}, guestV1: m{"type": "multi"}}, "invalid_request_payload", "invalid_request_payload"},
	}
	for _, c := range cases {
		body := person("newcomer", c.change)
		t.Run(c.name, func(t *testing.T) {
			a := s.do("POST", "/scim/v1/Users", body)
			a.t = t
			a.want(400, c.codeV1)
			equal(t, "v1 code", a.at("Errors", "code"), 400)
			if c.codeV1 == "email_taken" && !strings.HasSuffix(a.text(), "(user=newcomer)") {
				t.Errorf("v1 text %q does not end with the userName", a.text())
			}
			a = s.do("POST", "/scim/v2/Users", body)
			a.t = t
			a.want(400, c.code)
			equal(t, "v2 status is a number", a.json["status"], 400)
			equal(t, "v2 schemas", a.json["schemas"], l{"urn:ietf:params:scim:api:messages:2.0:Error"})
			if c.code == "email_taken" {
				found := regexp.MustCompile(`email_taken.*existing_user=(U[A-Z0-9]+)`).FindStringSubmatch(a.text())
				if found == nil || found[1] != taken {
					t.Errorf("%q does not name %s", a.text(), taken)
				}
			}
		})
	}
	if n := len(s.Users()); n != 3 {
		t.Errorf("%d people after refusals, want the owner, Slackbot and one", n)
	}
	for _, body := range []string{"", "null", "[]", "{", `{"schemas":["x"]} x`, strings.Repeat(`{"a":`, 20000)} {
		s.do("POST", "/scim/v2/Users", body).want(400, "invalid_request_payload")
	}
}

func TestCreateRefusalSwitches(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Policies: slackemulator.Policies{
		LongUserName: "username_too_long", HideExistingUser: true, StrictAttributes: true,
		Statuses: map[string]int{"email_taken": 409},
	}})
	s.add("ada", nil)
	s.do("POST", "/scim/v1/Users", person(strings.Repeat("a", 22), nil)).want(400, "username_too_long")
	a := s.do("POST", "/scim/v2/Users", person("eve", m{"emails": l{m{"value": "ada@example.org"}}})).want(409, "email_taken")
	equal(t, "text", a.text(), "email_taken")
	s.do("POST", "/scim/v2/Users", person("eve", m{"shoeSize": 44})).want(400, "invalid_request_payload")
	s.do("POST", "/scim/v2/Users", person("eve", m{"externalId": "x", "profileUrl": "https://x.example"})).want(201, "")
}

func TestCreateBareShape(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	a := s.do("POST", "/scim/v2/Users", person("Ada.Lovelace", m{
		"externalId": "42", "password": "hush", "profileUrl": "https://x.example", "title": "Countess",
	})).want(201, "")
	if strings.Contains(a.body, "hush") || strings.Contains(a.body, "password") {
		t.Error("the password came back")
	}
	if !regexp.MustCompile(`^U[A-Z0-9]{8,}$`).MatchString(a.id()) {
		t.Errorf("id %q", a.id())
	}
	for member, want := range (m{
		"externalId": "", "userName": "ada.lovelace", "nickName": "ada.lovelace", "displayName": "ada.lovelace",
		"title": "Countess", "timezone": "America/Los_Angeles", "active": true, "groups": l{},
		"profileUrl": "https://emulated.slack.com/team/ada.lovelace", "schemas": l{userV2},
		"name":   m{"givenName": "Ada.Lovelace", "familyName": "Example"},
		"emails": l{m{"value": "Ada.Lovelace@example.org", "primary": true}},
	}) {
		equal(t, member, a.json[member], want)
	}
	created, _ := a.at("meta", "created").(string)
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$`).MatchString(created) {
		t.Errorf("created %q has no numeric offset", created)
	}
	equal(t, "location", a.at("meta", "location"), s.url+"/scim/v2/Users/"+a.id())
	equal(t, "meta", len(a.at("meta").(m)), 2)
	for _, member := range []string{"addresses", "phoneNumbers", "userType", "roles", "locale", enterpriseV2} {
		if _, ok := a.json[member]; ok {
			t.Errorf("%s is in the short form", member)
		}
	}

	v1 := s.do("GET", "/scim/v1/Users/"+a.id(), nil).want(200, "")
	equal(t, "v1 schemas", v1.json["schemas"], l{coreV1})
	if !strings.Contains(v1.body, `https:\/\/`) || strings.Contains(a.body, `\/`) {
		t.Error("v1 escapes slashes and v2 does not")
	}
	s.ChangePolicies(func(p *slackemulator.Policies) { p.EscapeSlashes = "never" })
	if strings.Contains(s.do("GET", "/scim/v1/Users/"+a.id(), nil).body, `\/`) {
		t.Error("escaped, though the policy says never")
	}
}

func TestCreateRichShape(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	boss := s.add("boss", nil)
	for name, manager := range map[string]string{"pid": boss, "pmail": "boss@example.org", "pname": "Boss"} {
		a := s.do("POST", "/scim/v2/Users", person(name, m{
			enterpriseV2: m{"department": "R&D", "manager": m{"managerId": manager}},
		})).want(201, "")
		equal(t, "schemas", a.json["schemas"], l{userV2, enterpriseV2, profileV2})
		equal(t, "enterprise", a.json[enterpriseV2], m{
			"employeeNumber": nil, "costCenter": nil, "organization": nil, "division": nil,
			"department": "R&D", "manager": m{"managerId": boss},
		})
		equal(t, "profile", a.json[profileV2], m{"startDate": nil})
		equal(t, "phones", a.json["phoneNumbers"], l{m{"value": nil, "type": "mobile"}, m{"value": nil, "primary": true}})
		equal(t, "roles", a.json["roles"], l{m{"value": nil, "primary": true}})
		equal(t, "prefix", a.at("name"), m{"givenName": "P" + name[1:], "familyName": "Example", "honorificPrefix": nil})
		if v, ok := a.json["userType"]; !ok || v != nil {
			t.Errorf("userType is %v, want null", v)
		}
		v1 := s.do("GET", "/scim/v1/Users/"+a.id(), nil)
		equal(t, "v1 schemas", v1.json["schemas"], l{coreV1, enterpriseV1})
		equal(t, "v1 second e-mail", v1.at("emails", 1), m{"value": "", "primary": false})
		equal(t, "v1 profile", v1.json[profileV1], nil)
	}
	bare := s.do("GET", "/scim/v2/Users/"+boss, nil)
	equal(t, "bare schemas", bare.json["schemas"], l{userV2})
}

func TestNormalisedNames(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	cases := []struct{ sent, kept string }{
		{"GuestUser", "guestuser"},
		{"jo.doe@example.org", "jo.doe"},
		{"o'brien", "o_brien"},
		{"a b", "a_b"},
		{"zoë", "zo_"},
		{"under_score-dash.dot", "under_score-dash.dot"},
		{strings.Repeat("x", 21), strings.Repeat("x", 21)},
	}
	for i, c := range cases {
		body := person("p", m{"userName": c.sent, "emails": l{m{"value": "n" + string(rune('a'+i)) + "@example.org"}}})
		a := s.do("POST", "/scim/v2/Users", body).want(201, "")
		equal(t, c.sent, a.json["userName"], c.kept)
	}
	// Without a name, displayName and userName fill in.
	a := s.do("POST", "/scim/v2/Users", person("carly", m{"name": nil, "displayName": "Carly B"})).want(201, "")
	equal(t, "name", a.json["name"], m{"givenName": "Carly B", "familyName": ""})
	a = s.do("POST", "/scim/v2/Users", person("dora", m{"name": nil})).want(201, "")
	equal(t, "name", a.json["name"], m{"givenName": "dora", "familyName": ""})
	equal(t, "displayName", a.json["displayName"], "dora")
}

func TestMultiValuedSlots(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	phones := func(values ...m) l {
		list := l{}
		for _, v := range values {
			list = append(list, v)
		}
		return list
	}
	cases := []struct {
		name            string
		sent            l
		primary, mobile any
	}{
		{"mobile and work cross over", phones(m{"type": "mobile", "value": "1"}, m{"type": "work", "value": "2"}), "1", "2"},
		{"work alone", phones(m{"type": "work", "value": "2"}), nil, "2"},
		{"no mark", phones(m{"value": "1"}), "1", nil},
		{"primary", phones(m{"type": "work", "primary": true, "value": "1"}), "1", nil},
		{"not primary beside a primary", phones(m{"primary": false, "value": "2"}, m{"primary": true, "value": "1"}), "1", "2"},
		{"three", phones(m{"value": "1"}, m{"value": "2"}, m{"value": "3"}), "1", "2"},
	}
	for i, c := range cases {
		a := s.do("POST", "/scim/v2/Users", person("p"+string(rune('a'+i)), m{"phoneNumbers": c.sent})).want(201, "")
		equal(t, c.name, a.json["phoneNumbers"], l{m{"value": c.mobile, "type": "mobile"}, m{"value": c.primary, "primary": true}})
	}
	emails := []struct {
		sent l
		want l
	}{
		{l{m{"value": "a1@x.org", "type": "home"}, m{"value": "a2@x.org", "type": "work"}}, l{m{"value": "a2@x.org", "primary": true}, m{"value": "a1@x.org", "primary": false}}},
		{l{m{"value": "b1@x.org", "type": "work"}, m{"value": "b2@x.org", "primary": true}, m{"value": "b3@x.org"}}, l{m{"value": "b2@x.org", "primary": true}, m{"value": "b1@x.org", "primary": false}}},
		{l{"c1@x.org", "c2@x.org"}, l{m{"value": "c1@x.org", "primary": true}, m{"value": "c2@x.org", "primary": false}}},
		{l{m{"value": "d1@x.org"}, m{"value": "D1@x.org"}}, l{m{"value": "d1@x.org", "primary": true}}},
	}
	for i, c := range emails {
		a := s.do("POST", "/scim/v2/Users", person("e"+string(rune('a'+i)), m{"emails": c.sent})).want(201, "")
		equal(t, "emails", a.json["emails"], c.want)
	}
	a := s.do("POST", "/scim/v2/Users", person("addr", m{
		"addresses": l{m{"type": "home", "locality": "Rome"}, m{"type": "work", "primary": true, "streetAddress": "1 Main", "country": "DE"}},
		"roles":     l{"Tech Lead", m{"value": "Second"}},
	})).want(201, "")
	equal(t, "addresses", a.json["addresses"], l{m{"streetAddress": "1 Main", "locality": nil, "region": nil, "postalCode": nil, "country": "DE", "primary": true}})
	equal(t, "roles", a.json["roles"], l{m{"value": "Tech Lead", "primary": true}})
}

func TestPhotoComesLate(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	s := start(t, slackemulator.Options{Clock: clock.time, Policies: slackemulator.Policies{PhotoDelay: slackemulator.Duration(time.Minute)}})
	sent := "https://pictures.example/ada.png"
	id := s.add("ada", m{"photos": l{m{"value": sent, "primary": true}}})
	photo := func() string {
		value, _ := s.do("GET", "/scim/v2/Users/"+id, nil).at("photos", 0, "value").(string)
		return value
	}
	if first := photo(); !strings.Contains(first, "gravatar") {
		t.Errorf("at once: %s, want the old picture", first)
	}
	clock.pass(time.Minute)
	later := photo()
	if strings.Contains(later, "gravatar") || later == sent {
		t.Errorf("later: %s, want Slack's copy", later)
	}
	// Sending back what was read changes nothing.
	s.do("PATCH", "/scim/v2/Users/"+id, ops(op("replace", "photos", l{m{"value": later}}))).want(200, "")
	equal(t, "unchanged", photo(), later)
}

func TestBadProfileValueDropsAllProfileFields(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	for name, bad := range map[string]m{
		"manager":   {enterpriseV2: m{"department": "R&D", "manager": m{"managerId": "nobody"}}},
		"format":    {enterpriseV2: m{"department": "R&D", "manager": m{"value": "nobody"}}},
		"startdate": {enterpriseV2: m{"department": "R&D"}, profileV2: m{"startDate": "tomorrow"}, "schemas": l{userV2, profileV2}},
	} {
		a := s.do("POST", "/scim/v2/Users", person(name, bad)).want(201, "")
		equal(t, name, a.json["schemas"], l{userV2})
		id := a.id()
		urn := enterpriseV2 + ":manager"
		s.do("PATCH", "/scim/v2/Users/"+id, ops(op("replace", urn, m{"value": "x"}))).want(400, "improper_enterprise_schema_format")
		s.do("PATCH", "/scim/v2/Users/"+id, ops(op("replace", urn+".managerId", "nobody"))).want(400, "unknown_user")
	}
	// startDate needs its schema to be declared.
	date := m{profileV2: m{"startDate": "2024-04-10T00:00:00+0000"}}
	undeclared := s.do("POST", "/scim/v2/Users", person("undeclared", date)).want(201, "")
	equal(t, "undeclared", undeclared.json[profileV2], nil)
	date["schemas"] = l{userV2, profileV2}
	declared := s.do("POST", "/scim/v2/Users", person("declared", date)).want(201, "")
	equal(t, "declared", declared.at(profileV2, "startDate"), "2024-04-10T00:00:00+0000")
}

func TestCustomFieldCap(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Policies: slackemulator.Policies{CustomFieldsInUse: 49}})
	s.add("one", m{enterpriseV2: m{"department": "R&D"}})
	s.add("two", m{enterpriseV2: m{"department": "Sales"}})
	s.do("POST", "/scim/v2/Users", person("three", m{"userType": "Employee"})).want(400, "unable_to_create_team_profile_fields")
	s.add("four", nil)
}

func TestPut(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	id := s.add("ada", m{"title": "Countess", enterpriseV2: m{"department": "R&D"}, "displayName": "Ada L"})
	path := "/scim/v2/Users/" + id

	a := s.do("PUT", path, person("ada", m{"active": true})).want(200, "")
	equal(t, "title is blank", a.json["title"], "")
	equal(t, "department is blank", a.at(enterpriseV2, "department"), nil)
	equal(t, "display name stays: members choose it", a.json["displayName"], "Ada L")
	equal(t, "active", a.json["active"], true)

	s.do("PUT", path, m{"schemas": l{userV2}, "emails": l{m{"value": "ada@example.org"}}}).want(400, "username_required")
	s.do("PUT", path, m{"schemas": l{userV2}, "userName": "", "emails": l{m{"value": "ada@example.org"}}}).want(400, "username_empty")
	s.do("PUT", path, m{"schemas": l{userV2}, "userName": "ada"}).want(400, "missing_primary_email")
	s.do("PUT", path, m{"userName": "ada"}).want(400, "missing_schema_element")
	s.do("PUT", path, person("ada", m{"password": "x"})).want(400, "password_change_not_allowed")

	// nickName is the same value, and wins.
	a = s.do("PUT", path, person("ada", m{"userName": "ada2", "nickName": "ada", "active": true})).want(200, "")
	equal(t, "stale nickName", a.json["userName"], "ada")
	a = s.do("PUT", path, person("ada", m{"userName": "ada2", "nickName": "ada2", "active": true})).want(200, "")
	equal(t, "both", a.json["userName"], "ada2")
	equal(t, "nickName", a.json["nickName"], "ada2")

	a = s.do("PUT", path, person("ada", nil)).want(200, "")
	equal(t, "PUT without active deactivates", a.json["active"], false)
	s.ChangePolicies(func(p *slackemulator.Policies) { p.PutWithoutActive = "keep" })
	s.do("PATCH", path, ops(op("replace", "active", true))).want(200, "")
	a = s.do("PUT", path, person("ada", nil)).want(200, "")
	equal(t, "with the policy it stays", a.json["active"], true)

	s.do("PUT", "/scim/v1/Users/"+id, person("ada", m{"active": true, "displayName": "Other"})).want(400, "invalid_display_name")
}

func TestDisplayNamePolicy(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	id := s.add("ada", m{"displayName": "Ada"})
	path := "/scim/v2/Users/" + id
	other, same := ops(op("replace", "displayName", "Lady Ada")), ops(op("replace", "displayName", "Ada"))
	s.do("PATCH", path, other).want(400, "invalid_display_name")
	s.do("PATCH", path, same).want(200, "")
	s.ChangePolicies(func(p *slackemulator.Policies) { p.DisplayNames = "managed" })
	equal(t, "managed", s.do("PATCH", path, other).want(200, "").json["displayName"], "Lady Ada")
	s.do("PATCH", path, ops(op("replace", "displayName", "a@b"))).want(400, "invalid_name_specials")
	equal(t, "removed", s.do("PATCH", path, ops(op("remove", "displayName", nil))).want(200, "").json["displayName"], "ada")
}

func TestDeactivation(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	s := start(t, slackemulator.Options{Clock: clock.time, Policies: slackemulator.Policies{DeactivationDelay: slackemulator.Duration(3 * time.Second)}})
	for version, want := range map[string]int{"v1": 200, "v2": 204} {
		id := s.add("leaver"+version, nil)
		path := "/scim/" + version + "/Users/" + id
		for range 3 {
			if a := s.do("DELETE", path, nil).want(want, ""); a.body != "" {
				t.Errorf("DELETE answered %q", a.body)
			}
		}
		equal(t, "still active", s.do("GET", path, nil).want(200, "").json["active"], true)
		clock.pass(3 * time.Second)
		equal(t, "deactivated", s.do("GET", path, nil).want(200, "").json["active"], false)
		s.do("DELETE", path, nil).want(want, "")

		found := s.do("GET", "/scim/v2/Users?filter=userName%20eq%20%22leaver"+version+"%22", nil)
		equal(t, "still listed", found.json["totalResults"], 1)
		s.do("POST", "/scim/v2/Users", person("other", m{"emails": l{m{"value": "leaver" + version + "@example.org"}}})).want(400, "email_taken")

		back := s.do("PATCH", "/scim/v2/Users/"+id, ops(op("Replace", "active", "True"))).want(200, "")
		equal(t, "reactivated", back.json["active"], true)
	}
}

func TestMembershipsOnDeactivation(t *testing.T) {
	t.Parallel()
	for _, drop := range []bool{false, true} {
		s := start(t, slackemulator.Options{Policies: slackemulator.Policies{DropMembershipsOnDeactivation: drop}})
		id := s.add("ada", nil)
		group := s.group("Engineering", id)
		s.do("DELETE", "/scim/v2/Users/"+id, nil).want(204, "")
		g, _ := s.Group(group)
		if got := len(g.Members); got == 1 == drop {
			t.Errorf("drop %v: %d members", drop, got)
		}
	}
}

func TestFixturesNobodyMayTouch(t *testing.T) {
	t.Parallel()
	for plan, primaryCode := range map[slackemulator.Plan]string{
		slackemulator.PlanBusinessPlus: "cannot_disable_primary_owner",
		slackemulator.PlanEnterprise:   "primary_owner_check_failure",
	} {
		s := start(t, slackemulator.Options{Plan: plan})
		seed := func(u slackemulator.User) string {
			u.Email, u.Active = u.UserName+"@example.org", true
			added, err := s.AddUser(u)
			if err != nil {
				t.Fatal(err)
			}
			return added.ID
		}
		primary, _ := s.User("workspace.owner")
		slackbot, _ := s.User("slackbot")
		gone := seed(slackemulator.User{UserName: "gone", Forgotten: true})
		for id, code := range map[string]string{
			primary.ID: primaryCode, slackbot.ID: "cannot_disable_bot_user_with_scim", gone: "cannot_modify_gdpr",
			seed(slackemulator.User{UserName: "second", Role: slackemulator.RoleOwner}): "cannot_modify_owner",
		} {
			s.do("DELETE", "/scim/v2/Users/"+id, nil).want(403, code)
			s.do("PATCH", "/scim/v2/Users/"+id, ops(op("replace", "active", false))).want(403, code)
			s.do("PATCH", "/scim/v1/Users/"+id, m{"schemas": l{coreV1}, "active": false}).want(403, code)
		}
		s.do("PATCH", "/scim/v2/Users/"+gone, ops(op("replace", "title", "x"))).want(403, "cannot_modify_gdpr")
		s.do("DELETE", "/scim/v2/Users/"+seed(slackemulator.User{UserName: "boss", Role: slackemulator.RoleAdmin}), nil).want(204, "")
	}
}

func TestGuests(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Plan: slackemulator.PlanEnterprise})
	a := s.do("POST", "/scim/v2/Users", person("guest", m{guestV2: m{"type": "multi", "expiration": "2030-01-01T00:00:00Z"}})).want(201, "")
	equal(t, "schemas", a.json["schemas"], l{userV2, guestV2})
	equal(t, "extension", a.json[guestV2], m{"type": "multi", "expiration": "2030-01-01T00:00:00Z"})
	path := "/scim/v2/Users/" + a.id()
	equal(t, "v1", s.do("GET", "/scim/v1/Users/"+a.id(), nil).at(guestV1, "type"), "multi")

	s.do("POST", "/scim/v2/Users", person("single", m{guestV2: m{"type": "single"}})).want(400, "invalid_attribute_format")
	equal(t, "for ever", s.do("PATCH", path, ops(op("remove", guestV2+":expiration", nil))).want(200, "").json[guestV2], m{"type": "multi"})
	equal(t, "restricted", s.do("GET", "/scim/v1/Users?filter=restricted%20eq%201", nil).json["totalResults"], 1)

	// Both conversions reactivate.
	s.do("DELETE", path, nil).want(204, "")
	member := s.do("PATCH", path, ops(op("remove", guestV2, nil))).want(200, "")
	equal(t, "member again", member.json[guestV2], nil)
	equal(t, "active", member.json["active"], true)
	s.do("DELETE", path, nil).want(204, "")
	equal(t, "guest again", s.do("PATCH", path, ops(op("add", guestV2, m{"type": "multi"}))).want(200, "").json["active"], true)
	equal(t, "PUT without the extension", s.do("PUT", path, person("guest", nil)).want(200, "").json[guestV2], nil)

	owner, _ := s.User("workspace.owner")
	s.do("PATCH", "/scim/v2/Users/"+owner.ID, ops(op("add", guestV2, m{"type": "multi"}))).want(400, "cannot_make_user_guest")
}

func TestKeyOrder(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	id := s.add("ada", nil)
	s.group("Engineering", id)
	for path, keys := range map[string][]string{
		"/scim/v1/Users":  {"totalResults", "itemsPerPage", "startIndex", "schemas", "Resources"},
		"/scim/v2/Users":  {"schemas", "Resources", "totalResults", "itemsPerPage", "startIndex"},
		"/scim/v1/Groups": {"totalResults", "itemsPerPage", "startIndex", "schemas", "Resources"},
	} {
		decoder := json.NewDecoder(strings.NewReader(s.do("GET", path, nil).body))
		got := []string{}
		for depth := 0; ; {
			token, err := decoder.Token()
			if err != nil {
				break
			}
			switch token := token.(type) {
			case json.Delim:
				if token == '{' || token == '[' {
					depth++
				} else {
					depth--
				}
			case string:
				if depth == 1 {
					got = append(got, token)
				}
			}
		}
		equal(t, path, got, keys)
	}
}
