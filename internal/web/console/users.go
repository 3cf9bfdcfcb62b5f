package console

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
)

// pageSize is how much of a list a page shows.
const pageSize = 50

// timelineShown is how many records a person's page begins with.
const timelineShown = 30

// userList is a page of the list of users.
type userList struct {
	Users         []directory.User
	Search, State string
	After, Next   string
}

func (c *console) users(rq *request) error {
	l := userList{Search: rq.FormValue("q"), State: rq.FormValue("state"), After: rq.FormValue("after")}
	q := store.UserQuery{Search: l.Search, After: l.After, Limit: pageSize, Deleted: l.State == "deleted"}
	if l.State == "active" || l.State == "inactive" {
		inactive := l.State == "inactive"
		q.Inactive = &inactive
	}
	var err error
	if l.Users, l.Next, err = rq.desk.UserPage(rq.Context(), q); err != nil {
		return err
	}
	if rq.partial("list") {
		return rq.ok(userTable(l))
	}
	return rq.ok(usersPage(rq.page.titled("Users"), l))
}

// profile is a person's page.
type profile struct {
	admin.Person
	Rows     [][2]string // attributes and values
	Accounts []admin.LinkedAccount
	Without  []string // applications that they have no account in
	Log      []admin.Record
	Audit    []store.Entry
	Next     string // of the log
	Problem  *admin.Problem
	Group    string          // that was typed
	direct   map[string]bool // groups that the person was put into, by id
}

func (c *console) user(rq *request) error { return c.showUser(rq, 200, nil, "") }

// showUser shows a person, with what went wrong where something did.
func (c *console) showUser(rq *request, status int, problem *admin.Problem, group string) error {
	ctx := rq.Context()
	person, err := rq.desk.Person(ctx, rq.PathValue("id"))
	if err != nil {
		return err
	}
	p := profile{Person: person, Rows: attributes(&person.User), Problem: problem, Group: group}
	direct, err := rq.desk.DirectGroups(ctx, person.ID)
	if err != nil {
		return err
	}
	p.direct = map[string]bool{}
	for _, g := range direct {
		p.direct[g.ID] = true
	}
	if p.Accounts, err = rq.desk.AccountsOf(ctx, person.ID); err != nil {
		return err
	}
	if p.Without, err = without(rq, p.Accounts); err != nil {
		return err
	}
	if p.Log, p.Next, err = rq.desk.LogPage(ctx, admin.LogFilter{User: person.ID}, true, rq.FormValue("after"), timelineShown); err != nil {
		return err
	}
	if p.Audit, err = rq.desk.AuditPage(ctx, store.AuditQuery{Object: person.ID, Limit: 20}); err != nil {
		return err
	}
	rq.show(status, userPage(rq.page.titled(person.UserName, crumb{"Users", "/users"}), p))
	return nil
}

// without names the applications that somebody with these accounts has none in.
func without(rq *request, have []admin.LinkedAccount) (names []string, err error) {
	names, err = rq.desk.ApplicationNames(rq.Context())
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(have, func(l admin.LinkedAccount) bool { return l.Application == name })
	}), err
}

// editGroups puts a person into a group that is typed, or takes them out of the one whose button was pressed.
func (c *console) editGroups(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	id, typed := rq.PathValue("id"), strings.TrimSpace(get("group"))
	group, add, remove := typed, []string{id}, []string(nil)
	if from := get("remove"); from != "" {
		group, add, remove = from, nil, []string{id}
	}
	change, err := rq.desk.EditMembers(rq.Context(), group, add, remove)
	if err != nil {
		return c.showUser(rq, 422, admin.Explain(err), typed)
	}
	said := "The groups are as they were."
	if change.Changed > 0 {
		said = "The groups are changed. The applications follow by themselves."
	}
	return rq.done(at("users", id), said)
}

