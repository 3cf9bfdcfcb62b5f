package main

import (
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/admin"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token; it is shown this once."`
	List   tokenListCmd   `cmd:"" help:"List tokens, without what is sent as the token."`
	Revoke tokenRevokeCmd `cmd:"" help:"Take a token away."`
}

type tokenCreateCmd struct {
	Role    string `required:"" placeholder:"ROLE" help:"reader looks; operator also runs cycles, tests, approves; admin also changes directory and applications; owner also gives rights."`
	Name    string `placeholder:"NAME" help:"What the audit log calls it; without it the role and the time."`
	Expires string `placeholder:"AGE|TIME" help:"When it ends: 90d, 12h, 2027-01-31, or RFC 3339; without it never."`
}

// Help implements [kong.HelpProvider].
func (tokenCreateCmd) Help() string {
	return `  MUSTER_TOKEN=$(muster token create --role operator --name ci --expires 90d)
  export MUSTER_TOKEN MUSTER_SERVER=https://muster.example.org
  muster status`
}

// Run implements the verb.
func (c *tokenCreateCmd) Run(s *session) error {
	wish := admin.TokenRequest{Role: c.Role, Name: c.Name}
	if c.Expires != "" {
		at, err := until(c.Expires, time.Now())
		if err != nil {
			return err
		}
		wish.Expires = &at
	}
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	t, err := desk.CreateToken(s, wish)
	if err != nil {
		return err
	}
	s.show(t, func() {
		s.say("%s", t.Secret)
		s.note("token %s has the role %s and ends %s; it cannot be shown again", plain(t.Name), t.Role, ends(t.Expires))
	})
	return nil
}

// until reads a time to come, or how long it is until then.
func until(text string, now time.Time) (time.Time, error) {
	if d, err := age("expires", text); err == nil {
		return now.Add(time.Duration(d)), nil
	}
	if at, err := since(text, now); err == nil {
		return at, nil
	}
	return now, &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: fmt.Sprintf("--expires takes no %q", text), Next: "write 90d, 12h, 2027-01-31 or 2027-01-31T15:04:05Z"}
}

func ends(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return when(*at)
}

type tokenListCmd struct{}

// Run implements the verb.
func (c *tokenListCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	tokens, err := desk.Tokens(s)
	if err != nil {
		return err
	}
	s.show(map[string]any{"tokens": tokens}, func() {
		if len(tokens) == 0 {
			s.say("there are no tokens; `muster token create` makes one")
			return
		}
		t := &table{head: []string{"*TOKEN", "!ROLE", "ENDS", "LAST USED", "MADE BY"}}
		for _, k := range tokens {
			used := "never"
			if k.Used != nil {
				used = when(*k.Used)
			}
			t.add(k.Name, k.Role, ends(k.Expires), used, k.CreatedBy)
		}
		t.write(s.out, s.width, s.paint)
	})
	return nil
}

type tokenRevokeCmd struct {
	Name string `arg:"" placeholder:"TOKEN" help:"Name or id of the token."`
}

// Run implements the verb.
func (c *tokenRevokeCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	t, err := desk.RevokeToken(s, c.Name)
	if err != nil {
		return err
	}
	s.show(admin.Removed{ID: t.ID, Name: t.Name, How: "revoked"}, func() { s.say("revoked %s; nobody gets in with it any more", plain(t.Name)) })
	return nil
}
