package slack_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/slack"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/slackemulator"
)

const (
	work       = `emails[type eq "work"].value`
	home       = `emails[type eq "home"].value`
	workPhone  = `phoneNumbers[type eq "work"].value`
	cellPhone  = `phoneNumbers[type eq "mobile"].value`
	role       = `roles[primary eq true].value`
	enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"
	manager    = enterprise + "manager.managerId"
	department = enterprise + "department"
	street     = `addresses[type eq "work"].streetAddress`
	region     = `addresses[type eq "work"].region`
	country    = `addresses[type eq "work"].country`
	startDate  = "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User:startDate"
)

// mapped are the template's target paths, and those that it leaves to be mapped by hand.
func mapped(t testing.TB) (users, groups []string) {
	t.Helper()
	tpl, err := gallery.Lookup("slack")
	if err != nil {
		t.Fatal(err)
	}
	app := tpl.Application()
	for _, m := range app.Mappings.Users {
		users = append(users, m.Target)
	}
	for _, m := range app.Mappings.Groups {
		groups = append(groups, m.Target)
	}
	return append(users, home, startDate, `photos[type eq "photo"].value`, "profileUrl"), groups
}

// stage is an emulated workspace and a connector that speaks to it.
type stage struct {
	*slack.Connector
	t       *testing.T
	em      *slackemulator.Emulator
	options slack.Options
}

type setting func(*slackemulator.Options, *slack.Options)

// onEmulator runs a test against both versions.
func onEmulator(t *testing.T, test func(*stage), settings ...setting) {
	t.Helper()
	for _, version := range []string{"v2", "v1"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			test(newStage(t, version, settings...))
		})
	}
}

func newStage(t *testing.T, version string, settings ...setting) *stage {
	t.Helper()
	users, groups := mapped(t)
	emulated := slackemulator.Options{LimitsOff: true}
	quirks, err := slack.ParseQuirks(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := slack.Options{Token: slackemulator.DefaultToken, Users: users, Groups: groups, Quirks: quirks}
	for _, s := range settings {
		s(&emulated, &o)
	}
	em := slackemulator.New(emulated)
	server := httptest.NewServer(em)
	t.Cleanup(server.Close)
	o.Connection = provision.Connection{
		Endpoint: server.URL + "/scim/" + version + "/", WebAPI: server.URL + "/api/", Auth: provision.Auth{Type: "bearer"},
	}
	c, err := slack.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &stage{Connector: c, t: t, em: em, options: o}
}

// with returns a connector to the same workspace with another token.
func (s *stage) with(token string) *slack.Connector {
	s.t.Helper()
	o := s.options
	o.Token = token
	c, err := slack.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *stage) write(ch connector.Change) connector.Outcome {
	s.t.Helper()
	out, err := s.Write(s.t.Context(), ch)
	if err != nil {
		s.t.Fatalf("%s of %s: %v", ch.Action, ch.Kind, err)
	}
	return out
}

// refused carries out a change that must fail.
func (s *stage) refused(ch connector.Change) (connector.Outcome, *connector.Error) {
	s.t.Helper()
	out, err := s.Write(s.t.Context(), ch)
	var e *connector.Error
	if !errors.As(err, &e) {
		s.t.Fatalf("%s of %s: got %v, want an *Error", ch.Action, ch.Kind, err)
	}
	return out, e
}

func (s *stage) read(q connector.Query) []connector.Account {
	s.t.Helper()
	var found []connector.Account
	for a, err := range s.Read(s.t.Context(), q) {
		if err != nil {
			s.t.Fatalf("reading %+v: %v", q, err)
		}
		found = append(found, a)
	}
	return found
}

func (s *stage) user(id string) connector.Account {
	s.t.Helper()
	found := s.read(connector.Query{Kind: directory.KindUser, ID: id})
	if len(found) != 1 {
		s.t.Fatalf("user %s: %d found", id, len(found))
	}
	return found[0]
}

func (s *stage) create(name string, more attr.Set) connector.Outcome {
	s.t.Helper()
	want := person(name)
	for k, v := range more {
		want[k] = v
	}
	return s.write(connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: want})
}

func (s *stage) emulated(id string) slackemulator.User {
	s.t.Helper()
	u, ok := s.em.User(id)
	if !ok {
		s.t.Fatalf("the workspace has no %s", id)
	}
	return u
}

