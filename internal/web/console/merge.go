package console

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/muster-id/muster/internal/provision"
)

// merged takes a form that was filled from an older state of an application apart: what is returned has the fields that
// somebody changed in it, and lacks the others, so that what somebody else changed meanwhile stays. Fields that both
// changed are named, and the error is the one that was given. A form that does not say what it was filled from is not
// taken apart.
func merged(app *provision.Application, get func(string) string, changed error) (typed func(string) string, clash []string, err error) {
	if get("told") == "" {
		return func(string) string { return "" }, nil, changed
	}
	same := map[string]bool{} // fields that are as they were when the form was opened
	look := func(name string, asItWas func(string) bool) {
		was := sentText(get("was " + name))
		switch {
		case get("has "+name) == "":
		case sentText(get(name)) == was:
			same[name] = true
		case !asItWas(was):
			clash = append(clash, name)
		}
	}
	for _, s := range settings {
		look(s.name, func(was string) bool {
			return unchangedBy(app, func(a *provision.Application) error { return s.set(a, was) })
		})
	}
	auth := app.Connection.Auth
	look("auth.type", func(was string) bool { return kindOfAuth(auth) == was })
	secret := false
	for _, f := range authFields {
		if !f.secret {
			look("auth."+f.name, func(was string) bool { return f.value(auth) == was })
		}
		secret = secret || f.secret && get(f.name) != ""
	}
	if secret {
		clash = append(clash, "credentials") // whether others gave a secret too, nobody can read
	}
	look("notify.failures", func(was string) bool { return app.Provisioning.Notify.Failures == (was != "") })
	if len(clash) > 0 {
		err = changed
	}
	return func(name string) string {
		if field, is := strings.CutPrefix(name, "has "); is && same[field] {
			return ""
		}
		return get(name)
	}, clash, err
}

// sentText is a field's text as the form was sent it: browsers write line breaks in their own way.
func sentText(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }

// unchangedBy reports whether an edit leaves an application as it is.
func unchangedBy(app *provision.Application, edit func(*provision.Application) error) bool {
	b, err := json.Marshal(app)
	if err != nil {
		return false
	}
	var one, other provision.Application
	if json.Unmarshal(b, &one) != nil || json.Unmarshal(b, &other) != nil || edit(&other) != nil {
		return false
	}
	return reflect.DeepEqual(one, other)
}
