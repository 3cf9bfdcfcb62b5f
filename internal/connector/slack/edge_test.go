package slack_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/slack"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/slackemulator"
)

func create(want attr.Set) connector.Change {
	return connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: want}
}

// TestUserNameIsTaken gives the next name within the same create: to whoever shares a shape with somebody,
// a channel or a reserved word.
func TestUserNameIsTaken(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(s *stage) {
		s.em.AddChannel("general")
		names := map[string]bool{}
		for i, c := range []struct{ userName, prefix string }{
			{"ada@a.example", "ada"}, {"ada@b.example", "ada-"}, {"ADA@c.example", "ada-"}, {"general", "general-"}, {"everyone", "everyone-"}, {"slackbot", "slackbot-"},
		} {
			want := person(fmt.Sprintf("p%d", i))
			want["userName"] = c.userName
			out := s.write(create(want))
			name := out.Account.Name
			if names[name] || !strings.HasPrefix(name, c.prefix) || strings.HasSuffix(c.prefix, "-") != (out.Requests == 2) {
				t.Errorf("%s became %q in %d requests", c.userName, name, out.Requests)
			}
			if out.Sent["userName"] != name {
				t.Errorf("%s: sent says %v, the account is %s", c.userName, out.Sent["userName"], name)
			}
			names[name] = true

			// The name is this person's: nothing is due when the directory's value comes again.
			s.em.ResetRequests()
			again := s.write(connector.Change{Kind: directory.KindUser, Action: connector.Update, ID: out.Account.ID, Want: want, Edits: []attr.Edit{{Path: "userName", Old: name, New: c.userName}}})
			if again.Requests != 0 || again.Sent["userName"] != name {
				t.Errorf("%s: %+v", c.userName, again)
			}
		}
		// Renamed to a name that is taken.
		id := s.create("grace", nil).Account.ID
		want := person("grace")
		want["userName"] = "ada"
		out := s.write(connector.Change{Kind: directory.KindUser, Action: connector.Update, ID: id, Want: want, Edits: []attr.Edit{{Path: "userName", Old: "grace", New: "ada"}}})
		if name := s.emulated(id).UserName; !strings.HasPrefix(name, "ada-") || out.Sent["userName"] != name || names[name] {
			t.Errorf("renamed to %s, sent %v", name, out.Sent["userName"])
		}
		// Somebody renamed the person in Slack: the name is set again.
		if _, err := s.em.ChangeUser(id, func(u *slackemulator.User) { u.UserName = "gracie" }); err != nil {
			t.Fatal(err)
		}
		s.write(connector.Change{Kind: directory.KindUser, Action: connector.Update, ID: id, Want: want, Edits: []attr.Edit{{Path: "userName", Old: "gracie", New: "ada"}}})
		if name := s.emulated(id).UserName; name != out.Sent["userName"] {
			t.Errorf("set again as %s, was %v", name, out.Sent["userName"])
		}
	})
}

// TestUserNameTooLongForSlack fits whoever has the length wrong by one, as Entra's guide has it.
func TestUserNameTooLongForSlack(t *testing.T) {
	t.Parallel()
	w := newWire(t, "v2",
		call{"POST", "Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"active":true,"userName":"exactly.twenty-one.ch","emails":[{"value":"a@example.org","type":"work","primary":true}]}`, 400, `{"Errors":{"description":"long_username (user=exactly.twenty-one.ch)","code":400}}`, nil},
		call{"POST", "Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"active":true,"userName":"exactly.twent-zg7utq","emails":[{"value":"a@example.org","type":"work","primary":true}]}`, 201, "@v2-bare.json", nil},
	)
	out := w.write(create(attr.Set{"userName": "exactly.twenty-one.ch", work: "a@example.org"}))
	if out.Sent["userName"] != "exactly.twent-zg7utq" {
		t.Errorf("sent %v", out.Sent)
	}
}

func TestEmailIsTaken(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 409} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			onEmulator(t, func(s *stage) {
				holder := s.create("ada", nil).Account.ID
				s.write(connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: holder})
				want := person("countess")
				want[work] = "ada@example.org"
				out, e := s.refused(create(want))
				if e.Kind != connector.Conflict || e.Code != "email_taken" || e.Existing != holder || e.Unknown || e.Status != status || out.Account != nil {
					t.Fatalf("%+v", e)
				}
				// The search sees deactivated people too, and the account takes up its life again.
				found := s.read(connector.Query{Kind: directory.KindUser, Path: work, Value: "ADA@example.org"})
				if len(found) != 1 || found[0].ID != holder || found[0].Active {
					t.Fatalf("found %+v", found)
				}
				s.write(connector.Change{Kind: directory.KindUser, Action: connector.Enable, ID: e.Existing, Want: want, Edits: []attr.Edit{{Path: "userName", Old: "ada", New: "countess"}}})
				if u := s.emulated(holder); !u.Active || u.UserName != "countess" {
					t.Fatalf("%+v", u)
				}
			}, func(o *slackemulator.Options, _ *slack.Options) {
				o.Policies.Statuses = map[string]int{"email_taken": status}
			})
		})
	}
}

