package main

import (
	"context"

	"github.com/muster-id/muster/internal/admin"
)

type heldCmd struct {
	App struct {
		App     string         `arg:"" help:"Name or id of the application."`
		List    heldListCmd    `cmd:"" help:"List what waits for approval, and why."`
		Approve heldApproveCmd `cmd:"" help:"Let operations through; the next cycle does them."`
		Reject  heldRejectCmd  `cmd:"" help:"Turn operations down until something changes."`
	} `arg:""`
}

type heldListCmd struct{}

// Run implements the verb.
func (c *heldListCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	held, err := desk.Held(s, s.cli.Held.App.App)
	if err != nil {
		return err
	}
	s.show(held, func() {
		if len(held.Operations) == 0 {
			s.say("nothing is held")
			return
		}
		t := &table{head: []string{"!ACTION", "!TYPE", "*NAME", "!ID"}}
		for _, o := range held.Operations {
			t.add(string(o.Action), string(o.Type), o.Source.Name, o.ID)
		}
		t.write(s.out, s.width, s.paint)
		s.say("")
		told := map[string]bool{}
		for _, o := range held.Operations {
			if !told[o.Hold] {
				told[o.Hold] = true
				s.say("%s", s.wrapped("why: ", 5, o.Hold))
			}
		}
		s.note("next: muster held %s approve --all (or reject; or --user, --group, --id)", s.cli.Held.App.App)
	})
	return nil
}

// pick names held operations.
type pick struct {
	All   bool     `help:"All of them."`
	User  []string `placeholder:"NAME" sep:"none" help:"Those of a user."`
	Group []string `placeholder:"NAME" sep:"none" help:"Those of a group."`
	ID    []string `name:"id" placeholder:"ID" sep:"none" help:"This one."`
}

func (p pick) selection() admin.Selection {
	return admin.Selection{All: p.All, Users: p.User, Groups: p.Group, IDs: p.ID}
}

type heldApproveCmd struct {
	Pick pick `embed:""`
}

// Run implements the verb.
func (c *heldApproveCmd) Run(s *session) error {
	return judge(s, c.Pick, "approved", desk.Approve, "next: muster sync "+s.cli.Held.App.App)
}

type heldRejectCmd struct {
	Pick pick `embed:""`
}

// Run implements the verb.
func (c *heldRejectCmd) Run(s *session) error {
	return judge(s, c.Pick, "rejected", desk.Reject, "they are not proposed again until what speaks for them changes")
}

func judge(s *session, p pick, past string, do func(desk, context.Context, string, admin.Selection) (admin.Held, error), next string) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	done, err := do(desk, s, s.cli.Held.App.App, p.selection())
	if err != nil {
		return err
	}
	s.show(done, func() {
		s.say("%s %s", past, count(len(done.Operations), "operation", "operations"))
		if len(done.Operations) > 0 {
			s.note("%s", next)
		}
	})
	return nil
}
