package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
)

// check judges an application as a whole, template included. Each check leaves alone what already
// has a problem, so that one mistake is told once.
func (app *Application) check() {
	if app.spoilt[""] {
		return // not even a mapping
	}
	if app.Name == "" {
		app.wrong("name", "", "an application has no name")
	}
	app.checkConnection()
	app.checkAssignments()
	app.checkProvisioning()
	if !app.checkTemplate() {
		return
	}
	app.checkMappings(directory.KindUser, app.Mappings.Users, app.Provisioning.Users.Enabled, app.template.Required.Users)
	app.checkMappings(directory.KindGroup, app.Mappings.Groups, app.Provisioning.Groups.Enabled, app.template.Required.Groups)
}

// checkTemplate reports whether the application has a template, which the other checks stand on.
func (app *Application) checkTemplate() bool {
	if app.template == nil {
		if names := templates(); app.Template == "" {
			app.wrong("template", "use "+either(names), "%s has no template", app.called())
		} else {
			app.wrong("template", didYouMean(app.Template, names), "the gallery has no template %s", quote(app.Template))
		}
		return false
	}
	t := app.template
	if kind := app.Connection.Auth.Type; !slices.Contains(t.Auth, kind) {
		app.wrong("connection.auth.type", "use "+either(t.Auth), "template %s does not offer credentials of type %s", t.Name, kind)
	}
	if token, ok := app.Secrets["token"]; ok && t.Protocol == "slack" && strings.HasPrefix(token.value, "xoxb-") {
		app.wrong("connection.auth.token", "give the user token (xoxp-) of an owner, with the scope admin",
			"the token is a bot token (xoxb-), which Slack's SCIM API refuses")
	}
	app.checkOptions()
	return true
}

func (app *Application) called() string {
	if app.Name == "" {
		return "an application"
	}
	return "application " + quote(app.Name)
}

func templates() []string {
	var all []string
	for _, t := range gallery.All() {
		all = append(all, t.Name)
	}
	return all
}

// checkOptions holds the protocol options against the template's quirks, whose names and types they
// have. The words that an option may take are the connector's to know, see [Document.Check].
func (app *Application) checkOptions() {
	quirks := map[string]any{}
	if len(app.template.Quirks) > 0 {
		_ = json.Unmarshal(app.template.Quirks, &quirks) // the gallery has read it already
	}
	for _, name := range slices.Sorted(maps.Keys(app.Connection.Options)) {
		path, value := "connection.options."+name, app.Connection.Options[name]
		if !app.sound(path) {
			continue
		}
		like, known := quirks[name]
		if !known {
			app.wrong(path, didYouMean(name, slices.Sorted(maps.Keys(quirks))), "template %s has no option %s", app.Template, quote(name))
			continue
		}
		switch like.(type) {
		case bool:
			if value != "true" && value != "false" {
				app.wrong(path, "", "%s has to be true or false", path)
			}
		case float64:
			if n, err := strconv.Atoi(value); err != nil || n < 0 {
				app.wrong(path, "", "%s has to be a whole number", path)
			}
		}
	}
}

func (app *Application) checkConnection() {
	c := app.Connection
	addresses := []struct{ path, url string }{{"connection.endpoint", c.Endpoint}}
	if c.WebAPI != "" {
		addresses = append(addresses, struct{ path, url string }{"connection.web_api", c.WebAPI})
	}
	for _, a := range []struct{ path, url string }{{"connection.auth.token_url", c.Auth.TokenURL}, {"connection.auth.authorize_url", c.Auth.AuthorizeURL}} {
		if a.url != "" {
			addresses = append(addresses, a)
		}
	}
	app.checkAuth()
	for _, a := range addresses {
		if a.url == "" && app.template == nil {
			continue // the template that would say is the mistake
		}
		if message, hint := checkURL(a.url, c.AllowHTTP); message != "" {
			app.wrong(a.path, hint, "%s %s", a.path, message)
		}
	}
}

// checkAuth refuses what the kind of credentials does not have, and asks for what it needs.
func (app *Application) checkAuth() {
	const auth = "connection.auth"
	kind := app.Connection.Auth.Type
	if kind == "" || !app.sound(auth+".type") {
		return // the mistake is elsewhere
	}
	values := reflect.ValueOf(app.Connection.Auth)
	index := keysOf(values.Type())
	for _, key := range slices.Sorted(maps.Keys(authKeys)) {
		path := auth + "." + key
		needed, has := authKeys[key][kind]
		switch {
		case !app.sound(path):
		case !has && app.given(path):
			app.wrong(path, key+" belongs to "+either(slices.Sorted(maps.Keys(authKeys[key]))), "credentials of type %s have no %s", kind, key)
		case has && needed && values.Field(index[key]).IsZero():
			app.wrong(auth, "", "credentials of type %s need %s", kind, path)
		}
	}
	if h := app.Connection.Auth.Header; kind == provision.Header && h != "" && !httpguts.ValidHeaderFieldName(h) {
		app.wrong(auth+".header", "write a name such as X-Api-Key", "%s is no name of a header", auth+".header")
	}
}

