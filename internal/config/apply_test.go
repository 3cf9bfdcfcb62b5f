package config

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

var admin = store.Actor{Name: "root", Via: "cli"}

func person(t testing.TB, s *store.Store, name, email string) string {
	t.Helper()
	e := directory.Edit{"userName": name}
	if email != "" {
		e["emails"] = email
	}
	u, err := s.CreateUser(context.Background(), admin, store.UserEdit{Attributes: e})
	if err != nil {
		t.Fatalf("creating %s: %v", name, err)
	}
	return u.ID
}

func group(t testing.TB, s *store.Store, name string) string {
	t.Helper()
	g, err := s.CreateGroup(context.Background(), admin, store.GroupEdit{Attributes: directory.Edit{"displayName": name}})
	if err != nil {
		t.Fatalf("creating group %s: %v", name, err)
	}
	return g.ID
}

// apply applies a text that must be right.
func apply(t testing.TB, s *store.Store, text string) []ApplicationChanges {
	t.Helper()
	changes, err := Apply(context.Background(), s, parse(t, text), admin)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return changes.Applications
}

// refused returns the messages that a text is refused with.
func refused(t testing.TB, s *store.Store, text string) string {
	t.Helper()
	changes, err := Apply(context.Background(), s, parse(t, text), admin)
	var problems Problems
	if !errors.As(err, &problems) || len(changes.Applications) > 0 {
		t.Fatalf("Apply: %v, %v; want problems", err, changes)
	}
	return err.Error()
}

