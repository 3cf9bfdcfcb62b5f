package admin

import (
	"cmp"
	"context"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/muster-id/muster/internal/store"
)

// CallbackPath is where the identity provider sends people back to.
const CallbackPath = "/signin/callback"

// SignIn is how people get in.
type SignIn struct {
	SingleSignOn *store.SingleSignOn `json:"single_sign_on"` // null: there is none; the client secret is never in it
	Secret       bool                `json:"client_secret"`  // whether one is sealed
	RedirectURI  string              `json:"redirect_uri"`   // what is registered at the identity provider
	Local        bool                `json:"local"`          // passwords, passkeys and links let people in
}

// SignIn returns how people get in.
func (d *Desk) SignIn(ctx context.Context) (SignIn, error) {
	var s SignIn
	var err error
	if s.SingleSignOn, err = d.store.SingleSignOn(ctx); err != nil {
		return s, err
	}
	if s.Secret, err = d.store.HasClientSecret(ctx); err != nil {
		return s, err
	}
	if s.Local, err = d.store.LocalSignIn(ctx); err != nil {
		return s, err
	}
	base, err := d.store.PublicURL(ctx)
	s.RedirectURI = cmp.Or(base, "https://YOUR-MUSTER") + CallbackPath
	return s, err
}

// SetLocalSignIn says whether passwords, passkeys and links let people in, or single sign-on alone. Whoever
// signed in by them is signed out when it is the latter.
func (d *Desk) SetLocalSignIn(ctx context.Context, allowed bool) (SignIn, error) {
	if err := d.store.SetLocalSignIn(ctx, d.by, allowed); err != nil {
		return SignIn{}, err
	}
	return d.SignIn(ctx)
}

// SignInTest is what an identity provider says of itself.
type SignInTest struct {
	OK            bool     `json:"ok"`
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Warnings      []string `json:"warnings"` // what may keep people out
}

// TestSingleSignOn asks an identity provider whether it is one, and whether it has what the settings want
// of it. Without settings it is the one that is set up.
func (d *Desk) TestSingleSignOn(ctx context.Context, o *store.SingleSignOn) (SignInTest, error) {
	if o == nil {
		var err error
		if o, err = d.store.SingleSignOn(ctx); err != nil {
			return SignInTest{}, err
		}
	}
	if o == nil {
		return SignInTest{}, usage("usage", "see `muster signin oidc set --help`", "single sign-on is not set up")
	}
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, ProviderClient()), o.Issuer)
	if err != nil {
		return SignInTest{}, &Problem{
			Exit: ExitTarget, Code: "identity_provider", Message: "the identity provider at " + o.Issuer + " does not answer as one",
			Next: "check the issuer: " + strings.TrimSuffix(o.Issuer, "/") + "/.well-known/openid-configuration has to name exactly it. The cause: " + shortened(err.Error(), 300), Err: err,
		}
	}
	t := SignInTest{OK: true, Issuer: o.Issuer, Authorization: p.Endpoint().AuthURL, Token: p.Endpoint().TokenURL, Warnings: []string{}}
	if t.Authorization == "" || t.Token == "" {
		return SignInTest{}, &Problem{Exit: ExitTarget, Code: "identity_provider", Message: "the identity provider at " + o.Issuer + " names no place to sign in", Next: "check that it is an OpenID Connect issuer"}
	}
	var says struct {
		Scopes []string `json:"scopes_supported"`
		Claims []string `json:"claims_supported"`
	}
	if err := p.Claims(&says); err != nil {
		return t, nil // these two are optional, and what cannot be read warns of nothing
	}
	for _, scope := range o.Scopes {
		if len(says.Scopes) > 0 && !slices.Contains(says.Scopes, scope) {
			t.Warnings = append(t.Warnings, "it does not list the scope "+scope)
		}
	}
	for _, claim := range []string{o.GroupsClaim, o.NameClaim} {
		if len(says.Claims) > 0 && claim != "" && !slices.Contains(says.Claims, claim) {
			t.Warnings = append(t.Warnings, "it does not list the claim "+claim+": see that it sends it")
		}
	}
	return t, nil
}

func shortened(s string, to int) string {
	if len(s) <= to {
		return s
	}
	return strings.ToValidUTF8(s[:to], "") + "…"
}

// SetSingleSignOn sets single sign-on up. What is left empty gets its default; a secret that is nil
// stays as it is, and an empty one is that of a public client.
func (d *Desk) SetSingleSignOn(ctx context.Context, o store.SingleSignOn, secret *string) (SignIn, error) {
	return d.SetSingleSignOnIf(ctx, "", o, secret)
}

// SetSingleSignOnIf is [Desk.SetSingleSignOn] while the settings are at a version that match names.
func (d *Desk) SetSingleSignOnIf(ctx context.Context, match string, o store.SingleSignOn, secret *string) (SignIn, error) {
	o, err := CompleteSingleSignOn(o)
	if err != nil {
		return SignIn{}, err
	}
	if err := d.store.SetSingleSignOnIf(ctx, d.by, match, &o, secret); err != nil {
		return SignIn{}, err
	}
	return d.SignIn(ctx)
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
