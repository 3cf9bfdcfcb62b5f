package slackemulator_test

import (
	"testing"

	"github.com/muster-id/muster/internal/slackemulator"
)

func TestPatchV2(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	boss := s.add("boss", nil)
	full := m{
		"title": "Countess", "emails": l{m{"value": "ada@example.org", "primary": true}, m{"value": "second@example.org"}},
		"phoneNumbers": l{m{"value": "1", "primary": true}, m{"value": "2", "type": "work"}},
		"addresses":    l{m{"locality": "London", "country": "UK"}}, "roles": l{"Lead"},
		enterpriseV2: m{"department": "R&D", "manager": m{"managerId": boss}},
	}
	phones := func(primary, mobile any) l {
		return l{m{"value": mobile, "type": "mobile"}, m{"value": primary, "primary": true}}
	}
	primary := m{"value": "ada@example.org", "primary": true}
	second := m{"value": "second@example.org", "primary": false}
	cases := []struct {
		name string
		ops  m
		at   []any
		want any
		code string // a refusal
	}{
		{"replace", ops(op("replace", "title", "Lady")), []any{"title"}, "Lady", ""},
		{"op in capitals", ops(op("Replace", "Title", "Lady")), []any{"title"}, "Lady", ""},
		{"remove", ops(op("REMOVE", "title", nil)), []any{"title"}, "", ""},
		{"without a path", ops(op("replace", "", m{"title": "Lady", "name.givenName": "A", enterpriseV2 + ":division": "D"})), []any{"name", "givenName"}, "A", ""},
		{"without a path, extension", ops(op("replace", "", m{enterpriseV2: m{"division": "D"}})), []any{enterpriseV2, "division"}, "D", ""},
		{"sub-attribute", ops(op("replace", "name.familyName", "King")), []any{"name", "familyName"}, "King", ""},
		{"complex", ops(op("replace", "name", m{"givenName": "A"})), []any{"name", "familyName"}, "Example", ""},
		{"core URN", ops(op("replace", userV2+":title", "Lady")), []any{"title"}, "Lady", ""},
		{"URN and colon", ops(op("replace", enterpriseV2+":employeeNumber", "7")), []any{enterpriseV2, "employeeNumber"}, "7", ""},
		{"number as text", ops(op("replace", enterpriseV2+":employeeNumber", 7)), []any{enterpriseV2, "employeeNumber"}, "7", ""},
		{"URN and dot", ops(op("replace", enterpriseV2+".manager.managerId", "boss")), []any{enterpriseV2, "manager", "managerId"}, boss, ""},
		{"URN alone", ops(op("add", enterpriseV2, m{"costCenter": "C"})), []any{enterpriseV2, "department"}, "R&D", ""},
		{"manager removed", ops(op("remove", enterpriseV2+":manager", nil)), []any{enterpriseV2, "manager"}, m{"managerId": nil}, ""},
		{"extension removed", ops(op("remove", enterpriseV2, nil)), []any{enterpriseV2, "department"}, nil, ""},
		{"one space clears", ops(op("replace", "title", " ")), []any{"title"}, "", ""},

		{"emails replaced", ops(op("replace", "emails", l{m{"value": "new@example.org"}})), []any{"emails"}, l{m{"value": "new@example.org", "primary": true}}, ""},
		{"emails one object", ops(op("replace", "emails", m{"value": "new@example.org"})), []any{"emails", 0, "value"}, "new@example.org", ""},
		{"primary added", ops(op("add", "emails", l{m{"value": "new@example.org", "primary": true}})), []any{"emails"}, l{m{"value": "new@example.org", "primary": true}, second}, ""},
		{"unmarked added", ops(op("add", "emails", m{"value": "new@example.org"})), []any{"emails"}, l{primary, m{"value": "new@example.org", "primary": false}}, ""},
		{"swapped", ops(op("add", "emails", m{"value": "second@example.org", "primary": true})), []any{"emails"}, l{m{"value": "second@example.org", "primary": true}, m{"value": "ada@example.org", "primary": false}}, ""},
		{"swapped by path", ops(op("replace", `emails[value eq "second@example.org"].primary`, true)), []any{"emails", 0, "value"}, "second@example.org", ""},
		{"remove emails keeps the primary", ops(op("remove", "emails", nil)), []any{"emails"}, l{primary}, ""},
		{"remove the second", ops(op("remove", "emails[primary eq false]", nil)), []any{"emails"}, l{primary}, ""},
		{"remove by value", ops(op("remove", `emails[value eq "second@example.org"]`, nil)), []any{"emails"}, l{primary}, ""},
		{"remove by list", ops(op("remove", "emails", l{m{"value": "second@example.org"}})), []any{"emails"}, l{primary}, ""},
		{"remove the primary", ops(op("remove", "emails[primary eq true]", nil)), nil, nil, "missing_primary_email"},
		{"remove the primary by value", ops(op("remove", `emails[value eq ada@example.org]`, nil)), nil, nil, "missing_primary_email"},
		{"replace with nothing", ops(op("replace", "emails", l{})), nil, nil, "missing_primary_email"},
		{"work is the primary", ops(op("replace", `emails[type eq "work"].value`, "new@example.org")), []any{"emails", 0, "value"}, "new@example.org", ""},
		{"home is a new one", ops(op("add", `emails[type eq "home"].value`, "new@example.org")), []any{"emails", 1, "value"}, "new@example.org", ""},
		{"someone's address", ops(op("replace", `emails[type eq "work"].value`, "boss@example.org")), nil, nil, "email_taken"},

		{"phones replaced cross over", ops(op("replace", "phoneNumbers", l{m{"type": "mobile", "value": "3"}, m{"type": "work", "value": "4"}})), []any{"phoneNumbers"}, phones("3", "4"), ""},
		{"phone by value", ops(op("replace", `phoneNumbers[value eq "1"].value`, "9")), []any{"phoneNumbers"}, phones("9", "2"), ""},
		{"phone by value, single quotes", ops(op("replace", `phoneNumbers[value eq '1'].value`, "9")), []any{"phoneNumbers"}, phones("9", "2"), ""},
		{"type mobile as it reads", ops(op("replace", `phoneNumbers[type eq "mobile"].value`, "9")), []any{"phoneNumbers"}, phones("1", "9"), ""},
		{"no phones removed", ops(op("remove", "phoneNumbers", l{})), []any{"phoneNumbers"}, phones("1", "2"), ""},
		{"phone removed", ops(op("remove", "phoneNumbers[primary eq true]", nil)), []any{"phoneNumbers"}, phones(nil, "2"), ""},
		{"phones removed", ops(op("remove", "phoneNumbers", nil)), []any{"phoneNumbers"}, phones(nil, nil), ""},
		{"address part", ops(op("replace", `addresses[primary eq true].locality`, "Rome")), []any{"addresses", 0, "country"}, "UK", ""},
		{"address removed", ops(op("remove", "address", nil)), []any{"addresses", 0, "locality"}, nil, ""},
		{"addresses removed", ops(op("remove", "addresses", nil)), []any{"addresses", 0, "locality"}, nil, ""},
		{"role", ops(op("replace", "roles", l{m{"value": "Boss"}})), []any{"roles", 0, "value"}, "Boss", ""},
		{"startDate", ops(op("add", profileV2+":startDate", "2024-04-10")), []any{profileV2, "startDate"}, "2024-04-10", ""},
		{"startDate as in the documentation", m{"schemas": l{userV2, profileV2}, profileV2: m{"startDate": "2024-04-10"}}, []any{profileV2, "startDate"}, "2024-04-10", ""},

		{"userName and nickName are one", ops(op("replace", "nickName", "countess")), []any{"userName"}, "countess", ""},
		{"externalId is not kept", ops(op("replace", "externalId", "42")), []any{"externalId"}, "", ""},
		{"profileUrl is not kept", ops(op("replace", "profileUrl", "https://x.example")), []any{"profileUrl"}, "https://emulated.slack.com/team/ada", ""},
		{"two operations", ops(op("replace", "title", "A"), op("replace", "title", "B")), []any{"title"}, "B", ""},

		{"password", ops(op("replace", "password", "x")), nil, nil, "password_change_not_allowed"},
		{"nickName too long", ops(op("replace", "nickName", "aaaaaaaaaaaaaaaaaaaaaa")), nil, nil, "long_nickname"},
		{"userName removed", ops(op("remove", "userName", nil)), nil, nil, "username_empty"},
		{"name removed", ops(op("remove", "name", nil)), nil, nil, "invalid_name_required"},
		{"unknown path", ops(op("replace", "shoeSize", 44)), nil, nil, "invalid_request_payload"},
		{"unknown operation", ops(op("move", "title", "x")), nil, nil, "invalid_request_payload"},
		{"no operations", m{"schemas": l{patchOp}}, nil, nil, "invalid_request_payload"},
		{"broken filter", ops(op("remove", `emails[value eq`, nil)), nil, nil, "invalid_request_payload"},
		{"wrong filter", ops(op("remove", `emails[value ne "x"]`, nil)), nil, nil, "invalid_query"},
		{"no schemas", m{"Operations": l{op("replace", "title", "x")}}, nil, nil, "missing_schema_element"},
		{"all or nothing", ops(op("replace", "title", "x"), op("replace", "emails", 5)), nil, nil, "emails_invalid"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			id := s.add("ada", full)
			path := "/scim/v2/Users/" + id
			before := s.do("GET", path, nil).body
			a := s.do("PATCH", path, c.ops)
			a.t = t
			if c.code != "" {
				a.want(400, c.code)
				if after := s.do("GET", path, nil).body; after != before {
					t.Errorf("a refusal changed the person:\n%s\n%s", before, after)
				}
			} else {
				a.want(200, "")
				equal(t, "answer", a.at(c.at...), c.want)
				equal(t, "read", s.do("GET", path, nil).at(c.at...), c.want)
			}
			if err := s.RemoveUser(id); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestPatchV1(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	body := func(members m) m {
		members["schemas"] = l{coreV1, enterpriseV1, profileV1}
		return members
	}
	cases := []struct {
		name string
		body m
		at   []any
		want any
		code string
	}{
		{"merge keeps the rest", body(m{"title": "Lady"}), []any{"name", "givenName"}, "Ada", ""},
		{"name merges", body(m{"name": m{"familyName": "King"}}), []any{"name"}, m{"givenName": "Ada", "familyName": "King", "honorificPrefix": nil}, ""},
		{"a space clears", body(m{"title": " "}), []any{"title"}, "", ""},
		{"meta clears", body(m{"meta": m{"attributes": l{"title", enterpriseV1 + ".department", "name.familyName"}}}), []any{enterpriseV1, "department"}, nil, ""},
		{"meta clears, then sets", body(m{"meta": m{"attributes": l{"phoneNumbers"}}, "phoneNumbers": l{m{"value": "7"}}}), []any{"phoneNumbers", 1, "value"}, "7", ""},
		{"e-mail deleted", body(m{"emails": l{m{"value": "second@example.org", "operation": "delete"}}}), []any{"emails", 1, "value"}, "", ""},
		{"e-mail replaced", body(m{"emails": l{m{"value": "new@example.org", "primary": true}}}), []any{"emails", 0, "value"}, "new@example.org", ""},
		{"primary deleted and named anew", body(m{"emails": l{m{"value": "ada@example.org", "operation": "delete"}, m{"value": "new@example.org"}}}), []any{"emails", 0, "value"}, "new@example.org", ""},
		{"primary deleted", body(m{"emails": l{m{"value": "ada@example.org", "operation": "delete"}}}), nil, nil, "missing_primary_email"},
		{"phone deleted", body(m{"phoneNumbers": l{m{"value": "1", "operation": "delete"}}}), []any{"phoneNumbers"}, l{m{"value": "2", "type": "mobile"}, m{"value": nil, "primary": true}}, ""},
		{"empty lists change nothing", body(m{"roles": l{}, "addresses": l{}, "phoneNumbers": l{}}), []any{"roles", 0, "value"}, "Lead", ""},
		{"extension", body(m{enterpriseV1: m{"division": "D"}}), []any{enterpriseV1, "department"}, "R&D", ""},
		{"externalId", body(m{"externalId": "7"}), []any{"externalId"}, "", ""},
		{"password", body(m{"password": "x"}), nil, nil, "password_change_not_allowed"},
		{"no schemas", m{"title": "x"}, nil, nil, "missing_schema_element"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			id := s.do("POST", "/scim/v1/Users", person("ada", m{
				"title": "Countess", "emails": l{m{"value": "ada@example.org", "primary": true}, m{"value": "second@example.org"}},
				"phoneNumbers": l{m{"value": "1", "primary": true}, m{"value": "2", "type": "work"}}, "roles": l{"Lead"},
				"addresses": l{m{"locality": "London"}}, enterpriseV1: m{"department": "R&D"},
			})).want(201, "").id()
			a := s.do("PATCH", "/scim/v1/Users/"+id, c.body)
			a.t = t
			if c.code != "" {
				a.want(400, c.code)
			} else {
				a.want(200, "")
				equal(t, "answer", a.at(c.at...), c.want)
			}
			if err := s.RemoveUser(id); err != nil {
				t.Fatal(err)
			}
		})
	}
}
