package main

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
)

type signinCmd struct {
	OIDC oidcCmd `cmd:"" name:"oidc" help:"Single sign-on by OpenID Connect."`
}

type oidcCmd struct {
	Show   oidcShowCmd   `cmd:"" help:"Show how single sign-on is set up, without the client secret."`
	Set    oidcSetCmd    `cmd:"" help:"Set single sign-on up, or change it."`
	Test   oidcTestCmd   `cmd:"" help:"Ask the identity provider whether it is one."`
	Remove oidcRemoveCmd `cmd:"" help:"End single sign-on."`
}

type oidcShowCmd struct{}

// Run implements the verb.
func (c *oidcShowCmd) Run(s *session) error {
	desk, st, end, err := s.open(true)
	if err != nil {
		return err
	}
	defer end()
	o, err := desk.SingleSignOn(s)
	if err != nil {
		return err
	}
	base, err := st.PublicURL(s)
	if err != nil {
		return err
	}
	showSingleSignOn(s, o, base)
	return nil
}

// showSingleSignOn prints the settings.
func showSingleSignOn(s *session, o *store.SingleSignOn, base string) {
	callback := cmp.Or(base, "https://YOUR-MUSTER") + signin.CallbackPath
	s.show(map[string]any{"single_sign_on": o, "redirect_uri": callback}, func() {
		if o == nil {
			s.say("single sign-on is not set up; register the redirect URI %s and see `muster signin oidc set --help`", callback)
			return
		}
		for _, row := range [][2]string{
			{"name", o.Name},
			{"issuer", o.Issuer},
			{"client id", o.ClientID},
			{"redirect URI", callback},
			{"scopes", strings.Join(o.Scopes, " ")},
			{"groups claim", o.GroupsClaim},
			{"name claim", o.NameClaim},
		} {
			s.say("%s  %s", pad(row[0], 12), plain(row[1]))
		}
		for _, group := range slices.Sorted(maps.Keys(o.Roles)) {
			s.say("%s  %s: %s", pad("group", 12), plain(group), o.Roles[group])
		}
	})
}

type oidcSetCmd struct {
	Issuer           string   `placeholder:"URL" help:"Issuer of the identity provider."`
	ClientID         string   `placeholder:"ID" help:"Id that the identity provider gave to Muster."`
	ClientSecretFile string   `placeholder:"FILE" help:"File with the client secret; - reads standard input. Without it the sealed one stays; an empty file is for a public client."`
	Group            []string `sep:"none" placeholder:"GROUP=ROLE" help:"Role of a group, as the claim writes it; again for each. Given, it replaces all there were."`
	GroupsClaim      string   `placeholder:"CLAIM" help:"Claim with the groups (groups)."`
	NameClaim        string   `placeholder:"CLAIM" help:"Claim that a new administrator is called by (preferred_username)."`
	Scope            []string `placeholder:"SCOPE" help:"Scopes to ask for (openid profile email)."`
	Name             string   `placeholder:"NAME" help:"What stands on the button; without it the issuer's host."`
	Unchecked        bool     `help:"Do not ask the identity provider whether it is one."`
}

// Help implements [kong.HelpProvider].
func (oidcSetCmd) Help() string {
	return `Only who is in a group that has a role gets in, with the highest of their roles;
it is looked at again at every sign-in. What is not given stays as it is.

  muster signin oidc set --name "Example" --issuer https://id.example.org \
    --client-id muster --client-secret-file secret.txt \
    --group "Muster Owners=owner" --group "Helpdesk=operator"`
}

// Run implements the verb.
func (c *oidcSetCmd) Run(s *session) error {
	desk, st, end, err := s.open(false)
	if err != nil {
		return err
	}
	defer end()
	before, err := desk.SingleSignOn(s)
	if err != nil {
		return err
	}
	if before == nil {
		before = &store.SingleSignOn{}
	}
	o, err := c.over(*before)
	if err != nil {
		return err
	}
	secret, err := c.secret(s)
	if err != nil {
		return err
	}
	if o, err = admin.CompleteSingleSignOn(o); err != nil {
		return err
	}
	if !c.Unchecked {
		if err := askProvider(s, st, &o); err != nil {
			return err
		}
	}
	kept, err := desk.SetSingleSignOn(s, o, secret)
	if err != nil {
		return err
	}
	base, err := st.PublicURL(s)
	if err != nil {
		return err
	}
	showSingleSignOn(s, kept, base)
	return nil
}

// over puts what was given over what there was.
func (c *oidcSetCmd) over(o store.SingleSignOn) (store.SingleSignOn, error) {
	for given, into := range map[*string]*string{&c.Issuer: &o.Issuer, &c.ClientID: &o.ClientID, &c.GroupsClaim: &o.GroupsClaim, &c.NameClaim: &o.NameClaim, &c.Name: &o.Name} {
		*into = cmp.Or(*given, *into)
	}
	if len(c.Scope) > 0 {
		o.Scopes = c.Scope
	}
	if len(c.Group) > 0 {
		o.Roles = map[string]string{}
	}
	for _, g := range c.Group {
		at := strings.LastIndexByte(g, '=')
		if at < 1 {
			return o, &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: "--group takes GROUP=ROLE, and not " + g, Next: `for example --group "Helpdesk=operator"`}
		}
		o.Roles[g[:at]] = g[at+1:]
	}
	return o, nil
}

// secret reads the client secret, nil when none was given.
func (c *oidcSetCmd) secret(s *session) (*string, error) {
	if c.ClientSecretFile == "" {
		return nil, nil
	}
	var text []byte
	var err error
	if c.ClientSecretFile == "-" {
		text, err = io.ReadAll(io.LimitReader(s.in, 1<<16))
	} else {
		text, err = os.ReadFile(c.ClientSecretFile)
	}
	if err != nil {
		return nil, &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: "the client secret cannot be read", Next: "check --client-secret-file", Err: err}
	}
	secret := strings.TrimSpace(string(text))
	return &secret, nil
}

// askProvider refuses settings whose identity provider does not answer as one.
func askProvider(s *session, st *store.Store, o *store.SingleSignOn) error {
	gate, err := signin.New(st, signin.Options{Log: s.log()})
	if err != nil {
		return err
	}
	err = gate.CheckSingleSignOn(s, o)
	var refused *signin.Refusal
	if errors.As(err, &refused) {
		return &admin.Problem{Exit: admin.ExitTarget, Code: "identity_provider", Message: refused.Reason, Next: refused.Next, Err: err}
	}
	return err
}

type oidcTestCmd struct{}

// Run implements the verb.
func (c *oidcTestCmd) Run(s *session) error {
	desk, st, end, err := s.open(true)
	if err != nil {
		return err
	}
	defer end()
	o, err := desk.SingleSignOn(s)
	if err != nil {
		return err
	}
	if o == nil {
		return &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: "single sign-on is not set up", Next: "see `muster signin oidc set --help`"}
	}
	if err := askProvider(s, st, o); err != nil {
		return err
	}
	s.show(map[string]bool{"ok": true}, func() { s.say("%s answers as an identity provider", plain(o.Issuer)) })
	return nil
}

type oidcRemoveCmd struct{}

// Run implements the verb.
func (c *oidcRemoveCmd) Run(s *session) error {
	desk, _, end, err := s.open(false)
	if err != nil {
		return err
	}
	defer end()
	if err := desk.RemoveSingleSignOn(s); err != nil {
		return err
	}
	s.show(map[string]bool{"removed": true}, func() {
		s.say("single sign-on has ended; whoever came in by it needs a link: `muster admin reset-password NAME`")
	})
	return nil
}
