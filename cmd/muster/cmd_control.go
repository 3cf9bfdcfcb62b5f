package main

import (
	"context"
	"time"

	"github.com/muster-id/muster/internal/admin"
)

type appStartCmd struct {
	App string `arg:"" help:"Name or id of the application."`
}

type appStopCmd struct {
	App string `arg:"" help:"Name or id of the application."`
}

type appResumeCmd struct {
	App string `arg:"" help:"Name or id of the application."`
}

type appPauseCmd struct {
	App string        `arg:"" help:"Name or id of the application."`
	For time.Duration `placeholder:"TIME" help:"For so long, such as 2h; without it until somebody resumes."`
}

// Run implements the verb.
func (c *appStartCmd) Run(s *session) error {
	return control(s, func(d desk) (admin.Control, error) { return d.Start(s, c.App) })
}

// Run implements the verb.
func (c *appStopCmd) Run(s *session) error {
	return control(s, func(d desk) (admin.Control, error) { return d.Stop(s, c.App) })
}

// Run implements the verb.
func (c *appResumeCmd) Run(s *session) error {
	return control(s, func(d desk) (admin.Control, error) { return d.Resume(s, c.App) })
}

// Run implements the verb.
func (c *appPauseCmd) Run(s *session) error {
	return control(s, func(d desk) (admin.Control, error) { return d.Pause(s, c.App, c.For) })
}

// controlDesk is how servers run applications by themselves.
type controlDesk interface {
	Start(ctx context.Context, name string) (admin.Control, error)
	Stop(ctx context.Context, name string) (admin.Control, error)
	Pause(ctx context.Context, name string, span time.Duration) (admin.Control, error)
	Resume(ctx context.Context, name string) (admin.Control, error)
}

func control(s *session, do func(desk) (admin.Control, error)) error {
	d, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	c, err := do(d)
	if err != nil {
		return err
	}
	s.show(c, func() {
		text := "provisioning is " + c.Status
		switch {
		case c.Paused && c.PausedUntil != nil:
			text += ", paused until " + when(*c.PausedUntil)
		case c.Paused:
			text += ", paused"
		}
		s.say("%s: %s", plain(c.Application), text)
		switch {
		case c.Status != "on":
			s.note("`muster sync %s` runs a cycle by hand all the same", plain(c.Application))
		case c.Paused:
			s.note("next: muster app resume %s", plain(c.Application))
		}
	})
	return nil
}
