package console

import (
	"github.com/a-h/templ"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
)

// namesShown is how many names are suggested for what was typed so far.
const namesShown = 10

// suggest lets a field suggest names of the directory while somebody types: of people and groups, as its
// name says. Without script it is an ordinary field.
func suggest(field string, more ...string) templ.Attributes {
	a := templ.Attributes{
		"list": "names", "hx-get": "/names", "hx-trigger": "input changed delay:150ms", "hx-target": "#names", "hx-swap": "innerHTML", "hx-push-url": "false", "hx-params": field,
	}
	for i := 0; i+1 < len(more); i += 2 {
		a[more[i]] = more[i+1]
	}
	return a
}

// names answers the suggestions of a field.
func (c *console) names(rq *request) error {
	var text string
	users, groups := true, true
	for field, values := range rq.URL.Query() {
		switch field {
		case "user", "person", "test_person":
			groups = false
		case "group":
			users = false
		case "kind":
			users, groups = values[0] == string(directory.KindUser), values[0] == string(directory.KindGroup)
			continue
		}
		text = values[0]
	}
	var out []string
	if groups && text != "" {
		list, _, err := rq.desk.GroupPage(rq.Context(), store.GroupQuery{Search: text, Limit: namesShown})
		if err != nil {
			return err
		}
		for _, g := range list {
			out = append(out, g.DisplayName)
		}
	}
	if users && text != "" {
		list, _, err := rq.desk.UserPage(rq.Context(), store.UserQuery{Search: text, Limit: namesShown})
		if err != nil {
			return err
		}
		for _, u := range list {
			out = append(out, u.UserName)
		}
	}
	return rq.ok(nameOptions(out))
}
