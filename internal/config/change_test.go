package config

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(app *provision.Application)
		want []string
	}{
		{"nothing", func(*provision.Application) {}, []string{}},
		{"empty lists", func(a *provision.Application) { a.Connection.Options = map[string]string{} }, []string{}},
		{"the default role", func(a *provision.Application) { a.Assignments[0].Role = "" }, []string{}},
		{"options", func(a *provision.Application) { a.Connection.Options = map[string]string{"page_size": "5"} }, []string{`connection.options.page_size: null,"5"`}},
		{"limits", func(a *provision.Application) { a.Connection.Limits.Burst = 3 }, []string{`connection.limits.burst: null,3`}},
		{"no limits", func(a *provision.Application) { a.Connection.Limits = provision.Limits{} }, []string{`connection.limits.concurrency: 16,null`}},
		{"off", func(a *provision.Application) { a.Provisioning.Hold.Removals = provision.Off }, []string{`provisioning.hold.removals: "10%","off"`}},
		{"no actions", func(a *provision.Application) { a.Provisioning.Users.Actions = nil }, []string{`provisioning.users.actions: ["create","update","disable"],[]`}},
		{"the name's spelling", func(a *provision.Application) { a.Name = "Slack" }, []string{`name: "slack","Slack"`}},
		{"a row moves", func(a *provision.Application) { slices.Reverse(a.Mappings.Groups) }, []string{`mappings.groups: ["displayName","externalId"],["externalId","displayName"]`}},
		{"a row comes", func(a *provision.Application) {
			a.Mappings.Groups = append(a.Mappings.Groups, mapping.Mapping{Target: "x", Constant: 1.5})
		}, []string{`mappings.groups[x]: null,{"constant":1.5,"target":"x"}`}},
		{"a sensitive row", func(a *provision.Application) {
			a.Mappings.Users[4] = mapping.Mapping{Target: "userType", Constant: "Secret", Sensitive: true}
		}, []string{`mappings.users[userType].constant: "(sensitive)","(sensitive)"`, `mappings.users[userType].sensitive: null,true`}},
		{"a sensitive row comes", func(a *provision.Application) {
			a.Mappings.Users = append(a.Mappings.Users, mapping.Mapping{Target: "x", Source: "title", Default: "Secret", Sensitive: true})
		}, []string{`mappings.users[x]: null,{"default":"(sensitive)","sensitive":true,"source":"title","target":"x"}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before, after := parse(t, product).Applications[0].Application, parse(t, product).Applications[0].Application
			c.edit(&after)
			if diff := cmp.Diff(c.want, brief(compare(before, after))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestCheck: what a connector says of its options is told at the option.
func TestCheck(t *testing.T) {
	t.Parallel()
	doc := parse(t, "applications:\n  - name: a\n    template: scim2\n    connection:\n      endpoint: https://scim.example.com/\n      options:\n        page_size: 5\n        paging: pages\n")
	if err := doc.Check(func(provision.Application) error { return nil }); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"connection.options.paging: pages is no way": "muster.yaml:8:17: connection.options.paging: pages is no way",
		"the certificate: none":                      "muster.yaml:4:5: the certificate: none",
	} {
		if err := doc.Check(func(provision.Application) error { return errors.New(text) }); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
