package main

import (
	"cmp"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

type adminCmd struct {
	List    adminListCmd     `cmd:"" help:"List administrators: role, how they sign in, when they last did."`
	Add     adminAddCmd      `cmd:"" help:"Add an administrator and print the link that lets them set a password."`
	Reset   adminResetCmd    `cmd:"" name:"reset-password" help:"Take a password away and print the link that sets another one."`
	SetRole adminSetRoleCmd  `cmd:"" name:"set-role" help:"Give an administrator another role; their sessions end."`
	Disable adminDisableCmd  `cmd:"" help:"Keep an administrator out, with what they sign in with; their sessions end."`
	Enable  adminEnableCmd   `cmd:"" help:"Let a disabled administrator in again."`
	Remove  adminRemoveCmd   `cmd:"" help:"Remove an administrator; their sessions end."`
	Session adminSessionsCmd `cmd:"" name:"sessions" help:"List, or end, the sessions of an administrator."`
}

// Help implements [kong.HelpProvider].
func (adminCmd) Help() string {
	return `The roles: reader looks; operator also runs cycles, tests, approves; admin also
changes the directory and applications; owner also gives rights. Somebody who is
an owner and can sign in always stays.

Whoever is locked out and has the data directory gets back in:

  muster admin reset-password ada@example.org --second-factors`
}

type adminListCmd struct{}

// Run implements the verb.
func (c *adminListCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	list, err := desk.Administrators(s)
	if err != nil {
		return err
	}
	s.show(map[string]any{"administrators": list}, func() {
		if len(list) == 0 {
			s.say("there is no administrator; `muster serve` prints the link that makes the first")
			return
		}
		t := table{head: []string{"*NAME", "!ROLE", "SIGNS IN BY", "!LAST SIGN-IN"}}
		for _, a := range list {
			t.add(a.Name, a.Role, cmp.Or(strings.Join(admin.WaysIn(a), ", "), "nothing: needs a link"), lastSignIn(a))
		}
		t.write(s.out, s.width, s.paint)
	})
	return nil
}

func lastSignIn(a store.Administrator) string {
	if a.SignedIn == nil {
		return "never"
	}
	return when(*a.SignedIn)
}

type adminAddCmd struct {
	Name string `arg:"" help:"What they sign in with, such as their e-mail address."`
	Role string `required:"" placeholder:"ROLE" help:"owner, admin, operator or reader."`
}

// Run implements the verb.
func (c *adminAddCmd) Run(s *session) error {
	return invitation(s, func(desk desk) (admin.Invited, error) {
		return desk.AddAdministrator(s, c.Name, admin.Role(c.Role))
	})
}

type adminResetCmd struct {
	Name          string `arg:"" help:"Name or id."`
	SecondFactors bool   `help:"Remove the authenticator app, recovery codes and passkeys too: for whoever lost them."`
}

// Run implements the verb.
func (c *adminResetCmd) Run(s *session) error {
	return invitation(s, func(desk desk) (admin.Invited, error) {
		return desk.ResetAdministrator(s, c.Name, c.SecondFactors)
	})
}

// invitation prints the link that a wish ends in. It stands alone on stdout, for whoever sends it on.
func invitation(s *session, wish func(desk) (admin.Invited, error)) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	in, err := wish(desk)
	if err != nil {
		return err
	}
	s.show(in, func() {
		s.say("%s", in.Link)
		s.note("hand this link to %s (%s): it works once, until %s, and cannot be shown again", plain(in.Name), in.Role, when(in.Expires))
		if strings.HasPrefix(in.Link, "/") {
			s.note("put the address of the console before it: `muster serve` has not run here yet")
		}
	})
	return nil
}

type adminSetRoleCmd struct {
	Name string `arg:"" help:"Name or id."`
	Role string `arg:"" help:"owner, admin, operator or reader."`
}

// Run implements the verb.
func (c *adminSetRoleCmd) Run(s *session) error {
	return changed(s, func(desk desk) (store.Administrator, error) {
		return desk.SetAdministratorRole(s, c.Name, admin.Role(c.Role))
	},
		func(a store.Administrator) { s.say("%s has the role %s", plain(a.Name), a.Role) })
}

type adminDisableCmd struct {
	Name string `arg:"" help:"Name or id."`
}

// Run implements the verb.
func (c *adminDisableCmd) Run(s *session) error {
	return changed(s, func(desk desk) (store.Administrator, error) { return desk.DisableAdministrator(s, c.Name, true) },
		func(a store.Administrator) { s.say("disabled %s", plain(a.Name)) })
}

type adminEnableCmd struct {
	Name string `arg:"" help:"Name or id."`
}

// Run implements the verb.
func (c *adminEnableCmd) Run(s *session) error {
	return changed(s, func(desk desk) (store.Administrator, error) { return desk.DisableAdministrator(s, c.Name, false) },
		func(a store.Administrator) { s.say("enabled %s", plain(a.Name)) })
}

type adminRemoveCmd struct {
	Name string `arg:"" help:"Name or id."`
}

// Run implements the verb.
func (c *adminRemoveCmd) Run(s *session) error {
	return changed(s, func(desk desk) (store.Administrator, error) { return desk.RemoveAdministrator(s, c.Name) },
		func(a store.Administrator) { s.say("removed %s", plain(a.Name)) })
}

// changed carries a wish out and says what became of the administrator.
func changed(s *session, wish func(desk) (store.Administrator, error), text func(store.Administrator)) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	a, err := wish(desk)
	if err != nil {
		return err
	}
	s.show(a, func() { text(a) })
	return nil
}

type adminSessionsCmd struct {
	Name string `arg:"" help:"Name or id."`
	End  bool   `help:"Sign them out everywhere."`
}

// Run implements the verb.
func (c *adminSessionsCmd) Run(s *session) error {
	desk, end, err := s.reach(!c.End)
	if err != nil {
		return err
	}
	defer end()
	if c.End {
		n, err := desk.EndAdministratorSessions(s, c.Name)
		if err != nil {
			return err
		}
		s.show(map[string]int64{"ended": n}, func() { s.say("ended %s", count(int(n), "session", "sessions")) })
		return nil
	}
	list, err := desk.AdministratorSessions(s, c.Name)
	if err != nil {
		return err
	}
	s.show(map[string]any{"sessions": list}, func() {
		t := table{head: []string{"!SINCE", "!LAST USED", "!ADDRESS", "BY", "BROWSER"}}
		for _, n := range list {
			t.add(when(n.Created), n.Seen.Local().Format(time.DateTime), n.Address, n.Method, n.Agent)
		}
		t.write(s.out, s.width, s.paint)
	})
	return nil
}