func (app *Application) checkAssignments() {
	first := map[string]Position{}
	for i, a := range app.Assignments {
		path := fmt.Sprintf("assignments[%d]", i)
		if !app.sound(path) {
			continue
		}
		name := a.User + a.Group
		switch {
		case a.User != "" && a.Group != "":
			app.wrong(path, "make two of it", "an assignment gives a user or a group, not both")
			continue
		case strings.TrimSpace(name) == "":
			app.wrong(path, "write {user: NAME} or {group: NAME}", "an assignment names nobody")
			continue
		}
		key := fmt.Sprintf("%t %s", a.User != "", directory.Key(name))
		if at, twice := first[key]; twice {
			app.wrong(path, "keep one of them", "%s is assigned twice, first in line %d", quote(name), at.Line)
			continue
		}
		first[key] = app.at(path)
	}
}

func (app *Application) checkProvisioning() {
	p := app.Provisioning
	for _, o := range []struct {
		path    string
		actions []string
	}{{"provisioning.users.actions", p.Users.Actions}, {"provisioning.groups.actions", p.Groups.Actions}} {
		for i, a := range o.actions {
			if path := fmt.Sprintf("%s[%d]", o.path, i); slices.Contains(o.actions[:i], a) && app.sound(path) {
				app.wrong(path, "keep one of them", "action %s is listed twice", a)
			}
		}
	}
	app.checkContradictions()
	if p.Notify.Email != "" && app.sound("provisioning.notify.email") {
		if a, err := mail.ParseAddress(p.Notify.Email); err != nil || a.Address != p.Notify.Email {
			app.wrong("provisioning.notify.email", "write one address such as it@example.org", "provisioning.notify.email is not an e-mail address")
		}
	}
	for i, f := range p.Filters {
		path := fmt.Sprintf("provisioning.filters[%d]", i)
		if !app.sound(path) {
			continue
		}
		if _, err := mapping.CompileFilter(directory.KindUser, f); err != nil {
			app.compiled(err, func(mapping.Problem) (string, string) { return path, "filter" })
		}
	}
}

// checkContradictions refuses what two values together cannot mean. Each is told at a key that the file
// gives; a template contradicts itself nowhere.
func (app *Application) checkContradictions() {
	p, hold, q, limits := app.Provisioning, app.Provisioning.Hold, app.Provisioning.Quarantine, app.Connection.Limits
	for _, policy := range []struct{ path, does string }{
		{"provisioning.on_unassign", p.OnUnassign}, {"provisioning.on_disable", p.OnDisable}, {"provisioning.on_delete", p.OnDelete},
	} {
		// Where the template's actions stand, the lesser removal is done and says why (see provision.Decide).
		said := app.given(policy.path) && app.given("provisioning.users.actions")
		app.contradicts(said && policy.does == "delete" && !slices.Contains(p.Users.Actions, "delete"), []string{policy.path, "provisioning.users.actions"},
			"add delete to provisioning.users.actions, or write "+strings.TrimPrefix(policy.path, "provisioning.")+": disable",
			"%s is delete, but provisioning.users.actions lacks delete, so that no account would ever be deleted", policy.path)
	}
	app.contradicts(hold.Max > 0 && hold.Min > hold.Max, []string{"provisioning.hold.min", "provisioning.hold.max"},
		"lower min, or raise max", "provisioning.hold.min (%d) is more than max (%d), so that the percentage would never count", hold.Min, hold.Max)
	app.contradicts(q.ProbeMax < q.Probe, []string{"provisioning.quarantine.probe_max", "provisioning.quarantine.probe"},
		"raise probe_max, or lower probe", "provisioning.quarantine.probe (%s) is longer than probe_max (%s)", spelt(time.Duration(q.Probe)), spelt(time.Duration(q.ProbeMax)))
	app.contradicts(limits.Burst > 0 && limits.RequestsPerSecond == 0 && app.template != nil && len(app.template.Limits.Buckets) == 0, []string{"connection.limits.burst"},
		"give connection.limits.requests_per_second, too", "connection.limits.burst without a rate limits nothing: template %s knows no limits of its own", app.Template)
}

// contradicts reports that values do not go together, at the first of them that the file gives.
func (app *Application) contradicts(is bool, paths []string, hint, message string, args ...any) {
	if !is {
		return
	}
	for _, path := range paths {
		if !app.sound(path) {
			return
		}
	}
	for _, path := range paths {
		if app.given(path) {
			app.wrong(path, hint, message, args...)
			return
		}
	}
}

