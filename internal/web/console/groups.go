package console

import (
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
)

type groupList struct {
	Groups              []directory.Group
	Search, After, Next string
}

func (c *console) groups(rq *request) error {
	l := groupList{Search: rq.FormValue("q"), After: rq.FormValue("after")}
	var err error
	if l.Groups, l.Next, err = rq.desk.GroupPage(rq.Context(), store.GroupQuery{Search: l.Search, After: l.After, Limit: pageSize}); err != nil {
		return err
	}
	if rq.partial("list") {
		return rq.ok(groupTable(l))
	}
	return rq.ok(groupsPage(rq.page.titled("Groups"), l))
}

func (c *console) addGroup(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	resource, err := rq.desk.AddGroup(rq.Context(), strings.TrimSpace(get("displayName")), nil)
	if err != nil {
		return err
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
}

func (c *console) group(rq *request) error { return c.showGroup(rq, 200, nil, "") }

// showGroup shows a group, with what went wrong where something did.
func (c *console) showGroup(rq *request, status int, problem *admin.Problem, typed string) error {
	ctx := rq.Context()
	g, err := rq.desk.GroupByName(ctx, rq.PathValue("id"))
	if err != nil {
		return err
	}
	v := groupView{Group: g, After: rq.FormValue("after"), Problem: problem, Typed: typed}
	if v.Members, v.Next, err = rq.desk.MemberPage(ctx, store.MemberQuery{Group: g.ID, After: v.After, Limit: pageSize}); err != nil {
		return err
	}
	if v.Accounts, err = rq.desk.AccountsOf(ctx, g.ID); err != nil {
		return err
	}
	rq.show(status, groupPage(rq.page.titled(g.DisplayName, crumb{"Groups", "/groups"}), v))
	return nil
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
		return c.showGroup(rq, 422, admin.Explain(err), get("add"))
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
