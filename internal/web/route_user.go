package web

import (
	"context"
	"net/http"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/store"
)

// UserPath names a user in a path.
type UserPath struct {
	User string `path:"user" doc:"userName, e-mail address or id."`
}

func (s *Server) users() {
	type filter struct {
		Paged
		Search  string `query:"search" doc:"Only those who have, for each word of this, a name, an address or a part of one that begins so; in the order of what was found."`
		Active  string `query:"active" enum:"true,false" doc:"Only those who are active, or only those who are not."`
		Deleted bool   `query:"deleted" doc:"Those who were deleted, instead of those who are there. Routes find them by id alone."`
	}
	route(s, operation(http.MethodGet, "/users", "list-users", "List users by userName"), func(ctx context.Context, d *admin.Desk, in *filter) (*answer[api.Users], error) {
		var inactive *bool
		if in.Active != "" {
			is := in.Active == "false"
			inactive = &is
		}
		users, next, err := d.UserPage(ctx, store.UserQuery{Search: in.Search, Inactive: inactive, Deleted: in.Deleted, After: in.Cursor, Limit: in.Limit})
		out := api.Users{Users: []api.Resource{}, Page: api.Page{Next: next}}
		for _, u := range users {
			out.Users = append(out.Users, sourced(u.Resource(), u.Source))
		}
		return answered(out, err)
	})
	route(s, operation(http.MethodGet, "/users/{user}", "get-user", "Show a user as a SCIM resource"), func(ctx context.Context, d *admin.Desk, in *UserPath) (*resource, error) {
		return versioned(d.User(ctx, in.User))
	})
	route(s, operation(http.MethodPost, "/users", "create-user", "Add a user"), func(ctx context.Context, d *admin.Desk, in *body[api.NewUser]) (*resource, error) {
		return versioned(d.CreateUser(ctx, in.Body.UserName, in.Body.Attributes))
	}, created, once)
	type edit struct {
		UserPath
		Match
		Body api.Edit
	}
	route(s, operation(http.MethodPatch, "/users/{user}", "edit-user", "Change attributes of a user"), func(ctx context.Context, d *admin.Desk, in *edit) (*edition, error) {
		return edited(d.EditUser(ctx, in.User, in.Body.Attributes, in.IfMatch))
	})
	type removal struct {
		UserPath
		How   string `query:"how" enum:"delete,purge,erase" default:"delete" doc:"purge removes the row for good; erase removes the person also from all logs."`
		Force bool   `query:"force" doc:"With erase: also while the person still has an active account."`
	}
	route(s, operation(http.MethodDelete, "/users/{user}", "delete-user", "Take a user out of the directory"), func(ctx context.Context, d *admin.Desk, in *removal) (*answer[admin.Removed], error) {
		return answered(d.RemoveUser(ctx, in.User, in.How, in.Force))
	})
}
