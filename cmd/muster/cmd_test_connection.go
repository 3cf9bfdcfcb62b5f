package main

import "github.com/muster-id/muster/internal/admin"

type testCmd struct {
	App string `arg:"" help:"Name or id of the application."`
}

// Run implements the verb.
func (c *testCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	d, err := desk.Test(s, c.App)
	if err != nil {
		return err
	}
	s.show(d, func() {
		if d.OK {
			s.say("%s %s", s.green("connected:"), plain(d.Message))
		} else {
			s.say("%s (%s) %s", s.red("not connected:"), d.Code, plain(d.Message))
		}
		if d.Next != "" {
			s.say("  next: %s", plain(d.Next))
		}
	})
	if !d.OK {
		return exit(admin.ExitTarget)
	}
	return nil
}