func audited(t testing.TB, s *store.Store) int {
	t.Helper()
	log, err := s.AuditLog(context.Background(), store.AuditQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return len(log)
}

// brief writes changes as "path: old -> new".
func brief(changes []Change) []string {
	lines := []string{}
	for _, c := range changes {
		old, _ := json.Marshal(c.Old)
		now, _ := json.Marshal(c.New)
		lines = append(lines, c.Path+": "+strings.ReplaceAll(string(old)+","+string(now), `\"`, `'`))
	}
	return lines
}

func TestApply(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		person(t, s, "ada@example.org", "")
		group(t, s, "Engineering")

		before := audited(t, s)
		diff, err := Diff(t.Context(), s, parse(t, product))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Application(t.Context(), "slack"); !errors.Is(err, store.ErrNotFound) || audited(t, s) != before {
			t.Fatal("Diff wrote something")
		}
		got := apply(t, s, product)
		if d := cmp.Diff(diff.Applications, got); d != "" {
			t.Errorf("Diff and Apply tell different things (-diff +apply):\n%s", d)
		}
		if got[0].Status != Created || got[0].NeedsToken || audited(t, s) == before {
			t.Errorf("%+v", got[0])
		}
		want := []string{
			`template: null,"scim2"`,
			`connection.endpoint: null,"https://api.slack.com/scim/v2/"`,
			`connection.web_api: null,"https://slack.com/api/"`,
			`connection.limits.concurrency: null,16`,
			`assignments[group Engineering]: null,"User"`,
			`assignments[user ada@example.org]: null,"User"`,
			`provisioning.status: null,"on"`,
			`provisioning.filters: null,["user.department == 'R\u0026D'"]`,
			`provisioning.notify.email: null,"it@example.org"`,
			`provisioning.notify.failures: null,true`,
			`mappings.users[userName]: null,{"match":1,"source":"userName","target":"userName"}`,
			`mappings.users[emails[type eq "work"].value]: null,{"match":2,"source":"emails[primary eq true].value","target":"emails[type eq 'work'].value"}`,
			`mappings.users[name.givenName]: null,{"source":"name.givenName","target":"name.givenName"}`,
			`mappings.users[name.familyName]: null,{"source":"name.familyName","target":"name.familyName"}`,
			`mappings.users[userType]: null,{"constant":"Employee","target":"userType"}`,
			`mappings.users[title]: null,{"default":"Colleague","source":"title","target":"title"}`,
			`mappings.users[displayName]: null,{"expression":"user.name.givenName + ' ' + user.name.familyName","target":"displayName","when":"create"}`,
			`connection.auth.token: null,"(sealed)"`,
		}
		if d := cmp.Diff(want, brief(got[0].Changes)); d != "" {
			t.Errorf("changes of a new application (-want +got):\n%s", d)
		}
		app, err := s.Application(t.Context(), "slack")
		if err != nil {
			t.Fatal(err)
		}
		if token, err := s.Secret(t.Context(), app.ID, "token", app.Connection.Endpoint); err != nil || token != "xoxp-1-secret" {
			t.Errorf("token %q, %v", token, err)
		}

		// Again, also without the token: nothing, not even an audit record.
		before = audited(t, s)
		for _, text := range []string{product, strings.Replace(product, `, token: "${TOKEN}"`, "", 1)} {
			if got := apply(t, s, text); got[0].Status != Unchanged || len(got[0].Changes) > 0 || got[0].NeedsToken || audited(t, s) != before {
				t.Errorf("again: %+v, %d audit records", got[0], audited(t, s)-before)
			}
		}

		// One edit of each kind.
		edited := strings.NewReplacer(
			"interval: 10m", "interval: 5m", "default: Colleague", "default: Member", "- {group: Engineering}\n", "",
			"role: User}", "role: Default Access}", "        - {target: userType, constant: Employee}\n", "",
			"limits: {concurrency: 16}", "limits: off", "filters: ['user.department == \"R&D\"']", "filters: []",
			"${TOKEN}", "${BOT}",
		).Replace(product)
		got = apply(t, s, edited)
		want = []string{
			`connection.limits: {"concurrency":16},"off"`,
			`assignments[group Engineering]: "User",null`,
			`assignments[user ada@example.org]: "User","Default Access"`,
			`provisioning.interval: "10m","5m"`,
			`provisioning.filters: ["user.department == 'R\u0026D'"],null`,
			`mappings.users[userType]: {"constant":"Employee","target":"userType"},null`,
			`mappings.users[title].default: "Colleague","Member"`,
			`connection.auth.token: "(sealed)","(replaced)"`,
		}
		if d := cmp.Diff(want, brief(got[0].Changes)); d != "" || got[0].Status != Updated {
			t.Errorf("%s; changes (-want +got):\n%s", got[0].Status, d)
		}
		if token, err := s.Secret(t.Context(), app.ID, "token", app.Connection.Endpoint); err != nil || token != "xoxb-1-secret" {
			t.Errorf("token %q, %v", token, err)
		}
		if got := apply(t, s, edited); got[0].Status != Unchanged {
			t.Errorf("again: %+v", got[0])
		}

		// An application that the file does not name stays as it is.
		other := strings.Replace(edited, "name: slack", "name: other", 1)
		if got := apply(t, s, other); got[0].Status != Created {
			t.Errorf("%+v", got[0])
		}
		if got := apply(t, s, edited); got[0].Status != Unchanged {
			t.Errorf("after another application: %+v", got[0])
		}
	})
}

// TestApplyRefuses: a name that nobody has, or that fits two, spoils the whole file.
func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ada := person(t, s, "ada", "ada@example.org")
		person(t, s, "grace", "")
		person(t, s, "both", "")
		person(t, s, "other", "both")
		group(t, s, "Engineering")
		first := one("    assignments: [{group: Engineering}]\n")
		got := refused(t, s, first+`  - name: b
    template: scim2
    connection: {endpoint: 'https://scim.example.com/'}
    assignments:
      - {user: ada}
      - {user: grcae}
      - {group: Enginering}
      - {user: both}
      - {user: ada@example.org}
      - {user: `+ada+`}
`)
		for _, want := range []string{
			`muster.yaml:11:9: assignments of b: there is no user grcae; did you mean grace?`,
			`muster.yaml:12:9: assignments of b: there is no group Enginering; did you mean Engineering?`,
			`muster.yaml:13:9: assignments of b: both is the userName of one user`,
			`muster.yaml:14:9: assignments of b: user ada is assigned twice, first in line 10; keep one of them`,
			`muster.yaml:15:9: assignments of b: user ada is assigned twice, first in line 10; keep one of them`,
		} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
		if _, err := s.Application(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the sound application was created beside the problems of another: %v", err)
		}
	})
}

