package slackemulator_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/slackemulator"
)

func TestGroupLife(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	ada, bob := s.add("ada", m{"displayName": "Ada L"}), s.add("bob", nil)
	for _, version := range []string{"v1", "v2"} {
		a := s.do("POST", "/scim/"+version+"/Groups", m{"schemas": l{coreV1}, "displayName": "Team " + version, "members": refs(ada)}).want(201, "")
		if a.id()[0] != 'S' {
			t.Errorf("id %s", a.id())
		}
		path := "/scim/" + version + "/Groups/" + a.id()
		equal(t, "members", a.json["members"], l{m{"value": ada, "display": "Ada L"}})
		equal(t, "location", a.at("meta", "location"), s.url+path)
		equal(t, "of the person", s.do("GET", "/scim/v2/Users/"+ada, nil).at("groups"), l{m{"value": a.id(), "display": "Team " + version}})

		a = s.do("PUT", path, m{"schemas": l{coreV1}, "displayName": "Renamed " + version, "members": refs(ada, bob, ada)}).want(200, "")
		equal(t, "PUT", len(a.json["members"].(l)), 2)
		a = s.do("PUT", path, m{"schemas": l{coreV1}, "displayName": "Renamed " + version}).want(200, "")
		equal(t, "PUT without members", a.json["members"], l{})
		s.do("PUT", path, m{"schemas": l{coreV1}}).want(400, "group_creation_failed")
		s.do("PUT", path, m{"displayName": "x"}).want(400, "missing_schema_element")
		if a := s.do("DELETE", path, nil).want(204, ""); a.body != "" {
			t.Errorf("DELETE answered %q", a.body)
		}
		s.do("GET", path, nil).want(404, "no_such_group")
		s.do("DELETE", path, nil).want(404, "no_such_group")
		equal(t, "people stay", s.do("GET", "/scim/v2/Users/"+ada, nil).want(200, "").json["groups"], l{})
	}
}

func TestGroupPatchV2(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	ids := map[string]string{}
	for _, name := range []string{"ada", "bob", "cid", "dan"} {
		ids[name] = s.add(name, nil)
	}
	u := func(names ...string) l {
		out := l{}
		for _, name := range names {
			out = append(out, m{"value": ids[name]})
		}
		return out
	}
	cases := []struct {
		name string
		ops  m
		want []string
		code string
	}{
		{"add one object", ops(op("add", "members", m{"value": ids["cid"]})), []string{"ada", "bob", "cid"}, ""},
		{"add a list, some there", ops(op("add", "members", u("bob", "cid", "dan", "cid"))), []string{"ada", "bob", "cid", "dan"}, ""},
		{"add bare ids", ops(op("Add", "members", l{ids["cid"]})), []string{"ada", "bob", "cid"}, ""},
		{"add without a path", ops(op("add", "", m{"members": u("cid")})), []string{"ada", "bob", "cid"}, ""},
		{"replace", ops(op("replace", "members", u("dan"))), []string{"dan"}, ""},
		{"replace without a path", ops(op("replace", "", m{"members": u("dan"), "displayName": "Team"})), []string{"dan"}, ""},
		{"remove without a value empties", ops(op("remove", "members", nil)), []string{}, ""},
		{"remove with values", ops(op("remove", "members", u("ada", "cid"))), []string{"bob"}, ""},
		{"remove with no values", ops(op("remove", "members", l{})), []string{"ada", "bob"}, ""},
		{"remove by filter", ops(op("remove", `members[value eq "`+ids["ada"]+`"]`, nil)), []string{"bob"}, ""},
		{"remove by filter, unquoted", ops(op("remove", `members[value eq `+ids["ada"]+`]`, nil)), []string{"bob"}, ""},
		{"remove by or", ops(op("remove", `members[value eq "`+ids["ada"]+`" or value eq "`+ids["bob"]+`"]`, nil)), []string{}, ""},
		{"several operations", ops(op("remove", "members", u("ada")), op("add", "members", u("cid", "ada"))), []string{"bob", "cid", "ada"}, ""},
		{"externalId is ignored", ops(op("replace", "externalId", "x")), []string{"ada", "bob"}, ""},
		{"unknown id added", ops(op("add", "members", l{m{"value": "U404"}})), nil, "no_such_group_members"},
		{"unknown id removed", ops(op("remove", "members", l{m{"value": "U404"}})), nil, "no_such_group_members"},
		{"unknown id by filter", ops(op("remove", `members[value eq "U404"]`, nil)), nil, "no_such_group_members"},
		{"unknown path", ops(op("replace", "color", "red")), nil, "invalid_request_payload"},
		{"name removed", ops(op("remove", "displayName", nil)), nil, "invalid_request_payload"},
		{"name emptied", ops(op("replace", "displayName", "")), nil, "group_creation_failed"},
		{"name of another group", ops(op("replace", "displayName", "OTHER")), nil, "group_creation_failed"},
		{"no operations", m{"schemas": l{patchOp}}, nil, "invalid_request_payload"},
	}
	s.group("Other")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			id := s.group("Team", ids["ada"], ids["bob"])
			a := s.do("PATCH", "/scim/v2/Groups/"+id, c.ops)
			a.t = t
			want := []string{ids["ada"], ids["bob"]}
			if c.code != "" {
				a.want(400, c.code)
			} else {
				a.want(200, "")
				want = []string{}
				for _, name := range c.want {
					want = append(want, ids[name])
				}
			}
			g, _ := s.Group(id)
			equal(t, "members", g.Members, want)
			for name, userID := range ids { // the reverse index agrees
				u, _ := s.User(userID)
				in := false
				for _, member := range want {
					in = in || member == userID
				}
				if in != (len(u.Groups) == 1) {
					t.Errorf("%s: groups %v, want membership %v", name, u.Groups, in)
				}
			}
			s.do("DELETE", "/scim/v2/Groups/"+id, nil).want(204, "")
		})
	}
	id := s.group("Team", ids["ada"])
	equal(t, "renamed", s.do("PATCH", "/scim/v2/Groups/"+id, ops(op("replace", "displayName", "New"))).json["displayName"], "New")
	s.ChangePolicies(func(p *slackemulator.Policies) { p.GroupPatch = "empty" })
	if a := s.do("PATCH", "/scim/v2/Groups/"+id, ops(op("replace", "displayName", "Newer"))).want(204, ""); a.body != "" {
		t.Errorf("204 with body %q", a.body)
	}
}

