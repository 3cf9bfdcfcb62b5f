package main

import "github.com/muster-id/muster/internal/admin"

type restartCmd struct {
	App       string `arg:"" help:"Name or id of the application."`
	Escrow    bool   `xor:"scope" required:"" help:"Forget failures, and try what failed again at once."`
	Watermark bool   `xor:"scope" required:"" help:"Look at everybody again."`
	Links     bool   `xor:"scope" required:"" help:"Match everybody in scope with the target's accounts again."`
	All       bool   `xor:"scope" required:"" help:"All of these."`
}

// Run implements the verb.
func (c *restartCmd) Run(s *session) error {
	scope := ""
	for name, chosen := range map[string]bool{"escrow": c.Escrow, "watermark": c.Watermark, "links": c.Links, "all": c.All} {
		if chosen {
			scope = name
		}
	}
	if scope == "" { // --links=false is no choice
		return &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: "what is to be forgotten?", Next: "take --escrow, --watermark, --links or --all"}
	}
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	r, err := desk.Restart(s, c.App, scope)
	if err != nil {
		return err
	}
	s.show(r, func() {
		s.say("%s: restarted %s; %s", plain(r.Application), r.Scope, r.Effect)
		s.note("next: muster plan %s", r.Application)
	})
	return nil
}
