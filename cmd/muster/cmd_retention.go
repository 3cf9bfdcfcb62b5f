package main

import (
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
)

type retentionCmd struct {
	Operations string `placeholder:"AGE" help:"How long the provisioning log is kept: 90d, 720h, or 0 for ever."`
	Cycles     string `placeholder:"AGE" help:"How long the list of cycles is kept."`
	Audit      string `placeholder:"AGE" help:"How long the audit log is kept."`
	Changes    string `placeholder:"AGE" help:"How far an application may fall behind before it looks at everybody."`
}

// Help tells when rows go.
func (c *retentionCmd) Help() string {
	return "Old rows go once a day, after a cycle; what the thresholds still count stays.\n\n  muster retention --operations 90d --audit 0"
}

// Run implements the verb.
func (c *retentionCmd) Run(s *session) error {
	asked := *c != retentionCmd{}
	desk, end, err := s.reach(!asked)
	if err != nil {
		return err
	}
	defer end()
	r, err := desk.Retention(s)
	if err != nil {
		return err
	}
	logs := []struct {
		name, flag string
		keep       *provision.Duration
	}{
		{"operations", c.Operations, &r.Operations}, {"cycles", c.Cycles, &r.Cycles}, {"audit", c.Audit, &r.Audit}, {"changes", c.Changes, &r.Changes},
	}
	for _, log := range logs {
		if log.flag == "" {
			continue
		}
		if *log.keep, err = age(log.name, log.flag); err != nil {
			return err
		}
	}
	if asked {
		if err := desk.SetRetention(s, r); err != nil {
			return err
		}
	}
	s.show(r, func() {
		for _, log := range logs {
			s.say("%s  %s", pad(log.name, 10), kept(*log.keep))
		}
	})
	return nil
}

// age reads a number of days, or a duration.
func age(name, text string) (provision.Duration, error) {
	var days int
	if _, err := fmt.Sscanf(text, "%dd", &days); err == nil && fmt.Sprintf("%dd", days) == text && days >= 0 && days < 100_000 {
		return provision.Duration(time.Duration(days) * 24 * time.Hour), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return provision.Duration(d), nil
	}
	return 0, &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: fmt.Sprintf("--%s takes no %q", name, text), Next: "write an age such as 90d or 720h, or 0 for ever"}
}

// kept tells a retention in days.
func kept(d provision.Duration) string {
	const day = 24 * time.Hour
	switch n := time.Duration(d); {
	case n == 0:
		return "for ever"
	case n%day == 0:
		return count(int(n/day), "day", "days")
	default:
		return n.String()
	}
}
