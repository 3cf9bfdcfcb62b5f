package admin

import (
	"context"
	"errors"

	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Undo plans the reverse of what a cycle did, of one user alone when one is named, and keeps it like every other
// plan. It reads the accounts as they are and writes nothing to the target: [Desk.Sync] runs the plan. What has
// changed since is left out, with the reason.
func (d *Desk) Undo(ctx context.Context, name, cycleID, user string, progress func(cycle.Progress)) (Plan, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Plan{}, err
	}
	if err := d.mayUndo(ctx, app, cycleID); err != nil {
		return Plan{}, err
	}
	o := cycle.Options{Undo: cycleID, ByHand: true, Initiator: d.by.Name, Progress: progress}
	if user != "" {
		if o.UndoObject, err = d.logged(ctx, directory.KindUser, user); err != nil {
			return Plan{}, err
		}
	}
	return d.plan(ctx, app, o)
}

// mayUndo refuses what is no cycle that has done something and has ended.
func (d *Desk) mayUndo(ctx context.Context, app *provision.Application, cycleID string) error {
	c, err := d.store.CycleByID(ctx, app.ID, cycleID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return usage(string(store.ErrNotFound), "`muster logs --app "+app.Name+" -o json` shows the cycle_id of what was done", "%s has no cycle %s", app.Name, cycleID)
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
