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

// DisableAdministrator is [admin.Desk.DisableAdministrator].
func (c *Client) DisableAdministrator(ctx context.Context, name string, disabled bool) (store.Administrator, error) {
	action := "enable"
	if disabled {
		action = "disable"
	}
	return ask[store.Administrator](ctx, c, administrator(http.MethodPost, name, action))
}

// SignIn is [admin.Desk.SignIn].
func (c *Client) SignIn(ctx context.Context) (admin.SignIn, error) {
	return ask[admin.SignIn](ctx, c, request{method: http.MethodGet, path: []string{"sign-in"}})
}

// SetLocalSignIn is [admin.Desk.SetLocalSignIn].
func (c *Client) SetLocalSignIn(ctx context.Context, allowed bool) (admin.SignIn, error) {
	return ask[admin.SignIn](ctx, c, request{method: http.MethodPut, path: []string{"sign-in", "local"}, body: api.LocalSignIn{Allowed: allowed}})
}

// SetSingleSignOn is [admin.Desk.SetSingleSignOn].
func (c *Client) SetSingleSignOn(ctx context.Context, o store.SingleSignOn, secret *string) (admin.SignIn, error) {
	sent := provider(o)
	sent.Secret = secret
	return ask[admin.SignIn](ctx, c, request{method: http.MethodPut, path: []string{"sign-in", "oidc"}, body: sent})
}

// RemoveSingleSignOn is [admin.Desk.RemoveSingleSignOn].
func (c *Client) RemoveSingleSignOn(ctx context.Context) error {
	_, err := ask[admin.SignIn](ctx, c, request{method: http.MethodDelete, path: []string{"sign-in", "oidc"}})
	return err
}

// TestSingleSignOn is [admin.Desk.TestSingleSignOn].
func (c *Client) TestSingleSignOn(ctx context.Context, o *store.SingleSignOn) (admin.SignInTest, error) {
	var probe api.SignInProbe
	if o != nil {
		sent := provider(*o)
		probe.SingleSignOn = &sent
	}
	return ask[admin.SignInTest](ctx, c, request{method: http.MethodPost, path: []string{"sign-in", "oidc", "test"}, body: probe})
}

func provider(o store.SingleSignOn) api.SingleSignOn {
	return api.SingleSignOn{
		Name: o.Name, Issuer: o.Issuer, ClientID: o.ClientID, Scopes: o.Scopes, GroupsClaim: o.GroupsClaim, NameClaim: o.NameClaim, Roles: o.Roles,
	}
}
