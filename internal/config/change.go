package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/mapping"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
)

// Status says what became of an application.
type Status string

// The values of [Status].
const (
	Created   Status = "created"
	Updated   Status = "updated"
	Unchanged Status = "unchanged"
)

// Changes are what applying a document did, or would do.
type Changes struct {
	Applications []ApplicationChanges `json:"applications"` // in the order of the document, never null
}

// ApplicationChanges are those of one application.
type ApplicationChanges struct {
	Application string `json:"application"`
	Status      Status `json:"status"`
	// Changes are in the order of the declarative form. Of a created application they are what differs
	// from its template, all of it new. Never null.
	Changes []Change `json:"changes"`
	// NeedsToken says that the application has no token yet: it can be configured, but not connected.
	NeedsToken bool `json:"needs_token,omitempty"`
}

// Change is one value that differs. Old or New is nil where there is none. Values are those of
// encoding/json: texts, numbers, booleans, lists, objects.
type Change struct {
	// Path names the value as the declarative form nests it. Rows are named by their target, and
	// assignments by whom they give: "provisioning.interval", "mappings.users[title].default",
	// "assignments[group Engineering]" (its values are the roles).
	Path string `json:"path"`
	Old  any    `json:"old"`
	New  any    `json:"new"`
}

// Changed reports whether anything differs.
func (c Changes) Changed() bool {
	return slices.ContainsFunc(c.Applications, func(a ApplicationChanges) bool { return a.Status != Unchanged })
}

// What a change shows in the place of values that it must not show.
const (
	sealed    = "(sealed)"
	replaced  = "(replaced)"
	sensitive = "(sensitive)"
)

// compare returns what differs between two applications, in the order of the declarative form.
// Assignments are compared by whom they resolved to.
func compare(before, after provision.Application) []Change {
	c := comparison{changes: []Change{}}
	c.walk("", reflect.ValueOf(normal(before)), reflect.ValueOf(normal(after)))
	return c.changes
}

// initial are the changes of a new application: what it has that its template doesn't say.
func initial(app provision.Application) []Change {
	base := templateOf(app)
	base.Name, base.Template = app.Name, ""
	// A list that was given is told whole, not row by row against the list that it replaced.
	if !slices.EqualFunc(base.Mappings.Users, app.Mappings.Users, sameRow) {
		base.Mappings.Users = nil
	}
	if !slices.EqualFunc(base.Mappings.Groups, app.Mappings.Groups, sameRow) {
		base.Mappings.Groups = nil
	}
	changes := compare(base, app)
	for i := range changes {
		changes[i].Old = nil
	}
	return slices.DeleteFunc(changes, func(c Change) bool { return c.New == nil })
}

func sameRow(a, b mapping.Mapping) bool { return reflect.DeepEqual(a, b) }

// templateOf returns what the application would be if nothing but its endpoint were given; an empty
// application when the gallery doesn't have the template.
func templateOf(app provision.Application) provision.Application {
	t, err := gallery.Lookup(app.Template)
	if err != nil {
		return provision.Application{}
	}
	base := t.Application()
	base.Connection.WebAPI = webAPI(&t, app.Connection.Endpoint)
	return base
}

type comparison struct{ changes []Change }

func (c *comparison) add(path string, before, after any) {
	if !reflect.DeepEqual(before, after) {
		c.changes = append(c.changes, Change{Path: path, Old: before, New: after})
	}
}

func (c *comparison) walk(path string, before, after reflect.Value) {
	if _, isText := after.Interface().(encoding.TextMarshaler); isText {
		c.add(path, plain(before), plain(after))
		return
	}
	switch now := after.Interface().(type) {
	case provision.Limits:
		if was := before.Interface().(provision.Limits); was.Off != now.Off {
			c.add(path, limits(was), limits(now))
			return
		}
	case []provision.Assignment:
		c.assignments(path, before.Interface().([]provision.Assignment), now)
		return
	case []mapping.Mapping:
		c.rows(path, before.Interface().([]mapping.Mapping), now)
		return
	case map[string]string:
		c.table(path, before.Interface().(map[string]string), now)
		return
	}
	if after.Kind() != reflect.Struct {
		c.add(path, plain(before), plain(after))
		return
	}
	for i := range after.NumField() {
		f := after.Type().Field(i)
		key := keyOf(f)
		if key == "" {
			continue
		}
		b, a := before.Field(i), after.Field(i)
		if mayLeaveOut(f) && simple(f.Type) {
			c.add(join(path, key), present(b), present(a))
			continue
		}
		c.walk(join(path, key), b, a)
	}
}

// simple reports whether values of a type are compared as one: texts, numbers, and lists of texts.
func simple(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return false
	case reflect.Slice:
		return t.Elem().Kind() == reflect.String
	}
	return true
}

// present is the value of a field that may be left out: nil when it is.
func present(v reflect.Value) any {
	if v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
		return nil
	}
	return plain(v)
}

