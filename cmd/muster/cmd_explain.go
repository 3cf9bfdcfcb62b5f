package main

import (
	"github.com/muster-id/muster/internal/admin"
)

type explainCmd struct {
	App  string `arg:"" help:"Name or id of the application."`
	User string `required:"" placeholder:"NAME" help:"userName, e-mail address or id."`
}

// Run implements the verb.
func (c *explainCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	x, err := desk.Explain(s, c.App, c.User)
	if err != nil {
		return err
	}
	s.show(x, func() {
		verdict := s.red("is not to have an account in")
		if x.Verdict == "in_scope" {
			verdict = s.green("is to have an account in")
		}
		s.say("%s %s %s", s.bold(plain(x.User)), verdict, plain(x.Application))
		printRules(s, x)
		account := "has none"
		if x.Account.ID != nil {
			account = x.Account.State + ", " + *x.Account.ID
		}
		s.say("account: %s", plain(account))
		if len(x.Pending) == 0 {
			s.say("pending: nothing")
			return
		}
		s.say("pending:")
		p := &planPrinter{session: s, group: "pending"}
		for _, o := range x.Pending {
			p.group = marks[o.Action].heading
			p.operation(o)
		}
		for _, why := range p.holds {
			s.say("%s", s.wrapped("  HELD because ", 15, why))
		}
	})
	return nil
}

// printRules prints the rules that were asked, in their order, the deciding one marked.
func printRules(s *session, x admin.Explanation) {
	for i, r := range x.Rules {
		sign := s.green("✓")
		if !r.Result {
			sign = s.red("✗")
		}
		detail := r.Detail
		if i == x.Deciding {
			detail += " ← this decides"
		}
		s.say("%s", s.wrapped("  "+sign+" "+pad(r.Rule, 10)+" ", 15, detail))
	}
}