func TestGroupPatchV1(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	ada, bob := s.add("ada", nil), s.add("bob", nil)
	id := s.group("Team", ada)
	members := func() []string { g, _ := s.Group(id); return g.Members }
	patch := func(body m) answer {
		body["schemas"] = l{coreV1}
		return s.do("PATCH", "/scim/v1/Groups/"+id, body)
	}
	if a := patch(m{"members": refs(bob)}).want(204, ""); a.body != "" {
		t.Errorf("answered %q", a.body)
	}
	equal(t, "added", members(), []string{ada, bob})
	patch(m{"members": l{m{"value": ada, "operation": "delete"}}}).want(204, "")
	equal(t, "deleted", members(), []string{bob})
	patch(m{"displayName": "Renamed"}).want(204, "")
	equal(t, "rename keeps members", members(), []string{bob})
	patch(m{"meta": m{"attributes": l{"members"}}, "members": refs(ada)}).want(204, "")
	equal(t, "cleared and set", members(), []string{ada})
	s.do("POST", "/scim/v1/Groups", m{"schemas": l{coreV1}, "displayName": "renamed"}).want(400, "name_already_exists")
	s.do("POST", "/scim/v2/Groups", m{"schemas": l{coreV1}, "displayName": "renamed"}).want(400, "group_creation_failed")
}

func TestGroupBounds(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Policies: slackemulator.Policies{MaxMembers: 3}})
	ids := []string{}
	for i := range 4 {
		ids = append(ids, s.add(fmt.Sprintf("p%d", i), nil))
	}
	id := s.group("Team", ids[:3]...)
	s.do("PATCH", "/scim/v2/Groups/"+id, ops(op("add", "members", refs(ids[3])))).want(400, "group_member_max_exceeded")
	s.do("POST", "/scim/v2/Groups", m{"schemas": l{groupV2}, "displayName": "Big", "members": refs(ids...)}).want(400, "group_member_max_exceeded")

	many := make(l, 0, 15001)
	for range 15001 {
		many = append(many, m{"value": ids[0]})
	}
	s.do("PATCH", "/scim/v2/Groups/"+id, ops(op("add", "members", many))).want(400, "too_many_users")
	s.do("PATCH", "/scim/v2/Groups/"+id, ops(op("add", "members", many[:15000]))).want(200, "")

	// Business+ takes 5,000 members, Enterprise 15,000.
	for plan, limit := range map[slackemulator.Plan]int{slackemulator.PlanBusinessPlus: 5000, slackemulator.PlanEnterprise: 15000} {
		s.ChangePolicies(func(p *slackemulator.Policies) { p.MaxMembers, p.Plan = 0, plan })
		members := []string{}
		for i := range limit {
			u, err := s.AddUser(slackemulator.User{UserName: fmt.Sprintf("%d-%s", i, plan), Email: fmt.Sprintf("%d@%s.example", i, plan[:4]), Active: true})
			if err != nil {
				t.Fatal(err)
			}
			members = append(members, u.ID)
		}
		group, err := s.AddGroup(slackemulator.Group{DisplayName: string(plan), Members: members})
		if err != nil {
			t.Fatal(err)
		}
		s.do("PATCH", "/scim/v2/Groups/"+group.ID, ops(op("add", "members", refs(ids[0])))).want(400, "group_member_max_exceeded")
		s.do("PATCH", "/scim/v2/Groups/"+group.ID, ops(op("remove", "members", refs(members[0])))).want(200, "")
		s.do("PATCH", "/scim/v2/Groups/"+group.ID, ops(op("add", "members", refs(ids[0])))).want(200, "")
	}
}