// attributes lists what is known of a person, in the order of the schema.
func attributes(u *directory.User) [][2]string {
	doc := u.Resource()
	var rows [][2]string
	for _, a := range directory.UserSchema {
		path := attr.Path{URN: a.URN, Name: a.Name}
		v := path.Of(doc)
		if attr.Empty(v) || a.Name == "id" || a.Name == "active" || a.Name == "userName" || a.Name == "groups" {
			continue
		}
		rows = append(rows, flat(a.Name, v)...)
	}
	if custom, ok := doc[directory.Custom].(map[string]any); ok {
		for _, k := range sorted(custom) {
			rows = append(rows, [2]string{"custom." + k, value(custom[k])})
		}
	}
	return rows
}

// flat writes a value of several parts as rows.
func flat(name string, v any) [][2]string {
	switch v := v.(type) {
	case map[string]any:
		var rows [][2]string
		for _, k := range sorted(v) {
			rows = append(rows, flat(name+"."+k, v[k])...)
		}
		return rows
	case []any:
		var rows [][2]string
		for _, e := range v {
			rows = append(rows, [2]string{name, element(e)})
		}
		return rows
	}
	return [][2]string{{name, value(v)}}
}

// element is one of several values with what is said of it.
func element(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return value(v)
	}
	head, more := "", []string{}
	for _, k := range []string{"value", "formatted"} {
		if head == "" {
			head = text(m[k])
		}
	}
	if head == "" {
		var parts []string
		for _, k := range []string{"streetAddress", "postalCode", "locality", "region", "country"} {
			if part := text(m[k]); part != "" {
				parts = append(parts, part)
			}
		}
		head = strings.Join(parts, ", ")
	}
	if t := text(m["type"]); t != "" {
		more = append(more, t)
	}
	if m["primary"] == true {
		more = append(more, "primary")
	}
	if head == "" {
		return value(v)
	}
	if len(more) > 0 {
		head += " (" + strings.Join(more, ", ") + ")"
	}
	return head
}

// field is an input of a person's form.
type field struct{ Path, Label, Hint, Kind string }

// fields are what most people have; everything else is written as PATH=VALUE below them.
var fields = []field{
	{"userName", "userName", "Unique, usually the e-mail address.", "text"},
	{"name.givenName", "Given name", "", "text"},
	{"name.familyName", "Family name", "", "text"},
	{"displayName", "Display name", "", "text"},
	{`emails[primary eq true].value`, "E-mail", "", "email"},
	{"title", "Title", "", "text"},
	{"department", "Department", "", "text"},
	{"division", "Division", "", "text"},
	{"organization", "Organization", "", "text"},
	{"costCenter", "Cost center", "", "text"},
	{"employeeNumber", "Employee number", "", "text"},
	{"userType", "User type", "", "text"},
	{"manager", "Manager", "A userName.", "text"},
	{`phoneNumbers[type eq "work"].value`, "Phone, work", "", "tel"},
	{`phoneNumbers[type eq "mobile"].value`, "Phone, mobile", "", "tel"},
	{"preferredLanguage", "Preferred language", "Such as en-US.", "text"},
	{"locale", "Locale", "", "text"},
	{"timezone", "Time zone", "Such as Europe/Berlin.", "text"},
	{"externalId", "External id", "The source's own key.", "text"},
}

// userForm is a person's form as it was filled in.
type userForm struct {
	ID      string // "" for somebody new
	Version string // of the person when the form was opened
	Values  map[string]string
	More    string // further attributes, PATH=VALUE on each line
	Problem *admin.Problem
}

func (c *console) newUser(rq *request) error {
	return rq.ok(userFormPage(rq.page.titled("Add a user", crumb{"Users", "/users"}), userForm{Values: map[string]string{}}))
}

func (c *console) addUser(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	f := userForm{Values: map[string]string{}, More: get("more")}
	var given []string
	for _, x := range fields {
		v := strings.TrimSpace(get(x.Path))
		f.Values[x.Path] = v
		if v != "" && x.Path != "userName" {
			given = append(given, x.Path+"="+v)
		}
	}
	resource, err := rq.desk.AddUser(rq.Context(), f.Values["userName"], append(given, nonEmpty(f.More)...))
	if err != nil {
		f.Problem = admin.Explain(err)
		rq.show(422, userFormPage(rq.page.titled("Add a user", crumb{"Users", "/users"}), f))
		return nil
	}
	return rq.done(at("users", text(resource["id"])), f.Values["userName"]+" was added.")
}