// TestProtectedPeople are refused with what a person can do; nothing of them changes.
func TestProtectedPeople(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(s *stage) {
		add := func(u slackemulator.User) string {
			u.Email, u.Active = u.UserName+"@example.org", true
			if u.Bot {
				u.Email = "botuser-T1-B1@slack-bots.com"
			}
			added, err := s.em.AddUser(u)
			if err != nil {
				t.Fatal(err)
			}
			return added.ID
		}
		s.em.AddToken(slackemulator.Token{Value: "xoxp-admin", Role: slackemulator.RoleAdmin})
		admin := s.with("xoxp-admin")
		owner := add(slackemulator.User{UserName: "second.owner", Role: slackemulator.RoleOwner})
		frozen := add(slackemulator.User{UserName: "forgotten", Forgotten: true, Role: slackemulator.RoleMember})
		bot := add(slackemulator.User{UserName: "robot", Bot: true, Role: slackemulator.RoleMember})
		primary, _ := s.em.User("workspace.owner")
		for name, c := range map[string]struct {
			by *slack.Connector
			id string
		}{"an owner, by an admin": {admin, owner}, "the primary owner, by an admin": {admin, primary.ID}, "frozen": {s.Connector, frozen}, "a bot": {s.Connector, bot}} {
			_, err := c.by.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: c.id, Urgency: connector.Removal})
			e, ok := err.(*connector.Error)
			if !ok || e.Kind != connector.Forbidden || e.Advice == "" || !s.emulated(c.id).Active {
				t.Errorf("%s: %v", name, err)
			}
		}
		if a := s.user(bot); a.Protected == "" {
			t.Error("nothing protects the bot")
		}
		if a := s.user(owner); a.Protected != "" {
			t.Errorf("owners cannot be told from others: %s", a.Protected)
		}
	})
}

// TestTokensOwnUser is never deactivated, neither by itself nor when nobody can say who it is.
func TestTokensOwnUser(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(s *stage) {
		own, _ := s.em.User("workspace.owner")
		for _, action := range []connector.Action{connector.Disable, connector.Delete} {
			_, e := s.refused(connector.Change{Kind: directory.KindUser, Action: action, ID: own.ID, Urgency: connector.Removal})
			if e.Kind != connector.Forbidden || e.Code != "own_user" || e.Advice == "" {
				t.Errorf("%+v", e)
			}
		}
		// Its attributes are kept like everyone's.
		s.write(connector.Change{Kind: directory.KindUser, Action: connector.Update, ID: own.ID, Want: attr.Set{"title": "IT"}, Edits: []attr.Edit{{Path: "title", New: "IT"}}})
		ada := s.create("ada", nil).Account.ID
		s.write(connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: ada, Urgency: connector.Removal})
		if !s.emulated(own.ID).Active || s.emulated(ada).Active {
			t.Error("the wrong one was deactivated")
		}
		if n := s.em.Requests()["POST /api/auth.test"]; n != 1 {
			t.Errorf("auth.test was asked %d times: %v", n, s.em.Requests())
		}

		// The Web API is out of reach: no removal, and no failure of the whole target either.
		o := s.options
		o.Connection.WebAPI = strings.Replace(o.Connection.WebAPI, "/api/", "/nothing/", 1)
		blind, err := slack.New(o)
		if err != nil {
			t.Fatal(err)
		}
		grace := s.create("grace", nil).Account.ID
		_, err = blind.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: grace, Urgency: connector.Removal})
		e, ok := err.(*connector.Error)
		if !ok || e.Kind != connector.Rejected || e.Code != "own_user_unknown" || !s.emulated(grace).Active {
			t.Errorf("%v", err)
		}
		// A token that died since is the connection's failure, not this person's.
		s.em.AddToken(slackemulator.Token{Value: "xoxp-dead"})
		dead := s.with("xoxp-dead")
		s.em.RevokeToken("xoxp-dead")
		_, err = dead.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: grace})
		if e, ok := err.(*connector.Error); !ok || e.Kind != connector.Unauthorised || e.Code != "token_revoked" {
			t.Errorf("%v", err)
		}
		// Without a Web API nothing can be known, and whoever leaves does.
		o.Connection.WebAPI = ""
		if blind, err = slack.New(o); err != nil {
			t.Fatal(err)
		}
		if _, err = blind.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: grace}); err != nil || s.emulated(grace).Active {
			t.Errorf("%v", err)
		}
	})
}

