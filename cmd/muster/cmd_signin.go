package main

import (
	"cmp"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

type signinCmd struct {
	OIDC  oidcCmd  `cmd:"" name:"oidc" help:"Single sign-on by OpenID Connect."`
	Local localCmd `cmd:"" help:"Say whether passwords and passkeys let people in, or single sign-on alone."`
}

type oidcCmd struct {
	Show   oidcShowCmd   `cmd:"" help:"Show how single sign-on is set up, without the client secret."`
	Set    oidcSetCmd    `cmd:"" help:"Set single sign-on up, or change it."`
	Test   oidcTestCmd   `cmd:"" help:"Ask the identity provider whether it is one."`
	Remove oidcRemoveCmd `cmd:"" help:"End single sign-on."`
}

type localCmd struct {
	Way string `arg:"" optional:"" enum:"on,off," default:"" placeholder:"on|off" help:"on or off; without it the answer is how it is."`
}

// Help implements [kong.HelpProvider].
func (localCmd) Help() string {
	return `Off, single sign-on alone lets people in, and whoever signed in otherwise is
signed out. An owner has to come in by single sign-on first. When the identity
provider is out of order, whoever has the data directory opens the door again:

  muster signin local on`
}

// Run implements the verb.
func (c *localCmd) Run(s *session) error {
	desk, end, err := s.reach(c.Way == "")
	if err != nil {
		return err
	}
	defer end()
	in, err := desk.SignIn(s)
	if err == nil && c.Way != "" {
		in, err = desk.SetLocalSignIn(s, c.Way == "on")
	}
	if err != nil {
		return err
	}
	s.show(map[string]bool{"local": in.Local}, func() {
		if in.Local {
			s.say("passwords and passkeys let people in")
			return
		}
		s.say("single sign-on alone lets people in")
	})
	return nil
}

type oidcShowCmd struct{}

// Run implements the verb.
func (c *oidcShowCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	in, err := desk.SignIn(s)
	if err != nil {
		return err
	}
	showSignIn(s, in)
	return nil
}

// showSignIn prints the settings.
func showSignIn(s *session, in admin.SignIn) {
	s.show(in, func() {
		o := in.SingleSignOn
		if o == nil {
			s.say("single sign-on is not set up; register the redirect URI %s and see `muster signin oidc set --help`", in.RedirectURI)
			return
		}
		for _, row := range [][2]string{
			{"name", o.Name},
			{"issuer", o.Issuer},
			{"client id", o.ClientID},
			{"redirect URI", in.RedirectURI},
			{"scopes", strings.Join(o.Scopes, " ")},
			{"groups claim", o.GroupsClaim},
			{"name claim", o.NameClaim},
		} {
			s.say("%s  %s", pad(row[0], 12), plain(row[1]))
		}
		for _, group := range slices.Sorted(maps.Keys(o.Roles)) {
			s.say("%s  %s: %s", pad("group", 12), plain(group), o.Roles[group])
		}
		if !in.Local {
			s.say("single sign-on alone lets people in")
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
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	before, err := desk.SignIn(s)
	if err != nil {
		return err
	}
	if before.SingleSignOn == nil {
		before.SingleSignOn = &store.SingleSignOn{}
	}
	o, err := c.over(*before.SingleSignOn)
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
		asked, err := desk.TestSingleSignOn(s, &o)
		if err != nil {
			return err
		}
		warned(s, asked)
	}
	in, err := desk.SetSingleSignOn(s, o, secret)
	if err != nil {
		return err
	}
	showSignIn(s, in)
	return nil
}

// warned says what may keep people out although the identity provider answers.
func warned(s *session, t admin.SignInTest) {
	for _, w := range t.Warnings {
		s.note("%s: %s", plain(t.Issuer), plain(w))
	}
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

type oidcTestCmd struct{}

// Run implements the verb.
func (c *oidcTestCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	t, err := desk.TestSingleSignOn(s, nil)
	if err != nil {
		return err
	}
	warned(s, t)
	s.show(t, func() { s.say("%s answers as an identity provider", plain(t.Issuer)) })
	return nil
}

type oidcRemoveCmd struct{}

// Run implements the verb.
func (c *oidcRemoveCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
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
