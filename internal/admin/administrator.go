package admin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
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
	role, err := ParseRole(string(role))
	if err != nil {
		return store.Administrator{}, err
	}
	return d.store.SetAdministratorRole(ctx, d.by, name, string(role))
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

// SingleSignOn returns the settings of single sign-on, nil when there are none. The client secret is
// never in them.
func (d *Desk) SingleSignOn(ctx context.Context) (*store.SingleSignOn, error) {
	return d.store.SingleSignOn(ctx)
}

// SetSingleSignOn sets single sign-on up. What is left empty gets its default; a secret that is nil
// stays as it is, and an empty one is that of a public client.
func (d *Desk) SetSingleSignOn(ctx context.Context, o store.SingleSignOn, secret *string) (*store.SingleSignOn, error) {
	o, err := CompleteSingleSignOn(o)
	if err != nil {
		return nil, err
	}
	return &o, d.store.SetSingleSignOn(ctx, d.by, &o, secret)
}

// RemoveSingleSignOn ends single sign-on. Administrators who came in by it stay, and need a link to
// get in.
func (d *Desk) RemoveSingleSignOn(ctx context.Context) error {
	return d.store.SetSingleSignOn(ctx, d.by, nil, nil)
}

// CompleteSingleSignOn fills in what is left empty and refuses what cannot work.
func CompleteSingleSignOn(o store.SingleSignOn) (store.SingleSignOn, error) {
	const next = "`muster signin oidc set --help` tells what each is"
	o.Issuer, o.ClientID = strings.TrimSpace(o.Issuer), strings.TrimSpace(o.ClientID)
	u, err := url.Parse(o.Issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return o, usage("usage", next, "the issuer %q is not a URL", o.Issuer)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return o, usage("usage", "use https", "the issuer %s would be asked without encryption", o.Issuer)
	case o.ClientID == "":
		return o, usage("usage", next, "the client's id is missing")
	case len(o.Roles) == 0:
		return o, usage("usage", "name at least one group: only who is in one gets in", "no group gives a role")
	}
	roles := map[string]string{}
	for _, group := range slices.Sorted(maps.Keys(o.Roles)) {
		role, err := ParseRole(o.Roles[group])
		if err != nil {
			return o, usage("usage", "roles are reader, operator, admin and owner", "group %s is to give the role %q, which there is not", group, o.Roles[group])
		}
		if strings.TrimSpace(group) == "" {
			return o, usage("usage", "write the group as the identity provider's claim does", "a group without a name is to give the role %s", role)
		}
		roles[group] = string(role)
	}
	o.Roles = roles
	o.Name = cmp.Or(strings.TrimSpace(o.Name), u.Hostname())
	o.GroupsClaim, o.NameClaim = cmp.Or(o.GroupsClaim, "groups"), cmp.Or(o.NameClaim, "preferred_username")
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"openid", "profile", "email"}
	}
	if !slices.Contains(o.Scopes, "openid") {
		o.Scopes = append([]string{"openid"}, o.Scopes...)
	}
	return o, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
