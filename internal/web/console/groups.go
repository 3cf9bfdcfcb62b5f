package console

import (
	"cmp"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
)

type groupList struct {
	Groups              []directory.Group
	Search, After, Next string
	Problem             *admin.Problem // with a new one
	Typed               string         // its name
}

func (c *console) groups(rq *request) error { return c.showGroups(rq, 200, groupList{}) }

func (c *console) showGroups(rq *request, status int, l groupList) error {
	l.Search, l.After = rq.FormValue("q"), rq.FormValue("after")
	var err error
	if l.Groups, l.Next, err = rq.desk.GroupPage(rq.Context(), store.GroupQuery{Search: l.Search, After: l.After, Limit: pageSize}); err != nil {
		return err
	}
	if rq.partial("list") {
		return rq.ok(groupTable(l))
	}
	rq.show(status, groupsPage(rq.page.titled("Groups"), l))
	return nil
}

func (c *console) addGroup(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	name := strings.TrimSpace(get("displayName"))
	resource, err := rq.desk.AddGroup(rq.Context(), name, nil)
	if err != nil {
		return c.showGroups(rq, 422, groupList{Problem: admin.Explain(err), Typed: name})
	}
	return rq.done(at("groups", text(resource["id"])), "The group was added. Now its members.")
}

type groupView struct {
	directory.Group
	Members     []directory.Member
	After, Next string
	Accounts    []admin.LinkedAccount
	Problem     *admin.Problem
	Typed       string // names that were to be added
	Called      string // the name that it was to get, "" for none
	Assigned    []store.Assigned
}

// name is what the field for it shows.
func (g groupView) name() string { return cmp.Or(g.Called, g.DisplayName) }

func (c *console) group(rq *request) error { return c.showGroup(rq, 200, groupView{}) }

// showGroup shows a group, with what went wrong where something did.
func (c *console) showGroup(rq *request, status int, v groupView) error {
	ctx := rq.Context()
	g, err := rq.desk.GroupByName(ctx, rq.PathValue("id"))
	if err != nil {
		return err
	}
	v.Group, v.After = g, rq.FormValue("after")
	if v.Members, v.Next, err = rq.desk.MemberPage(ctx, store.MemberQuery{Group: g.ID, After: v.After, Limit: pageSize}); err != nil {
		return err
	}
	if v.Accounts, err = rq.desk.AccountsOf(ctx, g.ID); err != nil {
		return err
	}
	if v.Assigned, err = rq.desk.AssignedTo(ctx, directory.KindGroup, g.ID); err != nil {
		return err
	}
	rq.show(status, groupPage(rq.page.titled(g.DisplayName, crumb{"Groups", "/groups"}), v))
	return nil
}

// renameGroup gives a group another name, unless somebody else was faster.
func (c *console) renameGroup(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	name := strings.TrimSpace(get("displayName"))
	_, changed, err := rq.desk.EditGroup(rq.Context(), rq.PathValue("id"), map[string]any{"displayName": name}, get("version"))
	if p := admin.Explain(err); p != nil {
		changedMeanwhile(p)
		return c.showGroup(rq, 422, groupView{Problem: p, Called: name})
	}
	if !changed {
		return rq.done(at("groups", rq.PathValue("id")), "Nothing was different.")
	}
	return rq.done(at("groups", rq.PathValue("id")), "The group is called "+name+" now.")
}

// editMembers adds those who are typed, or removes the one whose button was pressed.
func (c *console) editMembers(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	add := nonEmpty(strings.NewReplacer(",", "\n", ";", "\n").Replace(get("add")))
	var remove []string
	if id := get("remove"); id != "" {
		remove = []string{id}
	}
	change, err := rq.desk.EditMembers(rq.Context(), rq.PathValue("id"), add, remove)
	if err != nil {
		return c.showGroup(rq, 422, groupView{Problem: admin.Explain(err), Typed: get("add")})
	}
	said := "Nobody came or went."
	if change.Changed > 0 {
		said = counted(change.Changed, "member", "members") + " changed. The applications follow by themselves."
	}
	return rq.done(at("groups", rq.PathValue("id")), said)
}

func (c *console) deleteGroup(rq *request) error {
	g, err := rq.desk.DeleteGroup(rq.Context(), rq.PathValue("id"))
	if err != nil {
		return err
	}
	return rq.done("/groups", g.Name+" was deleted from the directory.")
}
