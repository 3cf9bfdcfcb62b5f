package web

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/web/account"
)

// Principal is who sends a request.
type Principal struct {
	ID   string // of the token or the administrator; stands in the access log
	Name string // as the audit log names them
	Role admin.Role
	Via  string // api, console
}

// Actor is the principal as the audit log and the initiator of cycles name it.
func (p Principal) Actor() store.Actor {
	return store.Actor{Name: p.Name + " (" + string(p.Role) + ")", Via: p.Via}
}

// Authenticator finds out who sends a request by one means. It returns nil when the request does not
// use that means, and an error, which the sender is shown, when it does and is not let in.
type Authenticator func(*http.Request) (*Principal, error)

// unauthorized is the problem of whoever is not let in.
func unauthorized(message, next string) *admin.Problem {
	return &admin.Problem{Exit: admin.ExitTarget, Code: "unauthorized", Message: message, Next: next}
}

// byToken lets programs in: Authorization: Bearer muster_…
func byToken(desk *admin.Desk) Authenticator {
	return func(r *http.Request) (*Principal, error) {
		header := r.Header.Get("Authorization")
		if header == "" {
			return nil, nil
		}
		scheme, secret, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(secret) == "" {
			return nil, unauthorized("the Authorization header is no bearer token", "send Authorization: Bearer TOKEN")
		}
		t, err := desk.Admit(r.Context(), strings.TrimSpace(secret))
		if p := admin.Explain(err); p != nil && p.Code == string(store.ErrNotFound) {
			return nil, unauthorized(p.Message, "an owner makes another with `muster token create`")
		}
		if err != nil {
			return nil, err
		}
		return &Principal{ID: t.ID, Name: t.Name, Role: admin.Role(t.Role), Via: "api"}, nil
	}
}

type principalKey struct{}

// PrincipalOf returns who sent the request that a context belongs to; nil on routes for anyone.
func PrincipalOf(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}

// whileAdmitted returns a context that ends when whoever is told something for long may not know it any more: their
// token was revoked or has expired, their session has ended, their role is another. Work that they began goes on.
func (s *Server) whileAdmitted(ctx context.Context, r *http.Request, need admin.Role) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	again := r.Clone(context.WithValue(ctx, noteKey{}, &note{})) // the request's own note is about its beginning
	again.Header.Set(account.AgainHeader, "yes")
	go func() {
		t := time.NewTicker(s.requestTime / 6)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			_, err := s.admit(again, need)
			if p := admin.Explain(err); p != nil && (p.Code == "unauthorized" || p.Code == "forbidden") {
				cancel()
				return
			}
		}
	}()
	return ctx, cancel
}

// admit finds out who sends a request and whether they may. It returns the request with its
// principal.
func (s *Server) admit(r *http.Request, need admin.Role) (*http.Request, error) {
	if need == Anyone {
		return r, nil
	}
	for _, authenticate := range s.authenticate {
		p, err := authenticate(r)
		if err != nil {
			return r, err
		}
		if p == nil {
			continue
		}
		noteOf(r.Context()).principal = p.ID
		if !p.Role.May(need) {
			return r, &admin.Problem{
				Exit: admin.ExitTarget, Code: "forbidden", Message: cmp.Or(p.Name, "the principal") + " has the role " + string(p.Role) + ", and this needs " + string(need),
				Next: "ask an owner for that role",
			}
		}
		return r.WithContext(context.WithValue(r.Context(), principalKey{}, p)), nil
	}
	return r, unauthorized("nobody is signed in", "send a token (`muster token create`) as Authorization: Bearer TOKEN")
}
