package admin

import (
	"context"

	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// Undo plans the reverse of what a cycle did, of one user alone when one is named, and keeps it like every other
// plan. It reads the accounts as they are and writes nothing to the target: [Desk.Sync] runs the plan. What has
// changed since is left out, with the reason.
func (d *Desk) Undo(ctx context.Context, name, cycleID, user string, progress func(cycle.Progress)) (Plan, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Plan{}, err
	}
	object, err := d.mayUndo(ctx, app, cycleID, user)
	if err != nil {
		return Plan{}, err
	}
	return d.plan(ctx, app, cycle.Options{Undo: cycleID, UndoObject: object, ByHand: true, Initiator: d.by.Name, Progress: progress})
}

// MayUndo returns why [Desk.Undo] would not begin, for whoever asks before it is waited for.
func (d *Desk) MayUndo(ctx context.Context, name, cycleID, user string) error {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return err
	}
	_, err = d.mayUndo(ctx, app, cycleID, user)
	return err
}

// mayUndo refuses what is no cycle that has done something and has ended, and finds the one user.
func (d *Desk) mayUndo(ctx context.Context, app *provision.Application, cycleID, user string) (object string, err error) {
	if err := d.hasEnded(ctx, app, cycleID); err != nil || user == "" {
		return "", err
	}
	return d.logged(ctx, directory.KindUser, user)
}

func (d *Desk) hasEnded(ctx context.Context, app *provision.Application, cycleID string) error {
	c, err := d.cycleOf(ctx, app.ID, app.Name, cycleID)
	switch {
	case err != nil:
		return err
	case c.State == "planned":
		return usage("usage", "only what was done can be undone; `muster sync "+app.Name+" --plan "+cycleID+"` does it", "%s is a plan that has not been run", cycleID)
	case c.State == "running":
		return usage("usage", "wait until it has ended", "cycle %s is still running", cycleID)
	}
	if summaryOf(c.Summary).Writes() == 0 {
		return nil
	}
	kept, err := d.store.Operations(ctx, cycleID, nil, nil, 1)
	if err == nil && len(kept) == 0 {
		return usage("pruned", "`muster retention` says how long records are kept", "what cycle %s did is no longer recorded", cycleID)
	}
	return err
}