// sent returns the bodies of the requests that were made to a method and path so far.
func (s *stage) sent(method, pathEnd string) []string {
	var out []string
	for _, r := range s.em.Log() {
		if r.Method == method && strings.HasSuffix(r.Path, pathEnd) {
			out = append(out, r.Body)
		}
	}
	return out
}

func person(name string) attr.Set {
	return attr.Set{
		"userName": name, work: name + "@example.org", "name.givenName": strings.ToUpper(name[:1]) + name[1:], "name.familyName": "Example",
		"displayName": name + " example",
	}
}

func edit(old, want attr.Set) []attr.Edit { return attr.Diff(old, want) }

func TestLifeOfAPerson(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(s *stage) {
		boss := s.create("grace", nil).Account
		want := person("ada")
		for k, v := range (attr.Set{
			home: "ada@home.example", "title": "Analyst", "timezone": "Europe/London", "userType": "Employee", "locale": "en_GB",
			cellPhone: "+1 555 010 1111", workPhone: "+1 555 010 2222", role: "Lead",
			street: "1 Main St", region: "LDN", country: "GB", department: "R&D", manager: boss.ID, startDate: "2024-04-10",
		}) {
			want[k] = v
		}
		out := s.write(connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: want})
		if out.Account == nil || out.Requests != 1 {
			t.Fatalf("outcome of the create: %+v", out)
		}
		id := out.Account.ID
		if differing := differences(*out.Account, s.Shape(directory.KindUser, "", want)); len(differing) > 0 {
			t.Errorf("the answer differs from what was wanted: %+v", differing)
		}
		kept := s.emulated(id)
		if kept.Profile.PrimaryPhone != "+1 555 010 1111" || kept.Profile.MobilePhone != "+1 555 010 2222" {
			t.Errorf("Slack keeps primary %q and mobile %q", kept.Profile.PrimaryPhone, kept.Profile.MobilePhone)
		}
		read := s.user(id)
		if diff := cmp.Diff(out.Account, &read); diff != "" {
			t.Errorf("a read differs from the answer:\n%s", diff)
		}

		// Every attribute changes, then every one that may goes, in one request each.
		next := want.Clone()
		for k, v := range (attr.Set{
			"userName": "ada.l", work: "ada.l@example.org", home: "l@home.example", "name.familyName": "Lovelace", "title": "Chief",
			cellPhone: "+1 555 010 3333", workPhone: "+1 555 010 4444", role: "Chief", street: "2 Main St", department: "Labs",
			"userType": "Contractor", startDate: "2025-01-01",
		}) {
			next[k] = v
		}
		s.step(id, want, next)
		bare := next.Clone()
		for _, k := range []string{home, "title", cellPhone, workPhone, role, street, region, country, department, manager, "userType", startDate, "locale"} {
			bare[k] = nil
		}
		s.step(id, next, bare)
		s.step(id, bare, next)
		// One of a pair, a part of the whole.
		less := next.Clone()
		less[cellPhone], less[region] = nil, nil
		s.step(id, next, less)
		less2 := less.Clone()
		less2[workPhone], less2[cellPhone] = nil, "+1 555 010 4444"
		s.step(id, less, less2)
	})
}

// step changes a person from one state to the next with one request, and looks at what came of it.
func (s *stage) step(id string, before, after attr.Set) {
	s.t.Helper()
	before, after = s.Shape(directory.KindUser, "", before), s.Shape(directory.KindUser, "", after)
	out := s.write(connector.Change{Kind: directory.KindUser, Action: connector.Update, ID: id, Want: after, Edits: edit(before, after)})
	if out.Requests != 1 || out.Account == nil {
		s.t.Fatalf("%d requests, account %v", out.Requests, out.Account)
	}
	delete(after, "displayName")
	if diff := differences(s.user(id), after); len(diff) > 0 {
		bodies := s.sent("PATCH", id)
		s.t.Errorf("not as wanted: %+v\nafter %s", diff, bodies[len(bodies)-1])
	}
}

// differences compares what an account shows, and that alone, with what is wanted.
func differences(a connector.Account, want attr.Set) []attr.Edit {
	return slices.DeleteFunc(attr.Diff(a.Values, want), func(e attr.Edit) bool {
		_, shown := a.Values[e.Path]
		return !shown
	})
}

