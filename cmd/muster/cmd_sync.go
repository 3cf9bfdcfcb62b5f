package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
)

type syncCmd struct {
	App         string `arg:"" help:"Name or id of the application."`
	Reconcile   bool   `xor:"what" help:"Also read the target completely and mend what changed there."`
	ApproveHeld bool   `help:"Approve what is held, and what would be."`
	Plan        string `xor:"what" placeholder:"ID" help:"Run exactly this plan, or say what changed since."`
}

// Run implements the verb.
func (c *syncCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	bar := s.progress("objects")
	run, err := desk.Sync(s, c.App, admin.SyncOptions{Reconcile: c.Reconcile, ApproveHeld: c.ApproveHeld, Plan: c.Plan, Progress: bar.cycle})
	bar.end()
	if err != nil {
		return err
	}
	s.show(run, func() { printRun(s, run) })
	return ended(run.Exit())
}

// printRun tells what a cycle did, and what it leaves to a person.
func printRun(s *session, r admin.Run) {
	s.say("%s: %s cycle, %s", plain(r.Application), r.Cycle, did(r.Summary, r.Failed))
	s.say("%s in %s", count(int(r.Requests), "request", "requests"), took(time.Duration(r.DurationMS)*time.Millisecond))
	if r.Summary.Writes() > 0 {
		s.note("to take it back: muster undo %s --cycle %s", r.Application, r.CycleID)
	}
	if r.Incomplete != "" {
		s.say("%s %s", s.yellow("incomplete:"), plain(r.Incomplete))
	}
	if r.Failed > 0 {
		s.say("%s", s.red(count(r.Failed, "object", "objects")+" failed; the log says what to do about each"))
		s.note("next: muster logs --cycle %s --status failure", r.CycleID)
	}
	if r.Summary.Held > 0 {
		s.say("%s", s.yellow(count(r.Summary.Held, "operation is", "operations are")+" held for approval"))
		s.note("next: muster held %s list", r.Application)
	}
}

// did is what a cycle did in one phrase.
func did(sum admin.Summary, failed int) string {
	var parts []string
	for _, a := range []struct {
		n    int
		past string
	}{{sum.Create, "created"}, {sum.Update, "updated"}, {sum.Enable, "enabled"}, {sum.Disable, "disabled"}, {sum.Delete, "deleted"}, {sum.Skip, "skipped"}} {
		if a.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", number(a.n), a.past))
		}
	}
	if failed > 0 {
		parts = append(parts, number(failed)+" failed")
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}
