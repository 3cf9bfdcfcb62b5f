package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/store"
)

// Role is what somebody may do. Each role may also do what those before it may.
type Role string

// The roles, from the least to the most.
const (
	Reader   Role = "reader"   // looks at everything but secrets
	Operator Role = "operator" // also plans, runs cycles, tests connections, provisions, approves and rejects
	Admin    Role = "admin"    // also changes the directory, applications and their configuration
	Owner    Role = "owner"    // also gives rights (tokens), says how long logs are kept, takes backups
)

// Roles are all roles, from the least to the most.
var Roles = []Role{Reader, Operator, Admin, Owner}

// May reports whether the role includes another. What is no role includes nothing.
func (r Role) May(need Role) bool {
	have, want := slices.Index(Roles, r), slices.Index(Roles, need)
	return have >= 0 && want >= 0 && have >= want
}

// ParseRole reads a role.
func ParseRole(text string) (Role, error) {
	if r := Role(strings.ToLower(strings.TrimSpace(text))); slices.Contains(Roles, r) {
		return r, nil
	}
	return "", usage("usage", "roles are reader, operator, admin and owner", "there is no role %q", text)
}

// IssuedToken is a token that was made just now: the only time that it is shown.
type IssuedToken struct {
	store.Token
	Secret string `json:"token"`
}

// TokenRequest says what token is wanted.
type TokenRequest struct {
	Role    string     `json:"role" doc:"reader, operator, admin or owner."`
	Name    string     `json:"name,omitempty" maxLength:"200" doc:"From the role and the time, when it is left out."`
	Expires *time.Time `json:"expires,omitempty" doc:"Never, when it is left out."`
}

// CreateToken makes a token.
func (d *Desk) CreateToken(ctx context.Context, t TokenRequest) (IssuedToken, error) {
	role, err := ParseRole(t.Role)
	if err != nil {
		return IssuedToken{}, err
	}
	name := cmp.Or(t.Name, fmt.Sprintf("%s-%s", role, d.store.Now().Format("20060102-150405.000")))
	made, secret, err := d.store.CreateToken(ctx, d.by, store.Token{Name: name, Role: string(role), Expires: t.Expires})
	return IssuedToken{Token: made, Secret: secret}, err
}

// Tokens returns all tokens by name, without what is sent as the token.
func (d *Desk) Tokens(ctx context.Context) ([]store.Token, error) { return d.store.Tokens(ctx) }

// RevokeToken takes a token away, by name or id: from then on nobody gets in with it.
func (d *Desk) RevokeToken(ctx context.Context, name string) (store.Token, error) {
	return d.store.RevokeToken(ctx, d.by, name)
}

// Admit returns the token that a program has shown; store.ErrNotFound when it lets nobody in.
func (d *Desk) Admit(ctx context.Context, secret string) (store.Token, error) {
	return d.store.TokenBySecret(ctx, secret)
}