// checkMappings compiles the mappings of one kind and asks for what the target requires.
func (app *Application) checkMappings(kind directory.Kind, rows []mapping.Mapping, enabled bool, required []string) {
	list := "mappings." + string(kind) + "s"
	sound := app.sound(list)
	if _, err := mapping.Compile(kind, rows); err != nil {
		app.compiled(err, func(p mapping.Problem) (string, string) {
			row := fmt.Sprintf("%s[%d]", list, p.Row)
			switch {
			case !sound && !app.sound(row):
				return "", "" // the row as a whole makes no sense yet
			case app.given(row + "." + p.Field):
				return row + "." + p.Field, p.Field
			}
			return row, p.Field
		})
		return
	}
	for i, m := range rows {
		for j, t := range m.Tests {
			if wrong := t.Check(); wrong != "" {
				app.wrong(fmt.Sprintf("%s[%d].tests[%d]", list, i, j), "", "%s", wrong)
			}
		}
	}
	if !enabled || !sound {
		return
	}
	for _, need := range required {
		if !slices.ContainsFunc(rows, func(m mapping.Mapping) bool { return covers(m.Target, need) }) {
			app.wrong(list, "add a row with target: "+need, "%s lacks %s, which the target requires", list, need)
		}
	}
	if !slices.ContainsFunc(rows, func(m mapping.Mapping) bool { return m.Match > 0 }) {
		app.wrong(list, "set match: 1 on the attribute that tells one "+string(kind)+" from another, such as "+keyAttribute[kind],
			"%s has no matching attribute, so existing accounts could not be found", list)
	}
}

var keyAttribute = map[directory.Kind]string{directory.KindUser: "userName", directory.KindGroup: "displayName"}

// covers reports whether a target path gives a required attribute: the attribute itself, or one of
// its values.
func covers(target, need string) bool {
	t, err := attr.ParsePath(target)
	if err != nil {
		return false
	}
	n, err := attr.ParsePath(need)
	if err != nil {
		return false
	}
	return strings.EqualFold(t.URN, n.URN) && strings.EqualFold(t.Name, n.Name) &&
		(n.Sub == "" || t.Sub == "" || strings.EqualFold(t.Sub, n.Sub))
}

// compiled reports the problems of a compiler at their places in the file, and leaves out those that
// have none.
func (app *Application) compiled(err error, place func(mapping.Problem) (path, field string)) {
	var problems mapping.Problems
	if !errors.As(err, &problems) {
		path, _ := place(mapping.Problem{})
		app.wrong(path, "", "%s", err)
		return
	}
	for _, p := range problems {
		path, field := place(p)
		if path == "" {
			continue
		}
		at, exact := app.inside(path, p.Line, p.Column)
		message := field + ": " + p.Message
		if p.Line > 0 && !exact {
			message = fmt.Sprintf("%s, line %d, column %d: %s", field, p.Line, p.Column, p.Message)
		}
		// An expression has as many problems as it has; they do not hide one another.
		app.spoil(path)
		if n := app.nodes[path]; n != nil && variables(n.Value) {
			// The compiler's words quote the expression, and with it what its variables stand for.
			app.src.add(at, "what variables stand for is not shown", "%s, line %d, column %d: this is wrong once its variables are replaced", field, p.Line, p.Column)
			continue
		}
		app.src.add(at, p.Hint, "%s", message)
	}
}

// inside returns the place in the file of a place in an expression (lines and columns from 1). Where
// the file does not hold the expression letter by letter (escapes, folded lines, variables), it is
// the place where the value begins, and not exact.
func (app *Application) inside(path string, line, column int) (at Position, exact bool) {
	at = app.at(path)
	n := app.nodes[path]
	if line < 1 || n == nil {
		return at, false
	}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode || strings.Contains(n.Value, "${") {
		return at, false
	}
	lines := strings.Split(n.Value, "\n")
	if line > len(lines) {
		return at, false
	}
	want := strings.TrimRight(lines[line-1], " \t")
	if n.Style&yaml.LiteralStyle != 0 {
		text := app.src.line(n.Line + line)
		i := strings.LastIndex(text, want)
		if i < 0 || strings.TrimSpace(text[:i]) != "" {
			return at, false
		}
		return Position{File: at.File, Line: n.Line + line, Column: utf8.RuneCountInString(text[:i]) + column}, true
	}
	text, skip := []rune(app.src.line(n.Line)), n.Column-1
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		skip++
	}
	if line != 1 || len(lines) != 1 || skip > len(text) || !strings.HasPrefix(string(text[skip:]), want) {
		return at, false
	}
	return Position{File: at.File, Line: n.Line, Column: skip + column}, true
}
