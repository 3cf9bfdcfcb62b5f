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
	Owner    Role = "owner"    // also gives rights: tokens; retention, erasing people, backups
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

// CreateToken makes a token. Without a name it gets one from its role; expires may be nil for never.
func (d *Desk) CreateToken(ctx context.Context, role Role, name string, expires *time.Time) (IssuedToken, error) {
	role, err := ParseRole(string(role))
	if err != nil {
		return IssuedToken{}, err
	}
	named := cmp.Or(name, fmt.Sprintf("%s-%s", role, d.store.Now().Format("20060102-150405.000")))
	t, secret, err := d.store.CreateToken(ctx, d.by, store.Token{Name: named, Role: string(role), Expires: expires})
	return IssuedToken{Token: t, Secret: secret}, err
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
