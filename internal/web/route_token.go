package web

import (
	"context"
	"net/http"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/store"
)

func (s *Server) tokens() {
	route(s, operation(http.MethodGet, "/tokens", "list-tokens", "List tokens"), func(ctx context.Context, d *admin.Desk, _ *none) (*answer[api.Tokens], error) {
		tokens, err := d.Tokens(ctx)
		return answered(api.Tokens{Tokens: tokens}, err)
	})
	route(s, operation(http.MethodPost, "/tokens", "create-token", "Make a token; this answer alone shows it"),
		func(ctx context.Context, d *admin.Desk, in *body[admin.TokenRequest]) (*answer[admin.IssuedToken], error) {
			return answered(d.CreateToken(ctx, in.Body))
		}, created, onceSecret)
	type tokenPath struct {
		Token string `path:"token" doc:"Name or id."`
	}
	route(s, operation(http.MethodDelete, "/tokens/{token}", "revoke-token", "Revoke a token"), func(ctx context.Context, d *admin.Desk, in *tokenPath) (*answer[store.Token], error) {
		return answered(d.RevokeToken(ctx, in.Token))
	})
}
