package config

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/provision"
)

var update = flag.Bool("update", false, "write what the messages are now to testdata")

// vars are the variables that tests know.
func vars(name string) (string, bool) {
	v, ok := map[string]string{
		"EMPTY": "", "TOKEN": "xoxp-1-secret", "BOT": "xoxb-1-secret", "EXPR": "user.hushName == 'private'",
		"NAME": "from the variable", "ON": "on", "YES": "true", "FIVE": "5", "TEN": "10m", "TRICK": "${TOKEN}", "PATH_LIKE": "file:token.txt", "DIR": "conf", "YAML": "[a, b]",
	}[name]
	return v, ok
}

// texts are the files that tests know.
func texts(path string) ([]byte, error) {
	text, ok := map[string]string{
		"token.txt": "from-a-file\n", "conf/token.txt": "beside-the-yaml\r\n", "bot.txt": "xoxb-1-secret\n",
	}[filepath.ToSlash(path)]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

func parse(t testing.TB, text string) Document {
	t.Helper()
	doc, err := Parse([]File{{Name: "muster.yaml", Data: []byte(text)}}, vars, texts)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return doc
}

// TestProblems holds the messages against testdata/problems: each file has all the problems that
// the text beside it lists, at their places.
func TestProblems(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/problems/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := Parse([]File{{Name: filepath.Base(name), Data: data}}, vars, texts)
			var problems Problems
			if !errors.As(err, &problems) || len(doc.Applications) > 0 {
				t.Fatalf("Parse: %v, %d applications; want problems and nothing else", err, len(doc.Applications))
			}
			got := err.Error() + "\n"
			for _, secret := range []string{"hunter22", "s3cr3t", "xoxp-1", "xoxb-1", "123456789\"", "private", "hushName"} {
				if strings.Contains(got, secret) {
					t.Errorf("a message shows %q", secret)
				}
			}
			golden := strings.TrimSuffix(name, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

// product is the example of the declarative form in the documentation, with a template that needs
// nothing else.
const product = `applications:
  - name: slack
    template: scim2
    connection:
      endpoint: https://api.slack.com/scim/v2/     # an endpoint
      web_api: https://slack.com/api/
      auth: {type: bearer, token: "${TOKEN}"}
      limits: {concurrency: 16}
    assignments:
      - {group: Engineering}
      - {user: ada@example.org, role: User}
    provisioning:
      status: on
      interval: 10m
      reconcile: 24h
      scope: assigned
      filters: ['user.department == "R&D"']
      users:  {enabled: true,  actions: [create, update, disable]}
      groups: {enabled: false, actions: [create, update, delete]}
      on_unassign: disable
      hold: {removals: 10%, min: 5, max: 100, window: 24h, updates: off}
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
        - {target: displayName, expression: 'user.name.givenName + " " + user.name.familyName', when: create}
`

func TestParse(t *testing.T) {
	t.Parallel()
	doc := parse(t, product)
	app := doc.Applications[0]
	if got := app.Secrets["token"].Reveal(); got != "xoxp-1-secret" {
		t.Errorf("token %q", got)
	}
	p := app.Provisioning
	for _, c := range []struct{ name, got, want any }{
		{"name", app.Name, "slack"},
		{"web_api", app.Connection.WebAPI, "https://slack.com/api/"},
		{"limits", app.Connection.Limits, provision.Limits{Concurrency: 16}},
		{"assignments", app.Assignments, []provision.Assignment{{Group: "Engineering", Role: "User"}, {User: "ada@example.org", Role: "User"}}},
		{"status", p.Status, "on"},
		{"hold", p.Hold.Updates, provision.NoThreshold},
		{"hold", p.Hold.Removals, provision.Percent(10)},
		{"on_delete, from the template", p.OnDelete, "disable"},
		{"users, replaced", len(app.Mappings.Users), 7},
		{"groups, from the template", app.Mappings.Groups[0].Target, "displayName"},
		{"auth.token is nowhere else", app.Connection.Auth, provision.Auth{Type: "bearer"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// one wraps a few lines in an application that is otherwise right.
func one(lines string) string {
	return "applications:\n  - name: a\n    template: scim2\n    connection: {endpoint: 'https://scim.example.com/'}\n" + lines
}

func TestVariables(t *testing.T) {
	t.Parallel()
	user := func(app provision.Application) any { return app.Assignments[0].User }
	for _, c := range []struct {
		name, lines string
		of          func(provision.Application) any
		want        any
	}{
		{"text", `    assignments: [{user: "x ${NAME} y"}]`, user, "x from the variable y"},
		{"two", `    assignments: [{user: "${FIVE}${TEN}"}]`, user, "510m"},
		{"escaped", `    assignments: [{user: "$${NAME} $$${X} $ $$ {x}"}]`, user, "${NAME} $${X} $ $$ {x}"},
		{"once only", `    assignments: [{user: "${TRICK}"}]`, user, "${TOKEN}"},
		{"never YAML", `    assignments: [{user: "${YAML}"}]`, user, "[a, b]"},
		{"word", `    provisioning: {status: "${ON}"}`, func(a provision.Application) any { return a.Provisioning.Status }, "on"},
		{"boolean", `    provisioning: {groups: {enabled: "${YES}"}}`, func(a provision.Application) any { return a.Provisioning.Groups.Enabled }, true},
		{"number", `    provisioning: {hold: {min: "${FIVE}"}}`, func(a provision.Application) any { return a.Provisioning.Hold.Min }, 5},
		{"duration", `    provisioning: {interval: "${TEN}"}`, func(a provision.Application) any { return a.Provisioning.Interval }, provision.Duration(10 * 60 * 1e9)},
		{"percentage", `    provisioning: {hold: {removals: "${FIVE}%"}}`, func(a provision.Application) any { return a.Provisioning.Hold.Removals }, provision.Percent(5)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, c.of(parse(t, one(c.lines)).Applications[0].Application)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretFiles(t *testing.T) {
	t.Parallel()
	text := "applications: [{name: a, template: scim2, connection: {endpoint: 'https://scim.example.com/', auth: {token: 'file:token.txt'}}}]"
	for name, want := range map[string]string{"muster.yaml": "from-a-file", "conf/muster.yaml": "beside-the-yaml", "-": "from-a-file"} {
		doc, err := Parse([]File{{Name: name, Data: []byte(text)}}, vars, texts)
		if err != nil {
			t.Fatal(err)
		}
		if got := doc.Applications[0].Secrets["token"].Reveal(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestSecretFromVariable: what a variable holds is the secret, also when it looks like a path; a path
// may be made with variables.
func TestSecretFromVariable(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{"${PATH_LIKE}": "file:token.txt", "file:${DIR}/token.txt": "beside-the-yaml"} {
		doc := parse(t, "applications: [{name: a, template: scim2, connection: {endpoint: 'https://scim.example.com/', auth: {token: '"+written+"'}}}]")
		if got := doc.Applications[0].Secrets["token"].Reveal(); got != want {
			t.Errorf("%s: %q, want %q", written, got, want)
		}
	}
}

// TestCAFile: a relative path is beside the YAML file, and absolute for whoever reads it later.
func TestCAFile(t *testing.T) {
	t.Parallel()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text := "applications: [{name: a, template: scim2, connection: {endpoint: 'https://scim.example.com/', ca_file: own.pem}}]"
	doc, err := Parse([]File{{Name: "conf/muster.yaml", Data: []byte(text)}}, vars, texts)
	if want := filepath.Join(dir, "conf", "own.pem"); err != nil || doc.Applications[0].Connection.CAFile != want {
		t.Errorf("%v: %s, want %s", err, doc.Applications[0].Connection.CAFile, want)
	}
}

// TestSecretIsNeverPrinted prints a document in every way that package fmt has.
func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	doc := parse(t, product)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{doc.Applications[0].Secrets["token"], doc.Applications[0].Secrets, doc.Applications[0].Application} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "xoxp") || strings.Contains(s, "786f7870") {
				t.Errorf("%s shows the secret: %s", verb, s)
			}
		}
	}
}

func TestFilesTogether(t *testing.T) {
	t.Parallel()
	app := func(name string) []byte {
		return []byte("applications:\n  - {name: " + name + ", template: scim2, connection: {endpoint: 'https://scim.example.com/'}}\n")
	}
	doc, err := Parse([]File{{"b.yaml", app("one")}, {"a.yaml", append(app("two"), append([]byte("---\n"), app("three")...)...)}}, vars, texts)
	if err != nil || len(doc.Applications) != 3 {
		t.Fatal(err, len(doc.Applications))
	}
	_, err = Parse([]File{{"b.yaml", app("one")}, {"a.yaml", app("ONE")}, {"c.yaml", []byte("x: 1")}}, vars, texts)
	want := `a.yaml:2:12: application "ONE" is there twice, first in b.yaml:2:12; give it another name, or merge the two
c.yaml:1:1: unknown key "x" at the top of the file; use applications
c.yaml:1:1: the file has no applications; begin with "applications:"`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestWebAPI: the address that also gets the token is assumed only beside the template's endpoints.
func TestWebAPI(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ connection, want string }{
		{"{}", "https://slack.com/api/"},
		{"{endpoint: 'https://api.slack.com/scim/v1/'}", "https://slack.com/api/"},
		{"{endpoint: 'https://proxy.example.com/scim/v2/'}", ""},
		{"{endpoint: 'https://proxy.example.com/scim/v2/', web_api: 'https://proxy.example.com/api/'}", "https://proxy.example.com/api/"},
		{"{web_api: ''}", ""},
	} {
		doc := parse(t, "applications: [{name: a, template: slack, connection: "+c.connection+"}]")
		if got := doc.Applications[0].Connection.WebAPI; got != c.want {
			t.Errorf("%s: web_api %q, want %q", c.connection, got, c.want)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	laughs := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 12; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	for name, text := range map[string]string{
		"billion laughs":  laughs + "applications: [{name: a, template: scim2, connection: {endpoint: 'https://x.example/'}, mappings: {users: [{target: a, constant: *a11}]}}]",
		"merged laughs":   "a: &a {x: 1}\n" + strings.Repeat("b: &a {<<: [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]}\n", 12) + "applications: [*a]",
		"deep list":       "applications: [{name: a, template: scim2, mappings: {users: [{target: a, constant: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}]}}]",
		"itself":          "applications: &a [*a]",
		"itself, merged":  "applications: [&a {<<: *a}]",
		"itself, a value": "applications: [{name: a, template: scim2, mappings: {users: [{target: a, constant: &c [*c]}]}}]",
		"large":           "applications: []\n#" + strings.Repeat("x", maxFile),
		"many mistakes":   "applications:\n" + strings.Repeat("  - 1\n", maxApplications),
		"many, in one":    one("    assignments:\n" + strings.Repeat("      - {user: 1, x: 2}\n", 30_000)),
		"many doubles":    one("    assignments:\n" + strings.Repeat("      - {user: a}\n", 30_000)),
		"many filters":    one("    provisioning:\n      filters:\n" + strings.Repeat("        - user.x\n", 30_000)),
		"many entries":    "applications:\n" + strings.Repeat("  - {name: a}\n", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]File{{Name: "x.yaml", Data: []byte(text)}}, vars, texts)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatal("no problem")
			}
			if len(problems) > maxProblems {
				t.Errorf("%d problems", len(problems))
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(product))
	f.Add([]byte("applications: &a [*a]"))
	f.Add([]byte(one("    assignments: [{user: \"$${x} ${NAME\"}]\n---\n? [a]\n: !!binary aGk=\n")))
	names, _ := filepath.Glob("testdata/problems/*.yaml")
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Parse([]File{{Name: "x.yaml", Data: data}}, vars, texts)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(doc.Applications) > 0 {
				t.Fatalf("%T beside %d applications", err, len(doc.Applications))
			}
			for _, p := range problems {
				if p.Line < 1 || p.Column < 1 || p.Line > strings.Count(string(data), "\n")+strings.Count(string(data), "\r")+2 || p.Message == "" {
					t.Errorf("no place: %+v", p)
				}
				if strings.Contains(p.String(), "xoxp-1-secret") {
					t.Errorf("a secret: %s", p)
				}
			}
			return
		}
		// What was accepted is written so that it reads back as the same.
		apps := make([]provision.Application, len(doc.Applications))
		for i, a := range doc.Applications {
			apps[i] = a.Application
		}
		text, err := render(apps, nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse([]File{{Name: "again.yaml", Data: text}}, vars, texts)
		if err != nil || len(again.Applications) != len(apps) {
			t.Fatalf("%v\n%s", err, text)
		}
		for i, a := range again.Applications {
			if changes := compare(apps[i], a.Application); len(changes) > 0 {
				t.Fatalf("%v\n%s", changes, text)
			}
		}
	})
}