// plain turns a value into encoding/json's types: what a change shows, and what compares.
func plain(v reflect.Value) any {
	if v.Kind() == reflect.Slice && v.Len() == 0 {
		return []any{}
	}
	b, err := json.Marshal(v.Interface())
	if err != nil {
		panic("config: " + err.Error()) // the configuration is made of what marshals
	}
	var out any
	_ = json.Unmarshal(b, &out) // reads back what Marshal wrote
	return out
}

func limits(l provision.Limits) any {
	if l.Off {
		return "off"
	}
	if l == (provision.Limits{}) {
		return nil
	}
	return plain(reflect.ValueOf(l))
}

func (c *comparison) table(path string, before, after map[string]string) {
	value := func(m map[string]string, k string) any {
		if v, ok := m[k]; ok {
			return v
		}
		return nil
	}
	all := maps.Clone(after)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, before)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		c.add(join(path, k), value(before, k), value(after, k))
	}
}

// assignments compares by subject; the values are the roles.
func (c *comparison) assignments(path string, before, after []provision.Assignment) {
	keyed := func(list []provision.Assignment) keyedRows {
		rows := keyedRows{}
		for _, a := range list {
			rows.add(subjectKey(a), fmt.Sprintf("%s[%s]", path, subject(a)), a.Role)
		}
		return rows
	}
	old, now := keyed(before), keyed(after)
	old.against(now, c.add)
}

// rows compares mappings by their target; of a row that both have, key by key.
func (c *comparison) rows(path string, before, after []mapping.Mapping) {
	secretive := map[string]bool{}
	for _, m := range slices.Concat(before, after) {
		secretive[target(m)] = secretive[target(m)] || m.Sensitive
	}
	keyed := func(list []mapping.Mapping) keyedRows {
		rows := keyedRows{}
		for _, m := range list {
			rows.add(target(m), fmt.Sprintf("%s[%s]", path, target(m)), plain(reflect.ValueOf(m)))
		}
		return rows
	}
	old, now := keyed(before), keyed(after)
	old.against(now, func(row string, was, is any) {
		key := strings.TrimSuffix(row[len(path)+1:], "]")
		a, both := was.(map[string]any)
		b, ok := is.(map[string]any)
		if !both || !ok {
			c.add(row, veil(was, secretive[key]), veil(is, secretive[key]))
			return
		}
		for _, f := range reflect.VisibleFields(reflect.TypeFor[mapping.Mapping]()) {
			k := keyOf(f)
			if !reflect.DeepEqual(a[k], b[k]) {
				c.changes = append(c.changes, Change{
					Path: join(row, k), Old: veilKey(k, a[k], secretive[key]), New: veilKey(k, b[k], secretive[key]),
				})
			}
		}
	})
	// What is left is an order that differs, which decides between rows that overlap.
	if names(before) != nil && slices.Equal(slices.Sorted(slices.Values(names(before))), slices.Sorted(slices.Values(names(after)))) {
		c.add(path, anyList(names(before)), anyList(names(after)))
	}
}

func target(m mapping.Mapping) string {
	if p, err := attr.ParsePath(m.Target); err == nil {
		return p.String()
	}
	return m.Target
}

func names(rows []mapping.Mapping) []string {
	var all []string
	for _, m := range rows {
		all = append(all, target(m))
	}
	return all
}

func anyList(words []string) []any {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return list
}

// veil hides the values of a sensitive row.
func veil(row any, hide bool) any {
	if m, ok := row.(map[string]any); ok {
		for k := range m {
			m[k] = veilKey(k, m[k], hide)
		}
	}
	return row
}

func veilKey(key string, value any, hide bool) any {
	if hide && value != nil && (key == "constant" || key == "default" || key == "tests") {
		return sensitive
	}
	return value
}

// subject names whom an assignment gives, subjectKey tells two apart: by id once it is resolved.
func subject(a provision.Assignment) string {
	if a.Group != "" {
		return "group " + a.Group
	}
	return "user " + a.User
}

func subjectKey(a provision.Assignment) string {
	if a.ID != "" {
		return string(a.Kind) + " " + a.ID
	}
	return subject(a)
}

// keyedRows are the rows of a list in their order, found by key.
type keyedRows struct {
	keys  []string
	paths map[string]string
	value map[string]any
}

func (r *keyedRows) add(key, path string, value any) {
	if r.value == nil {
		r.paths, r.value = map[string]string{}, map[string]any{}
	}
	if _, twice := r.value[key]; !twice {
		r.keys = append(r.keys, key)
	}
	r.paths[key], r.value[key] = path, value
}

// against tells the rows of both lists: first those that were there and are gone or changed, then
// the new ones.
func (r *keyedRows) against(now keyedRows, tell func(path string, before, after any)) {
	for _, k := range r.keys {
		tell(r.paths[k], r.value[k], now.value[k])
	}
	for _, k := range now.keys {
		if _, was := r.value[k]; !was {
			tell(now.paths[k], nil, now.value[k])
		}
	}
}