// TestMovedConnection: a sealed token goes nowhere but where it was given for.
func TestMovedConnection(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		slack := func(connection string) string {
			return "applications:\n  - name: s\n    template: slack\n    connection: {" + connection + "}\n"
		}
		if got := apply(t, s, slack("")); !got[0].NeedsToken {
			t.Error("a new application without a token does not say so")
		}
		apply(t, s, slack("endpoint: 'https://proxy.example.com/scim/v2/'")) // no token yet: nothing to protect
		apply(t, s, slack("auth: {token: '${TOKEN}'}"))                      // the template's endpoint
		apply(t, s, slack("endpoint: 'https://API.slack.com:443/scim/v1/'")) // the same origin
		apply(t, s, slack("web_api: ''"))                                    // not asked any more
		apply(t, s, slack(""))                                               // the template's own pair
		apply(t, s, slack("web_api: 'https://api.slack.com/elsewhere/'"))    // beside the endpoint
		for connection, want := range map[string]string{
			"endpoint: 'https://evil.example.com/scim/v2/'":               "muster.yaml:4:28: s needs the token again: it was given for https://api.slack.com:443, and the endpoint is now at https://evil.example.com:443; give connection.auth.token, too",
			"endpoint: 'https://api.slack.com:8443/scim/v2/'":             "muster.yaml:4:28: s needs the token again: it was given for https://api.slack.com:443, and the endpoint is now at https://api.slack.com:8443; give connection.auth.token, too",
			"allow_http: true, endpoint: 'http://api.slack.com/scim/v2/'": "muster.yaml:4:46: s needs the token again: it was given for https://api.slack.com:443, and the endpoint is now at http://api.slack.com:80; give connection.auth.token, too",
			"web_api: 'https://evil.example.com/api/'":                    "muster.yaml:4:27: s needs the token again: web_api is now at https://evil.example.com:443, where it was not given for; give connection.auth.token, too",
		} {
			if got := refused(t, s, slack(connection)); got != want {
				t.Errorf("%s:\n got %s\nwant %s", connection, got, want)
			}
		}
		app, err := s.Application(t.Context(), "s")
		if err != nil || app.Connection.WebAPI != "https://api.slack.com/elsewhere/" {
			t.Fatal(err, app.Connection.WebAPI)
		}
		if got := apply(t, s, slack("endpoint: 'https://proxy.example.com/scim/v2/', auth: {token: '${TOKEN}'}")); got[0].Status != Updated {
			t.Errorf("%+v", got[0])
		}
		if token, err := s.Secret(t.Context(), app.ID, "token", "https://proxy.example.com/"); err != nil || token != "xoxp-1-secret" {
			t.Errorf("token %q, %v", token, err)
		}
	})
}