// TestLimitsAreKept creates more people than Slack's burst holds without meeting a 429, and lets removals
// take the call that has room.
func TestLimitsAreKept(t *testing.T) {
	t.Parallel()
	const scale = 10 // a minute lasts six seconds
	tpl, err := gallery.Lookup("slack")
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, "v2", func(e *slackemulator.Options, o *slack.Options) {
		e.LimitsOff, e.TimeScale = false, scale
		o.Limiter = connector.NewLimiter(tpl.Limits.With(provision.Limits{TimeScale: scale}))
	})
	const people = 30
	ids := make([]string, people)
	each := func(change func(i int) connector.Change) {
		var all sync.WaitGroup
		for i := range people {
			all.Go(func() {
				out, err := s.Write(t.Context(), change(i))
				if err != nil {
					t.Error(err)
				} else if out.Account != nil {
					ids[i] = out.Account.ID
				}
			})
		}
		all.Wait()
	}
	each(func(i int) connector.Change {
		c := create(person(fmt.Sprintf("p%d", i)))
		c.Urgency = connector.CreateUpdate
		return c
	})
	each(func(i int) connector.Change {
		return connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: ids[i], Urgency: connector.Removal}
	})
	ways, refused := map[string]int{}, 0
	for _, r := range s.em.Log() {
		// Removals may use the last token of a bucket, and there the two clocks may differ.
		if r.Status == http.StatusTooManyRequests && r.Method == http.MethodPost {
			refused++
		}
		ways[r.Method]++
	}
	// Without limits of ours ten are refused. A request that was held up on its way for 33 ms costs one on this clock.
	if refused > 3 {
		t.Errorf("%d creates met a 429", refused)
	}
	if ways[http.MethodDelete] == 0 || ways[http.MethodPatch] == 0 {
		t.Errorf("removals used one way alone: %v", ways)
	}
	for _, id := range ids {
		if s.emulated(id).Active {
			t.Errorf("%s is active", id)
		}
	}
}

// TestMisbehaviour holds what becomes of answers that no Slack should give.
func TestMisbehaviour(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault   string
		kind    connector.Failure
		code    string
		unknown bool
	}{
		{"drop-before-commit", connector.Unavailable, "", true},
		{"drop-after-commit", connector.Unavailable, "", true},
		{"server-error=503", connector.Unavailable, "", true},
		{"server-error=500", connector.Unavailable, "internal_error", true},
		{"invited-user-not-created", connector.Unavailable, "invited_user_not_created", true},
		{"html-502", connector.Unavailable, "", true},
		{"html-200", connector.Unavailable, connector.CodeNotJSON, true},
		{"empty-body", connector.Unavailable, connector.CodeNoID, true},
		{"empty-object", connector.Unavailable, connector.CodeNoID, true},
		{"truncated-json", connector.Unavailable, "", true},
		{"deep-json", connector.Unavailable, connector.CodeTooLarge, true},
		{"huge-body=32", connector.Unavailable, connector.CodeTooLarge, true},
		{"endless-body", connector.Unavailable, connector.CodeTooLarge, true},
		{"unauthorized", connector.Unauthorised, "invalid_authentication", false},
		{"unsupported-version", connector.Unauthorised, "unsupported_version", false},
		{"redirect", connector.Unavailable, connector.CodeRedirected, false},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "v2")
			f, err := slackemulator.ParseFault(c.fault)
			if err != nil {
				t.Fatal(err)
			}
			s.em.Inject(f)
			_, e := s.refused(create(person("ada")))
			if e.Kind != c.kind || c.code != "" && e.Code != c.code || e.Unknown != c.unknown || e.Reason == "" || e.Advice == "" {
				t.Errorf("%+v", e)
			}
			// Looked up, it is one person at most, and a repeat after that is safe.
			s.em.ClearFaults(f.Name)
			found := s.read(connector.Query{Kind: directory.KindUser, Path: work, Value: "ada@example.org"})
			if len(found) == 0 {
				s.create("ada", nil)
			}
			if n := len(s.em.Users()); n != 3 { // and the owner and Slackbot
				t.Errorf("%d people", n)
			}
		})
	}
}

