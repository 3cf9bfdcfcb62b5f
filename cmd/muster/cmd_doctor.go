package main

import (
	"github.com/muster-id/muster/internal/admin"
)

type doctorCmd struct{}

// Run implements the verb.
func (c *doctorCmd) Run(s *session) error {
	checkup, err := c.look(s)
	if err != nil {
		return err
	}
	s.show(checkup, func() {
		for _, f := range checkup.Checks {
			s.say("%s", s.wrapped("  "+s.tick(f.Status)+" "+pad(f.Check, 14)+" ", 19, f.Detail))
			if f.Next != "" {
				s.say("%s", s.wrapped(pad("", 19)+"next: ", 25, f.Next))
			}
		}
	})
	if !checkup.OK {
		return exit(admin.ExitPartly)
	}
	return nil
}

// look has the server look at itself, or opens the state here: that may be what is wrong.
func (c *doctorCmd) look(s *session) (admin.Checkup, error) {
	if s.cli.Server != "" {
		desk, end, err := s.desk()
		if err != nil {
			return admin.Checkup{}, err
		}
		defer end()
		return desk.Doctor(s), nil
	}
	config, err := s.config(true)
	if err != nil {
		return admin.Checkup{}, err
	}
	return admin.Doctor(s, config, protocols), nil
}