// TestMendedConnection: a target that was left alone is probed at once when somebody gives another token or
// address, as whoever mends a connection expects, and not when something else is changed.
func TestMendedConnection(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		text := func(token, connection, more string) string {
			return "applications:\n  - name: a\n    template: scim2\n    connection: {endpoint: 'https://a.example.org/', auth: {token: " + token + "}" + connection + "}\n    provisioning: {scope: all" + more + "}\n"
		}
		now := text("one", "", "")
		apply(t, s, now)
		app, err := s.Application(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		for name, next := range map[string]struct {
			text     string
			attempts int
		}{
			"the same again":      {now, 7},
			"another schedule":    {text("one", "", ", interval: 1h"), 7},
			"another token":       {text("two", "", ""), 0},
			"another CA":          {text("one", ", ca_file: /ca.pem", ""), 0},
			"another page's size": {text("one", ", options: {page_size: 10}", ""), 0},
		} {
			apply(t, s, now)
			later := s.Now().Add(time.Hour)
			if err := s.SetQuarantine(t.Context(), app.ID, &store.Quarantine{Since: s.Now(), Code: "token_wrong", Attempts: 7, NextProbe: later}); err != nil {
				t.Fatal(err)
			}
			if err := s.SetTrouble(t.Context(), app.ID, &store.Trouble{Since: s.Now(), Reason: "there is no token", RetryAt: later}); err != nil {
				t.Fatal(err)
			}
			apply(t, s, next.text)
			got, err := s.Standing(t.Context(), app.ID)
			if err != nil || got.Quarantine == nil {
				t.Fatalf("%s: %+v, %v; want the quarantine, until a probe ends it", name, got, err)
			}
			if got.Trouble != nil && next.attempts == 0 {
				t.Errorf("%s: what kept it from running is not forgotten: %+v", name, got.Trouble)
			}
			if q := got.Quarantine; q.Attempts != next.attempts || q.NextProbe.Before(later) != (next.attempts == 0) {
				t.Errorf("%s: attempts %d, next probe %s; want %d", name, q.Attempts, q.NextProbe, next.attempts)
			}
		}
	})
}

// TestOtherConnectionDoubtsLinks: linked accounts have to be seen again where another token or endpoint may lead to another
// target, and not after anything else.
func TestOtherConnectionDoubtsLinks(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		text := func(host, token, more string) string {
			return "applications:\n  - name: a\n    template: scim2\n    connection: {endpoint: 'https://" + host + ".example.org/', auth: {token: " + token + "}}\n    provisioning: {scope: all" + more + "}\n"
		}
		apply(t, s, text("a", "one", ""))
		app, err := s.Application(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		doubted := func(next, want string) {
			t.Helper()
			apply(t, s, next)
			if got, err := s.Standing(t.Context(), app.ID); err != nil || got.MovedFrom != want {
				t.Errorf("after %s: %q, %v; want %q", next, got.MovedFrom, err, want)
			}
		}
		doubted(text("b", "two", ""), "") // nobody is linked
		if err := s.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `insert into links (app_id, type, object_id, object_name, account_id, account_name, origin, enabled, wanted, sent, answered, created_at, modified_at)
				values ($1, 'user', 'u', 'ada', '1', 'ada', 'created', $2, '{}', '{}', '{}', 1, 1)`, app.ID, true)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		doubted(text("b", "two", ", interval: 1h"), "")
		doubted(text("c", "two", ""), "https://b.example.org/")
		doubted(text("b", "two", ""), store.OtherCredentials) // they go nowhere that they were not entered for
		doubted(text("b", "three", ""), store.OtherCredentials)
		doubted(text("b", "three", ", interval: 1h"), store.OtherCredentials)
		if err := s.Settled(t.Context(), app.ID); err != nil {
			t.Fatal(err)
		}
		doubted(text("b", "three", ""), "")
	})
}

