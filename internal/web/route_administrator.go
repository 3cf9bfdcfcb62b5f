package web

import (
	"context"
	"net/http"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/store"
)

// AdministratorPath is the input of routes about one administrator.
type AdministratorPath struct {
	Admin string `path:"admin" doc:"Name or id."`
}

// rights answers with somebody and the version of what they may do.
func rights(a store.Administrator, err error) (*setting[store.Administrator], error) {
	if err != nil {
		return nil, err
	}
	return &setting[store.Administrator]{ETag: a.Version(), Body: a}, nil
}

func (s *Server) administrators() {
	route(s, operation(http.MethodGet, "/administrators", "list-administrators", "List administrators"),
		func(ctx context.Context, d *admin.Desk, _ *none) (*answer[api.Administrators], error) {
			list, err := d.Administrators(ctx)
			return answered(api.Administrators{Administrators: list}, err)
		})
	route(s, operation(http.MethodPost, "/administrators", "add-administrator", "Add an administrator; this answer alone shows the link that lets them in"),
		func(ctx context.Context, d *admin.Desk, in *body[admin.AdministratorRequest]) (*answer[admin.Invited], error) {
			return answered(d.AddAdministrator(ctx, in.Body.Name, admin.Role(in.Body.Role)))
		}, created, onceSecret)
	route(s, operation(http.MethodGet, "/administrators/{admin}", "show-administrator", "Show an administrator"),
		func(ctx context.Context, d *admin.Desk, in *AdministratorPath) (*setting[store.Administrator], error) {
			return rights(d.Administrator(ctx, in.Admin))
		})
	route(s, operation(http.MethodPatch, "/administrators/{admin}", "set-administrator-role", "Give an administrator another role; their sessions end"),
		func(ctx context.Context, d *admin.Desk, in *struct {
			AdministratorPath
			Match
			Body api.Role
		},
		) (*setting[store.Administrator], error) {
			return rights(d.SetAdministratorRoleIf(ctx, in.IfMatch, in.Admin, admin.Role(in.Body.Role)))
		})
	for action, disabled := range map[string]bool{"disable": true, "enable": false} {
		summary := map[bool]string{true: "Keep an administrator out; their sessions end", false: "Let an administrator in again"}[disabled]
		route(s, operation(http.MethodPost, "/administrators/{admin}/"+action, action+"-administrator", summary),
			func(ctx context.Context, d *admin.Desk, in *AdministratorPath) (*answer[store.Administrator], error) {
				return answered(d.DisableAdministrator(ctx, in.Admin, disabled))
			})
	}
	route(s, operation(http.MethodDelete, "/administrators/{admin}", "remove-administrator", "Remove an administrator; their sessions end"),
		func(ctx context.Context, d *admin.Desk, in *AdministratorPath) (*answer[store.Administrator], error) {
			return answered(d.RemoveAdministrator(ctx, in.Admin))
		})
	route(s, operation(http.MethodPost, "/administrators/{admin}/reset", "reset-administrator", "Take a password away; this answer alone shows the link that sets another"),
		func(ctx context.Context, d *admin.Desk, in *struct {
			AdministratorPath
			Body api.Reset
		},
		) (*answer[admin.Invited], error) {
			return answered(d.ResetAdministrator(ctx, in.Admin, in.Body.SecondFactors))
		})
	route(s, operation(http.MethodGet, "/administrators/{admin}/sessions", "list-sessions", "List the browsers in which an administrator is signed in"),
		func(ctx context.Context, d *admin.Desk, in *AdministratorPath) (*answer[api.Sessions], error) {
			list, err := d.AdministratorSessions(ctx, in.Admin)
			return answered(api.Sessions{Sessions: list}, err)
		})
	route(s, operation(http.MethodDelete, "/administrators/{admin}/sessions", "end-sessions", "Sign an administrator out everywhere"),
		func(ctx context.Context, d *admin.Desk, in *AdministratorPath) (*answer[api.Ended], error) {
			n, err := d.EndAdministratorSessions(ctx, in.Admin)
			return answered(api.Ended{Ended: n}, err)
		})
}
