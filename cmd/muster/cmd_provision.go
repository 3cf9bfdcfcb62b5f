package main

import (
	"fmt"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
)

type provCmd struct {
	App    string `arg:"" help:"Name or id of the application."`
	Whom   whom   `embed:""`
	DryRun bool   `help:"Decide everything and send nothing."`
}

// Run implements the verb.
func (c *provCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	kind, name := directory.KindUser, c.Whom.User
	if c.Whom.Group != "" {
		kind, name = directory.KindGroup, c.Whom.Group
	}
	p, err := desk.Provision(s, c.App, kind, name, c.DryRun)
	if err != nil {
		return err
	}
	var why admin.Explanation
	if len(p.Operations) == 0 && kind == directory.KindUser {
		if why, err = desk.Explain(s, c.App, name); err != nil {
			return err
		}
	}
	s.show(p, func() {
		for _, r := range p.Operations {
			printRecord(s, r)
		}
		switch {
		case len(p.Operations) > 0:
		case why.Rules != nil:
			s.say("nothing to do for %s", plain(name))
			printRules(s, why)
		default:
			s.say("nothing to do for %s: it is not in scope, or everything is as it should be", plain(name))
		}
		if c.DryRun {
			s.say("nothing has been sent")
			return
		}
		printRun(s, p.Run)
	})
	return ended(p.Exit())
}

// printRecord prints one record of the log with its steps.
func printRecord(s *session, r admin.Record) {
	name := plain(r.Source.Name)
	if r.Type == directory.KindGroup {
		name = "group " + name
	}
	s.say("%s %s: %s", s.action(r.Action, marks[r.Action].sign+" "+string(r.Action)), s.bold(name), s.status(r.Status))
	printSteps(s, r)
}

// printSteps prints how a record came about: steps, changes, and what went wrong.
func printSteps(s *session, r admin.Record) {
	for i, step := range r.Steps {
		s.say("%s", s.wrapped(fmt.Sprintf("  %d %-10s %s ", i+1, step.Name, s.tick(step.Status)), 17, step.Description))
	}
	p := &planPrinter{session: s, verbose: true}
	for _, c := range r.Changes {
		p.change(admin.Operation{Action: r.Action}, c)
	}
	if e := r.Error; e != nil {
		s.say("%s", s.wrapped("  "+s.red("why")+"   ", 8, fmt.Sprintf("%s (%s)", e.Reason, e.Code)))
		if e.Recommendation != "" {
			s.say("%s", s.wrapped("  "+s.yellow("do")+"    ", 8, e.Recommendation))
		}
	}
}

// wrapped puts a long text behind a label, its further lines indented.
func (s *session) wrapped(label string, indent int, text string) string {
	lines := wrap(plain(text), indent, s.width)
	return label + lines[min(indent, len(lines)):len(lines)-1]
}

func (p paint) tick(status string) string {
	switch status {
	case "success":
		return p.green("✓")
	case "failure":
		return p.red("✗")
	case "warning":
		return p.yellow("!")
	}
	return p.dim("-")
}

func (p paint) status(status string) string {
	switch status {
	case "success":
		return p.green(status)
	case "failure":
		return p.red(status)
	case "warning", "held":
		return p.yellow(status)
	}
	return p.dim(status)
}