// TestExport: what is exported applies as a no-op, whatever people and groups are called.
func TestExport(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		s := storetest.Open(t, c)
		ctx := t.Context()
		ids := []string{
			person(t, s, "ada", "ada@example.org"), person(t, s, "both", ""), person(t, s, "other", "both"), person(t, s, "on", ""), person(t, s, "10042", ""),
			person(t, s, "a: ${TOKEN} #", ""), person(t, s, "control\x01", ""), person(t, s, "xoxp-1234567890", ""),
		}
		gone := person(t, s, "gone", "")
		kinds := map[string]directory.Kind{}
		for _, id := range append(ids, gone) {
			kinds[id] = directory.KindUser
		}
		for _, name := range []string{"Engineering", "off", "${"} {
			kinds[group(t, s, name)] = directory.KindGroup
		}
		app := parse(t, product).Applications[0].Application
		app.Assignments = nil
		for id, kind := range kinds {
			app.Assignments = append(app.Assignments, provision.Assignment{Kind: kind, ID: id, Role: "User"})
		}
		if _, err := s.SaveApplication(ctx, admin, &app); err != nil {
			t.Fatal(err)
		}
		if err := s.SetSecret(ctx, admin, app.ID, "token", app.Connection.Endpoint, "xoxp-1-secret"); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteUser(ctx, admin, gone); err != nil {
			t.Fatal(err)
		}
		text, err := Export(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "xoxp-1-secret") || !strings.Contains(string(text), "# token: is sealed") {
			t.Errorf("the token, or no word of it, in\n%s", text)
		}
		for _, want := range []string{"{user: ada, role: User}", `{user: "on", role: User}`, `{user: "10042", role: User}`, "{group: Engineering, role: User}", "user: " + gone} {
			if !strings.Contains(string(text), want) {
				t.Errorf("no %s in\n%s", want, text)
			}
		}
		got := apply(t, s, string(text))
		if got[0].Status != Unchanged || len(got[0].Changes) > 0 {
			t.Errorf("%s: %v\nafter\n%s", got[0].Status, brief(got[0].Changes), text)
		}
		if one, err := Export(ctx, s, "SLACK", app.ID); err != nil || string(one) != string(text) {
			t.Errorf("by name and id: %v\n%s", err, one)
		}
		if _, err := Export(ctx, s, "slak"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown name: %v", err)
		}
		// Beside a writer, with a store that only reads.
		c.ReadOnly = true
		reader := storetest.Open(t, c)
		diff, err := Diff(ctx, reader, parse(t, string(text)))
		if err != nil || diff.Changed() {
			t.Errorf("read only: %v, %v", err, diff)
		}
	})
}

func TestExportOfNothing(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, store.Config{Data: t.TempDir()})
	text, err := Export(t.Context(), s)
	if err != nil || string(text) != "applications: []\n" {
		t.Errorf("%q, %v", text, err)
	}
	if got := apply(t, s, string(text)); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

// TestExportIsNoOp: for any application, export, parse and apply change nothing.
func TestExportIsNoOp(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, store.Config{Data: t.TempDir()})
	ctx := t.Context()
	subjects := []provision.Assignment{}
	for _, name := range []string{"ada", "yes", "10", "x: y"} {
		subjects = append(subjects, provision.Assignment{Kind: directory.KindUser, ID: person(t, s, name, "")}, provision.Assignment{Kind: directory.KindGroup, ID: group(t, s, name)})
	}
	rapid.Check(t, func(t *rapid.T) {
		app := applications.Draw(t, "app")
		app.Assignments = nil
		for _, a := range subjects {
			if rapid.Bool().Draw(t, "assigned") {
				a.Role = rapid.SampledFrom(roles).Draw(t, "role")
				app.Assignments = append(app.Assignments, a)
			}
		}
		if old, err := s.Application(ctx, app.Name); err == nil {
			app.ID = old.ID
		}
		if _, err := s.SaveApplication(ctx, admin, &app); err != nil {
			t.Fatal(err)
		}
		text, err := Export(ctx, s, app.Name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := Parse([]File{{Name: "x.yaml", Data: text}}, vars, texts)
		if err != nil {
			t.Fatalf("%v\nin\n%s", err, text)
		}
		got, err := Apply(ctx, s, doc, admin)
		if err != nil || got.Changed() {
			t.Fatalf("%v, %v\nin\n%s", err, got, text)
		}
		// The store agrees that nothing differs.
		again := doc.Applications[0].Application
		again.ID = app.ID
		if changed, err := s.SaveApplication(ctx, admin, &again); err != nil || changed {
			t.Fatalf("the store sees a change: %v\nin\n%s", err, text)
		}
	})
}
