package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
)

func TestRender(t *testing.T) {
	t.Parallel()
	text, err := render([]provision.Application{parse(t, product).Applications[0].Application}, map[string]map[string]string{"slack": {"token": ""}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `applications:
  - name: slack
    template: scim2
    connection:
      endpoint: https://api.slack.com/scim/v2/
      web_api: https://slack.com/api/
      auth:
        type: bearer
        # token: is sealed, and stays as it is while it is left out here
      limits: {concurrency: 16}
    assignments:
      - {group: Engineering, role: User}
      - {user: ada@example.org, role: User}
    provisioning:
      status: on
      interval: 10m
      reconcile: 24h
      scope: assigned
      filters:
        - user.department == "R&D"
      users: {enabled: true, actions: [create, update, disable]}
      groups: {enabled: false, actions: [create, update, delete]}
      on_unassign: disable
      on_disable: disable
      on_delete: disable
      grace: 0s
      hold: {removals: 10%, min: 5, max: 100, window: 24h, updates: off}
      quarantine: {failures: 5, share: 50%, of: 20, probe: 1m, probe_max: 1h}
      drift: {attributes: repair, members: repair, accounts: report}
      notify: {email: it@example.org, failures: true}
    mappings:
      users:
        - {target: userName, source: userName, match: 1}
        - {target: 'emails[type eq "work"].value', source: 'emails[primary eq true].value', match: 2}
        - {target: name.givenName, source: name.givenName}
        - {target: name.familyName, source: name.familyName}
        - {target: userType, constant: Employee}
        - {target: title, source: title, default: Colleague}
        - {target: displayName, expression: user.name.givenName + " " + user.name.familyName, when: create}
      groups:
        - {target: displayName, source: displayName, match: 1}
        - {target: externalId, source: id}
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// words are texts that YAML, or what is done after YAML, likes to take for something else.
var words = rapid.OneOf(
	rapid.SampledFrom([]string{
		"on", "off", "yes", "No", "y", "null", "~", "true", "1", "007", "1e3", "0x1f", "2024-01-01", ".inf", "${TOKEN}", "$${x}", "$$", "${", "<<", "=",
		"a: b", "- a", "#x", "a #b", "'", `"`, "a,b", "[a]", "{a: b}", "*a", "&a", "!x", "%", "@", "`", "|", ">", "?", "file:x", "R&D", "x\ny", "\n", " x ", "\tx", "Zoë",
		"日本", "😀", "\u2028", "\u0085", "\ufeff", "a\n\n  b\n", "---", "...", "x:", ":x", "12:30:45",
	}),
	rapid.StringOfN(rapid.RuneFrom([]rune("ab ${}:#-'\"\\,[]&*!|>\n\té")), 1, 12, -1),
)

// applications are any that Parse could have made.
var applications = rapid.Custom(func(t *rapid.T) provision.Application {
	template := rapid.SampledFrom(gallery.All()).Draw(t, "template")
	app := template.Application()
	app.Name = strings.TrimSpace(rapid.StringMatching(`[a-zA-Zé$][a-zA-Z0-9 ${}#:'é]{0,12}`).Draw(t, "name"))
	maybe := func(what string) bool { return rapid.Bool().Draw(t, what) }
	pick := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, what) }
	duration := func(what string) provision.Duration {
		return provision.Duration(time.Duration(rapid.Int64Range(1000, int64(1e9)).Draw(t, what)) * time.Millisecond)
	}

	c := &app.Connection
	if c.Endpoint == "" || maybe("own endpoint") {
		c.Endpoint = "https://" + pick("host", "scim.example.com", "[::1]:8443", "xn--strae-oqa.example") + pick("path", "", "/", "/scim/v1/", "/a#b"[:2])
		c.WebAPI = pick("web_api", "", "https://scim.example.com/api/")
	} else if maybe("no web api") {
		c.WebAPI = ""
	}
	c.AllowHTTP = maybe("allow_http")
	c.CAFile = pick("ca_file", "", "/etc/ssl/own.pem", "/srv/ca ${x}.pem")
	switch rapid.IntRange(0, 2).Draw(t, "limits") {
	case 0:
		c.Limits = provision.Limits{Off: true}
	case 1:
		c.Limits = provision.Limits{
			RequestsPerSecond: rapid.Float64Range(0.001, 1000).Draw(t, "rps"), Burst: rapid.IntRange(0, 50).Draw(t, "burst"),
			Concurrency: rapid.IntRange(0, 50).Draw(t, "concurrency"), TimeScale: float64(rapid.IntRange(0, 60).Draw(t, "scale")),
		}
	}
	if template.Name == "scim2" && maybe("options") {
		c.Options = map[string]string{"page_size": "50", "trailing_slash": "true", "paging": pick("paging", "none", "cursor")}
	}

	for i := range rapid.IntRange(0, 4).Draw(t, "assignments") {
		a := provision.Assignment{Role: pick("role", roles...)}
		name := fmt.Sprintf("%d%s", i, words.Draw(t, "subject")) // told apart by the number
		if maybe("group") {
			a.Group = name
		} else {
			a.User = name
		}
		app.Assignments = append(app.Assignments, a)
	}

	p := &app.Provisioning
	p.Status, p.Scope = pick("status", "on", "off"), pick("scope", "assigned", "all")
	p.Interval, p.Reconcile, p.Grace = duration("interval"), duration("reconcile"), duration("grace")-provision.Duration(time.Second)
	p.Filters = rapid.SampledFrom([][]string{nil, {`user.title == "${x} #"`, "true"}, {"user.active &&\n  user.title != ''\n"}}).Draw(t, "filters")
	p.Users = provision.Objects{Enabled: maybe("users"), Actions: rapid.SampledFrom([][]string{{}, {"create"}, {"delete", "update"}}).Draw(t, "actions")}
	deletes := slices.Contains(p.Users.Actions, "delete")
	policy := func(name string, words ...string) string { // what is never done cannot be asked for
		if word := pick(name, words...); word != "delete" || deletes {
			return word
		}
		return "keep"
	}
	p.Groups.Enabled = maybe("groups")
	p.OnUnassign, p.OnDisable, p.OnDelete = policy("a", "keep", "delete", "disable"), policy("b", "keep", "delete"), policy("c", "keep", "disable")
	p.Hold = provision.Hold{
		Removals: provision.Percent(rapid.Float64Range(0, 100).Draw(t, "removals")), Min: rapid.IntRange(0, 9).Draw(t, "min"),
		Max: rapid.SampledFrom([]int{0, 9, 100}).Draw(t, "max"), Window: duration("window"),
		Updates: rapid.SampledFrom([]provision.Threshold{provision.NoThreshold, {Share: 12.5}, {Share: provision.Off, Count: 200}}).Draw(t, "updates"),
	}
	p.Quarantine = provision.Quarantine{
		Failures: rapid.IntRange(1, 9).Draw(t, "failures in a row"), Of: rapid.IntRange(2, 99).Draw(t, "of"), Probe: provision.Duration(time.Second), ProbeMax: rapid.SampledFrom([]provision.Duration{provision.Duration(time.Second), provision.DefaultQuarantine.ProbeMax}).Draw(t, "probe_max"),
		Share: rapid.SampledFrom([]provision.Percent{provision.Off, 1, 50}).Draw(t, "share"),
	}
	p.Drift = provision.Drift{Attributes: pick("d1", "repair", "ignore"), Members: pick("d2", "report", "repair"), Accounts: pick("d3", "ignore", "report")}
	p.Notify = provision.Notify{Email: pick("email", "", "it@example.org"), Failures: maybe("failures")}

	for i := range rapid.IntRange(0, 3).Draw(t, "rows") {
		row := mapping.Mapping{Target: fmt.Sprintf("extra%d", i), Sensitive: maybe("sensitive"), When: mapping.When(pick("when", "", "always", "create"))}
		switch rapid.IntRange(0, 2).Draw(t, "row") {
		case 0:
			row.Constant = rapid.OneOf(
				rapid.Map(words, func(s string) any { return "x" + s }), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
				rapid.Map(rapid.Float64Range(-1e18, 1e18), func(f float64) any { return f }),
				rapid.Just[any]([]any{"a", "on"}), rapid.Just[any](float64(1<<52)),
			).Draw(t, "constant")
		case 1:
			row.Source = pick("source", "title", "custom.${x}"[:6]+".cost")
			if maybe("default") {
				row.Default = words.Draw(t, "default")
			}
		case 2:
			row.Expression = pick("expression", `user.title + "${x}"`, "user.title +\n\t'a # b: c'", `"$${"`)
		}
		app.Mappings.Users = append(app.Mappings.Users, row)
	}
	if maybe("no group rows") {
		app.Mappings.Groups, p.Groups.Enabled = nil, false
	}
	return app
})

// TestRoundTrip: whatever an application is, what is written of it reads back as the same.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		apps := []provision.Application{applications.Draw(t, "app")}
		text, err := render(apps, nil)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := Parse([]File{{Name: "x.yaml", Data: text}}, vars, texts)
		if err != nil {
			t.Fatalf("%v\nin\n%s", err, text)
		}
		if changes := compare(apps[0], doc.Applications[0].Application); len(changes) > 0 {
			t.Fatalf("changes %v\nin\n%s", changes, text)
		}
		again, err := render([]provision.Application{doc.Applications[0].Application}, nil)
		if err != nil || string(again) != string(text) {
			t.Fatalf("%v: written again it differs:\n%s", err, cmp.Diff(string(text), string(again)))
		}
	})
}
