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

// suggestOf is suggest for a field whose name does not say whether it is of people or of groups.
func suggestOf(field string, kind directory.Kind) templ.Attributes {
	return suggest(field+",kind", "hx-vals", `{"kind":"`+string(kind)+`"}`)
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
		}
		if field != "kind" {
			text = values[0]
		}
	}
	if kind := rq.FormValue("kind"); kind != "" { // whoever says it knows better than the field's name
		users, groups = kind == string(directory.KindUser), kind == string(directory.KindGroup)
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