// valuesOf reads what a person's form begins with.
func valuesOf(p admin.Person) map[string]string {
	doc, out := p.Resource(), map[string]string{}
	for _, x := range fields {
		if x.Path == "manager" {
			out[x.Path] = p.Manager
			continue
		}
		if path, _, err := directory.UserSchema.Canonical(x.Path); err == nil {
			if v := path.Of(doc); !attr.Empty(v) {
				out[x.Path] = fmt.Sprint(v)
			}
		}
	}
	return out
}

func version(t time.Time) string { return fmt.Sprint(t.UnixMilli()) }

func (c *console) editUser(rq *request) error {
	p, err := rq.desk.Person(rq.Context(), rq.PathValue("id"))
	if err != nil {
		return err
	}
	f := userForm{ID: p.ID, Version: version(p.Modified), Values: valuesOf(p)}
	return rq.ok(userFormPage(rq.page.titled("Edit "+p.UserName, crumb{"Users", "/users"}, crumb{p.UserName, at("users", p.ID)}), f))
}

// saveUser sends what the form changed, and nothing else: what somebody else changed meanwhile in
// another field stays; what both changed is shown before it is overwritten.
func (c *console) saveUser(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	p, err := rq.desk.Person(rq.Context(), rq.PathValue("id"))
	if err != nil {
		return err
	}
	f := userForm{ID: p.ID, Version: version(p.Modified), Values: map[string]string{}, More: get("more")}
	now := valuesOf(p)
	var edits, clash []string
	for _, x := range fields {
		v, opened := strings.TrimSpace(get(x.Path)), get("was "+x.Path)
		f.Values[x.Path] = v
		if v == opened {
			f.Values[x.Path] = now[x.Path]
			continue
		}
		if now[x.Path] != opened && now[x.Path] != v {
			clash = append(clash, x.Label+" is "+value(now[x.Path])+" by now")
		}
		edits = append(edits, x.Path+"="+v)
	}
	title := rq.page.titled("Edit "+p.UserName, crumb{"Users", "/users"}, crumb{p.UserName, at("users", p.ID)})
	if len(clash) > 0 && get("version") != f.Version {
		f.Problem = &admin.Problem{Message: "Somebody else has changed this person meanwhile: " + strings.Join(clash, "; "), Next: "look at what is there, and save again to put yours in its place"}
		rq.show(409, userFormPage(title, f))
		return nil
	}
	_, changed, err := rq.desk.SetUser(rq.Context(), p.ID, append(edits, nonEmpty(f.More)...))
	if err != nil {
		f.Problem = admin.Explain(err)
		rq.show(422, userFormPage(title, f))
		return nil
	}
	if !changed {
		return rq.done(at("users", p.ID), "Nothing was different.")
	}
	return rq.done(at("users", p.ID), "Saved. The applications follow by themselves.")
}

// nonEmpty returns the lines of a text that hold something.
func nonEmpty(s string) []string {
	var out []string
	for _, l := range strings.Split(s, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

func (c *console) setActive(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	active := get("active") == "true"
	if _, _, err := rq.desk.SetUser(rq.Context(), rq.PathValue("id"), []string{fmt.Sprintf("active=%t", active)}); err != nil {
		return err
	}
	said := "Deactivated. The accounts follow by themselves."
	if active {
		said = "Activated. The accounts follow by themselves."
	}
	return rq.done(at("users", rq.PathValue("id")), said)
}

func (c *console) deleteUser(rq *request) error {
	u, err := rq.desk.DeleteUser(rq.Context(), rq.PathValue("id"), false)
	if err != nil {
		return err
	}
	return rq.done("/users", u.UserName+" was deleted from the directory.", "The accounts follow by themselves, as each application says (on_delete).")
}
