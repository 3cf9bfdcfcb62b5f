package slackemulator_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/muster-id/muster/internal/slackemulator"
)

func TestPaging(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	for i := range 1100 {
		if _, err := s.AddUser(slackemulator.User{UserName: fmt.Sprintf("p%d", i), Email: fmt.Sprintf("p%d@example.org", i), Active: true}); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		query              string
		items, start, code any
	}{
		{"", 10, 1, nil},
		{"count=5", 5, 1, nil},
		{"count=0", 0, 1, nil},
		{"count=-3", 0, 1, nil},
		{"count=x", 10, 1, nil},
		{"count=5000", 1000, 1, nil},
		{"count=5000&startIndex=1001", 102, 1001, nil},
		{"startIndex=0&count=1", 1, 1, nil},
		{"startIndex=1102", 1, 1102, nil},
		{"startIndex=5000", 0, 5000, nil},
		{"attributes=id&sortOrder=descending", 10, 1, nil},
		{"sortOrder=random", nil, nil, "invalid_sort_order"},
	}
	for _, version := range []string{"v1", "v2"} {
		for _, c := range cases {
			a := s.do("GET", "/scim/"+version+"/Users?"+c.query, nil)
			if c.code != nil {
				a.want(400, c.code.(string))
				continue
			}
			a.want(200, "")
			equal(t, c.query+" itemsPerPage", a.json["itemsPerPage"], c.items)
			equal(t, c.query+" Resources", len(a.json["Resources"].(l)), c.items)
			equal(t, c.query+" startIndex", a.json["startIndex"], c.start)
			equal(t, c.query+" totalResults", a.json["totalResults"], 1102)
		}
	}
	seen := map[any]bool{}
	for start := 1; start <= 1102; start += 100 {
		for _, r := range s.do("GET", fmt.Sprintf("/scim/v2/Users?count=100&startIndex=%d", start), nil).json["Resources"].(l) {
			seen[walk(r, "id")] = true
		}
	}
	equal(t, "all seen once", len(seen), 1102)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Plan: slackemulator.PlanEnterprise})
	ada := s.add("ada", m{"emails": l{"ada@example.org", "countess@example.org"}})
	s.add("carly", nil)
	s.add("guest", m{guestV2: m{"type": "multi"}})
	for _, u := range []slackemulator.User{
		{UserName: "single", Email: "single@example.org", Guest: &slackemulator.Guest{Type: "single"}, Active: true},
	} {
		if _, err := s.AddUser(u); err != nil {
			t.Fatal(err)
		}
	}
	team := s.group("The Team")
	s.do("DELETE", "/scim/v2/Users/"+ada, nil).want(204, "") // the deactivated are found too
	cases := []struct {
		resource, filter string
		names            []string // userNames or displayNames
		code             string
	}{
		{"Users", `userName eq "ada"`, []string{"ada"}, ""},
		{"Users", `USERNAME EQ "ADA"`, []string{"ada"}, ""},
		{"Users", `userName eq 'ada'`, []string{"ada"}, ""},
		{"Users", `userName eq ada`, []string{"ada"}, ""},
		{"Users", `userName eq "nobody"`, []string{}, ""},
		{"Users", `email eq ada@example.org`, []string{"ada"}, ""},
		{"Users", `email Eq "COUNTESS@example.org"`, []string{"ada"}, ""},
		{"Users", `emails eq "ada@example.org"`, []string{"ada"}, ""},
		{"Users", `emails.value eq "ada@example.org"`, []string{"ada"}, ""},
		{"Users", `emails[type eq "work"].value eq "ada@example.org"`, []string{"ada"}, ""},
		{"Users", `id eq "` + ada + `"`, []string{"ada"}, ""},
		{"Users", `id eq "U404"`, []string{}, ""},
		{"Users", `restricted eq 1`, []string{"guest"}, ""},
		{"Users", `restricted eq '1'`, []string{"guest"}, ""},
		{"Users", `restricted eq true and userName sw "g"`, []string{"guest"}, ""},
		{"Users", `ultra_restricted eq 1`, []string{"single"}, ""},
		{"Users", `userName co "arl"`, []string{"carly"}, ""},
		{"Users", `userName sw "car"`, []string{"carly"}, ""},
		{"Users", `userName gt "single"`, []string{"slackbot", "workspace.owner"}, ""},
		{"Users", `userName ge "slackbot" and userName le "slackbot"`, []string{"slackbot"}, ""},
		{"Users", `userName lt "b"`, []string{"ada"}, ""},
		{"Users", `userName pr and email co "carly"`, []string{"carly"}, ""},
		{"Users", `(userName eq "ada" or userName eq "carly") and email sw "c"`, []string{"ada", "carly"}, ""},
		{"Users", `userName eq "ada" or userName eq "ada"`, []string{"ada"}, ""},
		{"Users", `userName eq "carly" or restricted eq 1 and userName sw "g"`, []string{"carly", "guest"}, ""},
		{"Users", `userName eq "a\u0064a"`, []string{"ada"}, ""},
		{"Users", ``, nil, "no_filters"},
		{"Users", `userName`, nil, "incomplete_filter"},
		{"Users", `userName eq`, nil, "incomplete_filter"},
		{"Users", `userName eq "ada" and`, nil, "invalid_query"},
		{"Users", `(userName eq "ada"`, nil, "invalid_filter_group"},
		{"Users", `userName eq "ada")`, nil, "invalid_filter_group"},
		{"Users", `userName ew "a"`, nil, "invalid_query"},
		{"Users", `userName ne "a"`, nil, "invalid_query"},
		{"Users", `not (userName eq "a")`, nil, "incomplete_filter"},
		{"Users", `userName eq "a`, nil, "invalid_query"},
		{"Users", `userName eq 'a`, nil, "invalid_query"},
		{"Users", `externalId eq "a"`, nil, "invalid_query"},
		{"Users", `active eq true`, nil, "invalid_query"},
		{"Groups", `displayName eq "the team"`, []string{"The Team"}, ""},
		{"Groups", `displayName co "team"`, []string{"The Team"}, ""},
		{"Groups", `id eq "` + team + `"`, []string{"The Team"}, ""},
		{"Groups", `displayName eq "x"`, []string{}, ""},
		{"Groups", `members eq "x"`, nil, "invalid_query"},
	}
	for _, c := range cases {
		for _, version := range []string{"v1", "v2"} {
			a := s.do("GET", "/scim/"+version+"/"+c.resource+"?filter="+url.QueryEscape(c.filter), nil)
			if c.code != "" {
				if a.status != 400 || a.code() != c.code {
					t.Errorf("%s %q: got %d %s, want %s", version, c.filter, a.status, a.body, c.code)
				}
				continue
			}
			names := []string{}
			resources, _ := a.json["Resources"].(l)
			for _, r := range resources {
				member := map[string]string{"Users": "userName", "Groups": "displayName"}[c.resource]
				names = append(names, walk(r, member).(string))
			}
			if fmt.Sprint(sorted(names)) != fmt.Sprint(c.names) {
				t.Errorf("%s %q: got %v, want %v", version, c.filter, names, c.names)
			}
			equal(t, c.filter, a.json["totalResults"], len(c.names))
		}
	}
}