func TestDisableEnable(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(s *stage) {
		id := s.create("ada", nil).Account.ID
		for range 2 { // both times alike
			out := s.write(connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: id, Urgency: connector.Removal})
			if s.emulated(id).Active || out.Account != nil && out.Account.Active {
				t.Fatal("still active")
			}
		}
		want := person("ada")
		want["title"] = "Back"
		out := s.write(connector.Change{Kind: directory.KindUser, Action: connector.Enable, ID: id, Want: want, Edits: []attr.Edit{{Path: "title", New: "Back"}}})
		if u := s.emulated(id); !u.Active || u.Title != "Back" || out.Requests != 1 || out.Account == nil || !out.Account.Active {
			t.Fatalf("after enable: %+v, %+v", u, out)
		}
		s.write(connector.Change{Kind: directory.KindUser, Action: connector.Delete, ID: id})
		if s.emulated(id).Active {
			t.Fatal("deleted and still active")
		}
		if _, e := s.refused(connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: "U0NOBODY"}); e.Kind != connector.NotFound {
			t.Errorf("nobody was disabled: %v", e)
		}
		if n := len(s.sent("PUT", "")); n > 0 {
			t.Fatalf("%d PUTs", n)
		}
	})
}

func TestGroups(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(s *stage) {
		var ids []string
		for i := range 7 {
			ids = append(ids, s.create(fmt.Sprintf("p%d", i), nil).Account.ID)
		}
		gone := s.create("gone", nil).Account.ID
		s.write(connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: gone})

		out := s.write(connector.Change{Kind: directory.KindGroup, Action: connector.Create, Want: attr.Set{"displayName": "Engineering"}, Add: ids[:3]})
		if out.Requests != 1 || out.Account == nil || !slices.Equal(out.Added, ids[:3]) || !out.Account.MembersKnown {
			t.Fatalf("create: %+v", out)
		}
		id := out.Account.ID
		found := s.read(connector.Query{Kind: directory.KindGroup, Path: "displayName", Value: "engineering", Members: true})
		if len(found) != 1 || found[0].ID != id || !slices.Equal(found[0].Members, ids[:3]) || found[0].Values["displayName"] != "Engineering" {
			t.Fatalf("by name: %+v", found)
		}

		out = s.write(connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: id, Add: ids[3:5], Remove: ids[:1]})
		if out.Requests != 1 || !slices.Equal(s.members(id), ids[1:5]) {
			t.Fatalf("update: %+v, members %v", out, s.members(id))
		}
		// One bad member of many is found and refused; the others go in.
		out = s.write(connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: id, Add: []string{ids[5], gone, ids[6]}})
		if len(out.Refused) != 1 || out.Refused[0].ID != gone || out.Refused[0].Err.Code != "unable_to_add_deleted_or_guest_to_group" || out.Refused[0].Err.Advice == "" {
			t.Fatalf("refused: %+v", out.Refused)
		}
		if !slices.Equal(s.members(id), ids[1:]) || !slices.Equal(out.Added, ids[5:]) {
			t.Fatalf("members %v, added %v", s.members(id), out.Added)
		}
		// Who is unknown needs no removal; nobody else is removed.
		out = s.write(connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: id, Remove: []string{"U0NOBODY", ids[1], ""}})
		if !slices.Equal(s.members(id), ids[2:]) || len(out.Removed) != 2 || len(out.Refused) != 0 {
			t.Fatalf("members %v, %+v", s.members(id), out)
		}
		s.write(connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: id, Edits: []attr.Edit{{Path: "displayName", Old: "Engineering", New: "R&D"}}})
		if g, _ := s.em.Group(id); g.DisplayName != "R&D" || len(g.Members) != 5 {
			t.Fatalf("renamed: %+v", g)
		}
		s.write(connector.Change{Kind: directory.KindGroup, Action: connector.Delete, ID: id})
		if _, e := s.refused(connector.Change{Kind: directory.KindGroup, Action: connector.Delete, ID: id}); e.Kind != connector.NotFound {
			t.Errorf("deleted twice: %v", e)
		}
		if _, ok := s.em.Group(id); ok {
			t.Fatal("the group is still there")
		}
		// A bad member does not keep a group from being made.
		out = s.write(connector.Change{Kind: directory.KindGroup, Action: connector.Create, Want: attr.Set{"displayName": "Second"}, Add: []string{ids[0], gone, ids[1]}})
		if got := s.members(out.Account.ID); !slices.Equal(got, ids[:2]) || len(out.Refused) != 1 {
			t.Fatalf("members %v, %+v", got, out)
		}
	})
}

func (s *stage) members(group string) []string {
	s.t.Helper()
	g, ok := s.em.Group(group)
	if !ok {
		s.t.Fatalf("the workspace has no group %s", group)
	}
	return g.Members
}
