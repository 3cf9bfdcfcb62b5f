package web

import (
	"context"
	"net/http"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/store"
)

func (s *Server) signIn() {
	route(s, operation(http.MethodGet, "/sign-in", "get-sign-in", "Show how administrators get in"),
		func(ctx context.Context, d *admin.Desk, _ *none) (*setting[admin.SignIn], error) {
			in, err := d.SignIn(ctx)
			return at(ctx, d, store.SingleSignOnSetting, in, err)
		})
	route(s, operation(http.MethodPut, "/sign-in/local", "set-local-sign-in", "Say whether passwords, passkeys and links let people in, or single sign-on alone"),
		func(ctx context.Context, d *admin.Desk, in *body[api.LocalSignIn]) (*answer[admin.SignIn], error) {
			return answered(d.SetLocalSignIn(ctx, in.Body.Allowed))
		})
	route(s, operation(http.MethodPut, "/sign-in/oidc", "set-single-sign-on", "Set single sign-on by OpenID Connect up"),
		func(ctx context.Context, d *admin.Desk, in *struct {
			Match
			Body api.SingleSignOn
		},
		) (*setting[admin.SignIn], error) {
			done, err := d.SetSingleSignOnIf(ctx, in.IfMatch, provider(in.Body), in.Body.Secret)
			return at(ctx, d, store.SingleSignOnSetting, done, err)
		})
	route(s, operation(http.MethodDelete, "/sign-in/oidc", "remove-single-sign-on", "End single sign-on"),
		func(ctx context.Context, d *admin.Desk, _ *none) (*answer[admin.SignIn], error) {
			if err := d.RemoveSingleSignOn(ctx); err != nil {
				return nil, err
			}
			return answered(d.SignIn(ctx))
		})
	route(s, operation(http.MethodPost, "/sign-in/oidc/test", "test-single-sign-on", "Ask an identity provider whether it is one"),
		func(ctx context.Context, d *admin.Desk, in *body[api.SignInProbe]) (*answer[admin.SignInTest], error) {
			if in.Body.SingleSignOn == nil {
				return answered(d.TestSingleSignOn(ctx, nil))
			}
			o, err := admin.CompleteSingleSignOn(provider(*in.Body.SingleSignOn))
			if err != nil {
				return nil, err
			}
			return answered(d.TestSingleSignOn(ctx, &o))
		})
}

// provider is the identity provider that a request speaks of, without its secret.
func provider(in api.SingleSignOn) store.SingleSignOn {
	return store.SingleSignOn{
		Name: in.Name, Issuer: in.Issuer, ClientID: in.ClientID, Scopes: in.Scopes, GroupsClaim: in.GroupsClaim, NameClaim: in.NameClaim, Roles: in.Roles,
	}
}
