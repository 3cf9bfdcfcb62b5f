package client

import (
	"context"
	"net/http"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/store"
)

func administrator(method, name string, more ...string) request {
	return request{method: method, path: append([]string{"administrators", name}, more...)}
}

// Administrators is [admin.Desk.Administrators].
func (c *Client) Administrators(ctx context.Context) ([]store.Administrator, error) {
	list, err := ask[api.Administrators](ctx, c, request{method: http.MethodGet, path: []string{"administrators"}})
	return list.Administrators, err
}

// AddAdministrator is [admin.Desk.AddAdministrator].
func (c *Client) AddAdministrator(ctx context.Context, name string, role admin.Role) (admin.Invited, error) {
	return ask[admin.Invited](ctx, c, request{method: http.MethodPost, path: []string{"administrators"}, body: admin.AdministratorRequest{Name: name, Role: string(role)}})
}

// ResetAdministrator is [admin.Desk.ResetAdministrator].
func (c *Client) ResetAdministrator(ctx context.Context, name string, everything bool) (admin.Invited, error) {
	r := administrator(http.MethodPost, name, "reset")
	r.body = api.Reset{SecondFactors: everything}
	return ask[admin.Invited](ctx, c, r)
}

// SetAdministratorRole is [admin.Desk.SetAdministratorRole].
func (c *Client) SetAdministratorRole(ctx context.Context, name string, role admin.Role) (store.Administrator, error) {
	r := administrator(http.MethodPatch, name)
	r.body = api.Role{Role: string(role)}
	return ask[store.Administrator](ctx, c, r)
}

// RemoveAdministrator is [admin.Desk.RemoveAdministrator].
func (c *Client) RemoveAdministrator(ctx context.Context, name string) (store.Administrator, error) {
	return ask[store.Administrator](ctx, c, administrator(http.MethodDelete, name))
}

// AdministratorSessions is [admin.Desk.AdministratorSessions].
func (c *Client) AdministratorSessions(ctx context.Context, name string) ([]store.Session, error) {
	list, err := ask[api.Sessions](ctx, c, administrator(http.MethodGet, name, "sessions"))
	return list.Sessions, err
}

// EndAdministratorSessions is [admin.Desk.EndAdministratorSessions].
func (c *Client) EndAdministratorSessions(ctx context.Context, name string) (int64, error) {
	n, err := ask[api.Ended](ctx, c, administrator(http.MethodDelete, name, "sessions"))
	return n.Ended, err
}
