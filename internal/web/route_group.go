package web

import (
	"context"
	"net/http"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/store"
)

// GroupPath names a group in a path.
type GroupPath struct {
	Group string `path:"group" doc:"Display name or id."`
}

func (s *Server) groups() {
	type filter struct {
		Paged
		Search string `query:"search" doc:"Only those whose names contain this."`
	}
	route(s, operation(http.MethodGet, "/groups", "list-groups", "List groups by name"), func(ctx context.Context, d *admin.Desk, in *filter) (*answer[api.Groups], error) {
		groups, next, err := d.GroupPage(ctx, store.GroupQuery{Search: in.Search, After: in.Cursor, Limit: in.Limit})
		out := api.Groups{Groups: []api.Resource{}, Page: api.Page{Next: next}}
		for _, g := range groups {
			out.Groups = append(out.Groups, sourced(g.Resource(), g.Source))
		}
		return answered(out, err)
	})
	route(s, operation(http.MethodGet, "/groups/{group}", "get-group", "Show a group as a SCIM resource with its direct members"), func(ctx context.Context, d *admin.Desk, in *GroupPath) (*resource, error) {
		return versioned(d.Group(ctx, in.Group))
	})
	route(s, operation(http.MethodPost, "/groups", "create-group", "Add a group"), func(ctx context.Context, d *admin.Desk, in *body[api.NewGroup]) (*resource, error) {
		return versioned(d.AddGroup(ctx, in.Body.DisplayName, in.Body.Members))
	}, created, once)
	type edit struct {
		GroupPath
		Match
		Body api.Edit
	}
	route(s, operation(http.MethodPatch, "/groups/{group}", "edit-group", "Change attributes of a group, such as its displayName"), func(ctx context.Context, d *admin.Desk, in *edit) (*edition, error) {
		return edited(d.EditGroup(ctx, in.Group, in.Body.Attributes, in.IfMatch))
	})
	route(s, operation(http.MethodDelete, "/groups/{group}", "delete-group", "Take a group out of the directory"), func(ctx context.Context, d *admin.Desk, in *GroupPath) (*answer[admin.Removed], error) {
		return answered(d.DeleteGroup(ctx, in.Group))
	})
	type list struct {
		GroupPath
		Paged
	}
	route(s, operation(http.MethodGet, "/groups/{group}/members", "list-members", "List the direct members of a group by name"), func(ctx context.Context, d *admin.Desk, in *list) (*answer[api.Members], error) {
		g, err := d.GroupByName(ctx, in.Group)
		if err != nil {
			return nil, err
		}
		members, next, err := d.MemberPage(ctx, store.MemberQuery{Group: g.ID, After: in.Cursor, Limit: in.Limit})
		out := api.Members{Members: []api.Member{}, Page: api.Page{Next: next}}
		for _, m := range members {
			out.Members = append(out.Members, api.Member{Type: string(m.Kind), ID: m.ID, Name: m.Name})
		}
		return answered(out, err)
	})
	type change struct {
		GroupPath
		Body api.MemberEdit
	}
	route(s, operation(http.MethodPatch, "/groups/{group}/members", "edit-members", "Add members to a group and remove others, all of them or none"),
		func(ctx context.Context, d *admin.Desk, in *change) (*answer[admin.MemberChange], error) {
			return answered(d.EditMembers(ctx, in.Group, in.Body.Add, in.Body.Remove))
		})
}

// sourced adds to a document of a list which source brought it.
func sourced(doc api.Resource, source string) api.Resource {
	if source != "" {
		doc[api.SourceKey] = source
	}
	return doc
}
