package cycle

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// retryBusy is when a node asks again that found a cycle of the application running. That cycle looks
// at what changes meanwhile by itself; only what came in its last moments is left.
const retryBusy = time.Second

// Attend does what a job asks for: it looks whether there is something to do for an application, and
// runs a cycle when there is. It returns when to ask again, 0 for not at all.
//
// What woke the application is gone from the database when Attend begins to look. So it is called
// until nobody has woken the application meanwhile, and what ends it early is left to the schedule.
func (s *Schedule) Attend(ctx context.Context, appID string) time.Duration {
	for {
		if ctx.Err() != nil {
			return retryBusy // some other node
		}
		state, err := s.engine.Store.Awake(ctx, appID)
		switch {
		case err != nil:
			s.failed(ctx, appID, err)
			return retryBusy
		case state == store.Busy:
			return retryBusy
		case state == store.Asleep:
			return 0
		}
		again, err := s.attend(ctx, appID)
		var busy *ErrBusy
		switch {
		case errors.As(err, &busy), err != nil && ctx.Err() != nil:
			// Nothing was seen, or not all: somebody else looks, here or on another node.
			end, done := recording(ctx)
			err := s.engine.Store.Wake(end, appID)
			done()
			if err != nil {
				s.engine.Log.Warn("an application could not be handed on; it is found by its schedule", "app", appID, "error", err)
			}
			return 0
		case err != nil:
			s.failed(ctx, appID, err)
			return 0
		}
		s.worries(appID, nil)
		if !again {
			return 0
		}
	}
}

// attend looks once, and reports whether the application was woken again meanwhile.
func (s *Schedule) attend(ctx context.Context, appID string) (again bool, err error) {
	e := s.engine
	progress, err := e.Store.Standing(ctx, appID)
	if err != nil {
		if why, werr := e.Store.MayRun(ctx, appID); werr == nil && why == store.Deleted {
			return e.Store.Attended(ctx, appID)
		}
		return false, err
	}
	why, err := e.Store.MayRun(ctx, appID)
	if err != nil {
		return false, err
	}
	now := e.Store.Now()
	if why != store.Runs || progress.Quarantine != nil && !probeDue(progress.Quarantine, now) {
		return e.Store.Attended(ctx, appID)
	}
	app, err := e.Store.BareApplication(ctx, appID)
	if err != nil {
		return false, err
	}
	opened, err := e.open(ctx, app)
	if err != nil {
		return false, err
	}
	opts := Options{Scheduled: true, Initiator: Initiator}
	opts.Reconcile = !progress.Completed.IsZero() && passed(progress.Reconciled, time.Duration(app.Provisioning.Reconcile), now)
	if !opts.Reconcile && !progress.Restored && !progress.Running && !progress.Completed.IsZero() && progress.Quarantine == nil && progress.Trouble == nil {
		look, err := e.newRun(ctx, opened, opts)
		if err != nil {
			return false, err
		}
		until, concerned, err := look.concerned(ctx)
		if err != nil {
			return false, err
		}
		if !concerned {
			e.Log.Debug("nothing to do", "app", app.Name, "watermark", until)
			return e.Store.Advance(ctx, appID, progress.Watermark, until, look.began)
		}
	}
	if err := s.run(ctx, opened, opts); err != nil {
		return false, err
	}
	if progress.Trouble != nil {
		if err := e.Store.SetTrouble(ctx, appID, nil); err != nil {
			return false, err
		}
	}
	return e.Store.Attended(ctx, appID)
}

// Initiator is who began a cycle that nobody asked for, in logs.
const Initiator = store.ByItself

// run makes one pass, and tells the log.
func (s *Schedule) run(ctx context.Context, app *application, opts Options) error {
	e, begin := s.engine, time.Now()
	report, err := e.carryOn(ctx, app, opts)
	var halted *ErrHalted
	var busy *ErrBusy
	switch {
	case errors.As(err, &halted):
		e.Log.Info("the cycle was ended", "app", app.Name, "status", "stopped", "reason", halted.Why)
		return nil
	case errors.As(err, &busy):
		e.Log.Debug("another node runs it", "app", app.Name, "node", busy.Node)
		return err
	case err != nil:
		return err
	}
	c := report.Cycle
	args := []any{"app", app.Name, "cycle", c.ID, "type", c.Type, "status", c.State, "took", time.Since(begin).Round(time.Millisecond), "failed", report.Failed, "requests", c.Requests}
	for _, action := range []provision.Action{provision.Create, provision.Update, provision.Enable, provision.Disable, provision.Delete} {
		if n := report.Summary[string(action)]; n > 0 {
			args = append(args, string(action), n)
		}
	}
	e.Log.Info("cycle", args...)
	if report.Stopped != nil && report.Stopped.Rests() {
		return &resting{report.Stopped}
	}
	return nil
}

// resting says that the target asked for a pause that is too long to be waited out.
type resting struct{ why *connector.Error }

func (r *resting) Error() string { return r.why.Error() }
func (r *resting) Unwrap() error { return r.why }

// concerned reports whether anything of what there is to look at concerns the application, and how far
// it has read the feed. It asks nothing of the target and writes nothing: of twenty applications
// nineteen have nothing to do with a change.
func (r *run) concerned(ctx context.Context) (until int64, yes bool, err error) {
	s := r.engine.Store
	for {
		w, err := s.Changed(ctx, r.app.ID, r.position, store.RetryDue, noTime, nil, false)
		if err != nil {
			return 0, false, err
		}
		if w.All || w.HasDue() {
			return 0, true, nil
		}
		ids := make([]string, len(w.Users))
		for i, u := range w.Users {
			ids[i] = u.ID
		}
		for chunk := range slices.Chunk(ids, slice) {
			objects, err := s.UserObjects(ctx, r.app.ID, chunk, r.app.usesGroups)
			if err != nil {
				return 0, false, err
			}
			for _, o := range objects {
				if c, err := r.user(o); err != nil || c != nil {
					return 0, true, err
				}
			}
		}
		groups := make([]string, 0, len(w.Groups))
		for id := range w.Groups {
			groups = append(groups, id)
		}
		for chunk := range slices.Chunk(groups, slice) {
			objects, err := s.GroupObjects(ctx, r.app.ID, chunk)
			if err != nil {
				return 0, false, err
			}
			for _, o := range objects {
				if r.group(o) != nil {
					return 0, true, nil
				}
			}
		}
		if r.position = w.Until; !w.More {
			return w.Until, false, nil
		}
	}
}
