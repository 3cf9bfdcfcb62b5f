package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
)

type statusCmd struct {
	App string `arg:"" optional:"" help:"Name or id of the application; without it all."`
}

// Run implements the verb.
func (c *statusCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	st, err := desk.Status(s, c.App)
	if err != nil {
		return err
	}
	s.show(st, func() {
		if len(st.Applications) == 0 {
			s.say("there are no applications; `muster config apply FILE` makes one")
		}
		for i, a := range st.Applications {
			if i > 0 {
				s.say("")
			}
			printStatus(s, a)
		}
	})
	return nil
}

func printStatus(s *session, a admin.ApplicationStatus) {
	state := s.dim("off")
	if a.Status == "on" {
		state = s.green("on")
	}
	switch {
	case a.Quarantine != nil:
		state = s.red("in quarantine")
	case a.Status == "on" && a.Paused && a.PausedUntil != nil:
		state = s.yellow("paused until " + when(*a.PausedUntil))
	case a.Status == "on" && a.Paused:
		state = s.yellow("paused")
	}
	s.say("%s  %s", s.bold(plain(a.Name)), state)
	row := func(label, format string, args ...any) {
		s.say("%s", s.wrapped("  "+s.dim(pad(label, 11))+" ", 14, fmt.Sprintf(format, args...)))
	}
	if c := a.Cycle; c != nil {
		row("last cycle", "%s, %s, %s", c.Type, c.State, when(c.Started))
		if p := c.Progress; p != nil {
			row("", "%s", underWay(p))
			if p.PausedUntil != nil {
				row("", "the target asked for a pause until %s", when(*p.PausedUntil))
			}
		} else {
			row("", "%s; %s", did(c.Summary, c.Failed), count(int(c.Requests), "request", "requests"))
		}
		if c.Error != "" {
			row("", "%s", c.Error)
		}
	} else {
		row("last cycle", "none yet")
	}
	row("links", "%s; watermark %s", count(a.Links, "account", "accounts"), number(int(a.Watermark)))
	if c := a.Credentials; c.Expires != nil {
		how := "then a new token is needed"
		if c.Renews {
			how = "renewed by itself"
		}
		row("token", "ends %s; %s", when(*c.Expires), how)
	}
	if a.LagMS > 0 {
		row("behind", "the oldest change waits for %s", took(time.Duration(a.LagMS)*time.Millisecond))
	}
	if a.Escrow+a.Parked+a.Held > 0 {
		row("waiting", "%s to be retried, %s parked, %s held", number(a.Escrow), number(a.Parked), number(a.Held))
	}
	if d := a.Drift; d.Reconciled != nil {
		row("drift", "%s; reconciled %s", drifted(d), when(*d.Reconciled))
	}
	if t := a.Trouble; t != nil {
		label := "trouble"
		if t.Pause {
			label = "pause"
		}
		row(label, "since %s: %s", when(t.Since), t.Reason)
		if t.Next != "" {
			row("", "%s", t.Next)
		}
		row("", "tried again %s", when(t.RetryAt))
	}
	if q := a.Quarantine; q != nil {
		row("quarantine", "since %s: %s", when(q.Since), q.Reason)
		if q.Rule != "" {
			row("", "found by: %s", q.Rule)
		}
		if x := q.Exchange; x != nil {
			address, _, _ := strings.Cut(x.URL, "?")
			row("", "%s %s answered %s; -o json shows all of it", x.Method, address, answered(x.Status))
		}
		row("", "next probe %s; `muster sync %s` probes at once", when(q.NextProbe), plain(a.Name))
	}
	if len(a.Waiting) == 0 {
		row("for you", "nothing")
	}
	for _, w := range a.Waiting {
		s.say("%s", s.wrapped("  "+s.yellow("for you")+"     ", 14, w.What))
		s.say("              %s", w.Next)
	}
}

// underWay says how far a running cycle is.
func underWay(p *admin.CycleProgress) string {
	switch {
	case p.Planned == 0:
		return "reading and deciding"
	case p.LeftMS == 0:
		return fmt.Sprintf("%s of %s", number(p.Done), count(p.Planned, "object", "objects"))
	}
	return fmt.Sprintf("%s of %s, %.1f a second, %s left", number(p.Done), count(p.Planned, "object", "objects"), p.PerSecond, took(time.Duration(p.LeftMS)*time.Millisecond))
}

// answered says what a target answered.
func answered(status int) string {
	if status == 0 {
		return "nothing"
	}
	return fmt.Sprintf("HTTP %d", status)
}
