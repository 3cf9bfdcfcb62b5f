package main

import (
	"github.com/muster-id/muster/internal/admin"
)

type doctorCmd struct{}

// Run implements the verb.
func (c *doctorCmd) Run(s *session) error {
	config, err := s.config(true)
	if err != nil {
		return err
	}
	checkup := admin.Doctor(s, config, protocols)
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
