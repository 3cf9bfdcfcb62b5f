package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/store"
)

// Administrators returns everybody who may use the console, by name.
func (d *Desk) Administrators(ctx context.Context) ([]store.Administrator, error) {
	return d.store.Administrators(ctx)
}

// WaysIn tells how somebody gets in, for people.
func WaysIn(a store.Administrator) (ways []string) {
	passkeys := fmt.Sprintf("%d passkeys", a.Passkeys)
	if a.Passkeys == 1 {
		passkeys = "1 passkey"
	}
	for _, way := range []struct {
		has  bool
		name string
	}{
		{a.Disabled, "disabled"},
		{a.Password && a.Authenticator, "password and app"},
		{a.Password && !a.Authenticator, "password"},
		{a.Passkeys > 0, passkeys},
		{a.Issuer != "", "single sign-on"},
		{a.Invited, "link not followed yet"},
	} {
		if way.has {
			ways = append(ways, way.name)
		}
	}
	return ways
}

// Administrator returns one of them, by name or id.
func (d *Desk) Administrator(ctx context.Context, name string) (store.Administrator, error) {
	return d.store.Administrator(ctx, name)
}

// Invited is an administrator with the one-time link that lets them set a password: the only time
// that it is shown.
type Invited struct {
	store.Administrator
	Link    string    `json:"link"`
	Expires time.Time `json:"link_expires"`
}

// AdministratorRequest asks for a new administrator.
type AdministratorRequest struct {
	Name string `json:"name" maxLength:"254" doc:"What they sign in with, such as their e-mail address."`
	Role string `json:"role" doc:"reader, operator, admin or owner."`
}

// AddAdministrator adds somebody and returns the link that is to be handed to them.
func (d *Desk) AddAdministrator(ctx context.Context, name string, role Role) (Invited, error) {
	role, err := ParseRole(string(role))
	if err != nil {
		return Invited{}, err
	}
	a, err := d.store.AddAdministrator(ctx, d.by, store.Administrator{Name: name, Role: string(role)})
	if err != nil {
		return Invited{}, err
	}
	return d.invite(ctx, a.ID, false)
}

// ResetAdministrator takes somebody's password and sessions at once and returns a link that sets
// another one. With everything set the authenticator app, the recovery codes and the passkeys go too:
// for whoever has lost them.
func (d *Desk) ResetAdministrator(ctx context.Context, name string, everything bool) (Invited, error) {
	return d.invite(ctx, name, everything)
}

func (d *Desk) invite(ctx context.Context, name string, everything bool) (Invited, error) {
	a, token, expires, err := d.store.IssueLink(ctx, d.by, name, everything)
	if err != nil {
		return Invited{}, err
	}
	base, err := d.store.PublicURL(ctx)
	if err != nil {
		return Invited{}, err
	}
	if a, err = d.store.Administrator(ctx, a.ID); err != nil {
		return Invited{}, err
	}
	return Invited{Administrator: a, Link: LinkURL(base, token), Expires: expires}, nil
}

// LinkURL is the address of a one-time link. The base is where the console is reached; without one it
// is a path.
func LinkURL(base, token string) string { return base + "/link/" + token }

// SetAdministratorRole gives somebody another role and ends their sessions. The last owner stays one.
func (d *Desk) SetAdministratorRole(ctx context.Context, name string, role Role) (store.Administrator, error) {
	return d.SetAdministratorRoleIf(ctx, "", name, role)
}

// SetAdministratorRoleIf is [Desk.SetAdministratorRole] while their rights are at a version that match names, as If-Match writes
// them: what another owner has changed meanwhile is not written over. "" asks for nothing.
func (d *Desk) SetAdministratorRoleIf(ctx context.Context, match, name string, role Role) (store.Administrator, error) {
	role, err := ParseRole(string(role))
	if err != nil {
		return store.Administrator{}, err
	}
	return d.store.SetAdministratorRoleIf(ctx, d.by, match, name, string(role))
}

// DisableAdministrator keeps somebody out and ends their sessions, or lets them in again. The last owner
// is not disabled.
func (d *Desk) DisableAdministrator(ctx context.Context, name string, disabled bool) (store.Administrator, error) {
	return d.store.DisableAdministrator(ctx, d.by, name, disabled)
}

// RemoveAdministrator removes somebody and ends their sessions. The last owner stays.
func (d *Desk) RemoveAdministrator(ctx context.Context, name string) (store.Administrator, error) {
	return d.store.RemoveAdministrator(ctx, d.by, name)
}

// AdministratorSessions returns the browsers in which somebody is signed in, the newest first.
func (d *Desk) AdministratorSessions(ctx context.Context, name string) ([]store.Session, error) {
	a, err := d.store.Administrator(ctx, name)
	if err != nil {
		return nil, err
	}
	return d.store.Sessions(ctx, a.ID, store.SessionIdle)
}

// EndAdministratorSessions signs somebody out everywhere and returns of how many browsers.
func (d *Desk) EndAdministratorSessions(ctx context.Context, name string) (int64, error) {
	a, err := d.store.Administrator(ctx, name)
	if err != nil {
		return 0, err
	}
	return d.store.EndSessions(ctx, d.by, a, "")
}