// TestStrangeAnswersToChanges: a change whose answer shows nothing, or another account, shows nothing.
func TestStrangeAnswersToChanges(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"", "{}", "[]", `"ok"`, "null", `{"id":"U0OTHER"}`, `{"id":7}`} {
		w := newWire(t, "v2", call{"PATCH", "Users/U0ADA00001", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"title","value":"x"}]}`, 200, answer, nil})
		out := w.write(connector.Change{Kind: directory.KindUser, Action: connector.Update, ID: "U0ADA00001", Want: attr.Set{"title": "x"}, Edits: []attr.Edit{{Path: "title", New: "x"}}})
		if out.Account != nil {
			t.Errorf("%s: %+v", answer, out.Account)
		}
	}
}

func TestGroupFaults(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(s *stage) {
		ada, grace := s.create("ada", nil).Account.ID, s.create("grace", nil).Account.ID
		group := s.write(connector.Change{Kind: directory.KindGroup, Action: connector.Create, Want: attr.Set{"displayName": "Poets"}, Add: []string{ada}}).Account.ID
		// A failing server is no verdict on the members.
		s.em.Inject(slackemulator.Fault{Name: "group-patch-500"})
		out, e := s.refused(connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: group, Add: []string{grace}})
		if e.Kind != connector.Unavailable || !e.Unknown || len(out.Refused) != 0 || out.Requests != 1 {
			t.Errorf("%+v, %+v", out, e)
		}
		s.em.ClearFaults("group-patch-500")
		// Full: what went in stays in, and the rest is not tried one by one.
		s.em.ChangePolicies(func(p *slackemulator.Policies) { p.MaxMembers = 1 })
		out, e = s.refused(connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: group, Add: []string{grace}})
		if e.Kind != connector.Rejected || e.Code != "group_member_max_exceeded" || out.Requests != 1 {
			t.Errorf("%+v, %+v", out, e)
		}
		// Linked to channels.
		channel := s.em.AddChannel("poetry")
		if _, err := s.em.ChangeGroup(group, func(g *slackemulator.Group) { g.LinkedChannels = []string{channel} }); err != nil {
			t.Fatal(err)
		}
		_, e = s.refused(connector.Change{Kind: directory.KindGroup, Action: connector.Delete, ID: group})
		if e.Code != "idp_group_linked_to_channels" || !strings.Contains(e.Advice, "admin.conversations.restrictAccess.removeGroup") {
			t.Errorf("%+v", e)
		}
		// Gone: the engine must hear it.
		if _, e = s.refused(connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: "S0NOBODY", Add: []string{ada}}); e.Kind != connector.NotFound {
			t.Errorf("%+v", e)
		}
		if _, e = s.refused(connector.Change{Kind: directory.KindGroup, Action: connector.Disable, ID: group}); e.Kind != connector.Rejected {
			t.Errorf("%+v", e)
		}
	})
}

// TestShowsLate: what Slack shows late is shown as it shows it; the change itself succeeds.
func TestShowsLate(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(s *stage) {
		id := s.create("ada", nil).Account.ID
		s.em.Inject(slackemulator.Fault{Name: "stale-read"})
		s.write(connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: id})
		if s.emulated(id).Active || !s.user(id).Active {
			t.Error("not deactivated, or shown at once")
		}
	})
}

func TestShape(t *testing.T) {
	t.Parallel()
	s := newStage(t, "v2")
	want := attr.Set{
		"userName": "Ada@example.org", "displayName": "Ada @ Home 🚀", startDate: "2024-04-10", "externalId": "4711", "nickName": "countess",
		"title": nil, enterprise + "employeeNumber": 42.0, work: "Ada@example.org", "timezone": nil, // nobody in Slack is without a timezone
	}
	shaped := s.Shape(directory.KindUser, "any", want)
	if len(shaped) != 6 || shaped["userName"] != "ada" || shaped["displayName"] != "Ada _ Home" || shaped[startDate] != "2024-04-10T00:00:00+0000" ||
		shaped[enterprise+"employeeNumber"] != "42" || shaped["title"] != nil || shaped[work] != "Ada@example.org" {
		t.Errorf("%v", shaped)
	}
	if again := s.Shape(directory.KindUser, "other", shaped); len(attr.Diff(shaped, again)) > 0 || len(again) != len(shaped) {
		t.Errorf("shaped again: %v", again)
	}
	if g := s.Shape(directory.KindGroup, "", attr.Set{"displayName": "R&D", "externalId": "1"}); len(g) != 1 || g["displayName"] != "R&D" {
		t.Errorf("group: %v", g)
	}
}

// TestFewRequests: the requests of a whole life are as few as there can be.
func TestFewRequests(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(s *stage) {
		before := s.Requests()
		id := s.create("ada", nil).Account.ID
		s.write(connector.Change{Kind: directory.KindUser, Action: connector.Update, ID: id, Want: person("ada"), Edits: []attr.Edit{{Path: "title", New: "x"}, {Path: home, New: "a@home.example"}, {Path: department, New: "y"}}})
		s.write(connector.Change{Kind: directory.KindUser, Action: connector.Enable, ID: id, Want: person("ada")})
		s.write(connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: id})
		if n := s.Requests() - before; n != 5 { // and auth.test, once
			t.Errorf("%d requests", n)
		}
		if slices.Contains(s.sent("POST", "/Users"), "") {
			t.Error("a create without a body")
		}
	})
}