func TestWhoMayJoin(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{Plan: slackemulator.PlanEnterprise})
	gone, guest := s.add("gone", nil), s.add("guest", m{guestV2: m{"type": "multi"}})
	was := s.group("Was here", gone)
	s.do("DELETE", "/scim/v2/Users/"+gone, nil).want(204, "")
	id := s.group("Team")
	path := "/scim/v2/Groups/" + id
	s.do("PATCH", path, ops(op("add", "members", refs(gone)))).want(400, "unable_to_add_deleted_or_guest_to_group")
	s.do("PATCH", path, ops(op("add", "members", refs(guest)))).want(200, "")
	s.do("PUT", "/scim/v2/Groups/"+was, m{"schemas": l{groupV2}, "displayName": "Was here", "members": refs(gone)}).want(200, "")
	s.ChangePolicies(func(p *slackemulator.Policies) { p.RefuseGuestsInGroups = true })
	s.do("POST", "/scim/v2/Groups", m{"schemas": l{groupV2}, "displayName": "New", "members": refs(guest)}).want(400, "unable_to_add_deleted_or_guest_to_group")
}

func TestGroupsThatCannotBeTouched(t *testing.T) {
	t.Parallel()
	s := start(t, slackemulator.Options{})
	linked, err := s.AddGroup(slackemulator.Group{DisplayName: "Linked", LinkedChannels: []string{"C1"}})
	if err != nil {
		t.Fatal(err)
	}
	s.do("DELETE", "/scim/v2/Groups/"+linked.ID, nil).want(400, "idp_group_linked_to_channels")
	if _, err := s.ChangeGroup("linked", func(g *slackemulator.Group) { g.LinkedChannels = nil }); err != nil {
		t.Fatal(err)
	}
	s.do("DELETE", "/scim/v2/Groups/"+linked.ID, nil).want(204, "")
	auto, err := s.AddGroup(slackemulator.Group{DisplayName: "Team Admins", Protected: true})
	if err != nil {
		t.Fatal(err)
	}
	s.do("DELETE", "/scim/v2/Groups/"+auto.ID, nil).want(403, "permission_denied")
	s.do("PATCH", "/scim/v2/Groups/"+auto.ID, ops(op("replace", "displayName", "x"))).want(403, "permission_denied")
}

func TestGroupChangesComeLate(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	s := start(t, slackemulator.Options{Clock: clock.time, TimeScale: 60, Policies: slackemulator.Policies{GroupDelay: slackemulator.Duration(3 * time.Second)}})
	ada := s.add("ada", nil)
	id := s.group("Team")
	path := "/scim/v2/Groups/" + id
	answered := s.do("PATCH", path, ops(op("replace", "displayName", "New"), op("add", "members", refs(ada)))).want(200, "")
	equal(t, "the answer is the old state", answered.json["displayName"], "Team")
	clock.pass(49 * time.Millisecond) // 2.94 emulated seconds
	s.do("PATCH", path, ops(op("replace", "displayName", "Newer"))).want(200, "")
	clock.pass(49 * time.Millisecond) // the second change keeps the oldest view up until it is due itself
	equal(t, "not yet", s.do("GET", path, nil).json["members"], l{})
	clock.pass(time.Millisecond)
	equal(t, "now", s.do("GET", path, nil).json["displayName"], "Newer")
	equal(t, "members", len(s.do("GET", path, nil).json["members"].(l)), 1)
}
