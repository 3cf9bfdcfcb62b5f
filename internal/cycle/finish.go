package cycle

import (
	"cmp"
	"context"
	"errors"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/store"
)

// finish ends the cycle, whatever ended it, and says what it did.
func (r *run) finish(ctx context.Context, err error) (*Report, error) {
	// The end must be recorded also when the caller has given up.
	end, done := recording(ctx)
	defer done()
	if err == nil && r.stopped == nil {
		err = r.stillAsConfigured(end)
	}
	var refused *connector.Error
	switch {
	case errors.As(err, &refused) && refused.Kind != connector.Canceled:
		// Reading the target failed: nothing was concluded from what could not be read.
		r.stopped, err = refused, nil
		if r.rule == "" {
			r.rule = "the target could not be read"
		}
	case ctx.Err() != nil && (err == nil || refused != nil || errors.Is(err, context.Canceled)):
		err = context.Cause(ctx) // why, instead of what it interrupted
	}
	var halted *ErrHalted
	if errors.As(err, &halted) && halted.Why == store.Deleted {
		// There is nothing left to record it with; what was under way is over.
		return nil, errors.Join(err, r.engine.Store.ForgetApplication(end, r.app.ID))
	}
	r.cycle.State, r.cycle.Failed, r.cycle.Requests, r.cycle.Watermark = "done", r.failures, r.sent(), r.position
	if err != nil {
		r.cycle.State, r.cycle.Error = "stopped", err.Error()
	}
	if kinds := r.incomplete(); r.cycle.Type == Reconcile && err == nil && kinds != "" {
		r.cycle.Error = "the target did not list all of its " + kinds + ": nothing was taken for missing, and what was found before stands"
		if r.cutShort != nil {
			r.cycle.Error += " (" + r.cutShort.Error() + ")"
		}
	}
	if r.stopped != nil {
		r.cycle.State, r.cycle.Error = "stopped", r.stopped.Error()
		// A target that asked for a pause works: there is nothing to tell anybody, and the pause is kept.
		if !r.early && !r.stopped.Rests() {
			if err := r.quarantine(end); err != nil {
				return nil, err
			}
		}
	}
	summary, serr := r.summary(end, false)
	if serr != nil {
		return nil, errors.Join(err, serr)
	}
	r.cycle.Summary = summary
	if derr := errors.Join(r.saveDrift(end), r.forgive(end)); derr != nil {
		return nil, errors.Join(err, derr)
	}
	if ferr := r.engine.Store.FinishCycle(end, r.cycle, r.looked); ferr != nil {
		return nil, errors.Join(err, ferr)
	}
	if r.cycle.Type == Reconcile && r.cycle.State == "done" {
		if err := r.engine.Store.SetReconciled(end, r.app.ID, r.engine.Store.Now()); err != nil {
			return nil, err
		}
	}
	if told := r.engine.Watch.Ended; told != nil {
		told(r.app.Name, r.cycle)
	}
	return &Report{Cycle: r.cycle, Summary: summary, Failed: r.failures, Stopped: r.stopped}, err
}

// stillAsConfigured keeps a pass that has looked at something by a configuration that is not the application's any more
// from taking that for done.
func (r *run) stillAsConfigured(ctx context.Context) error {
	if r.opts.Object != "" {
		return nil // it takes nothing for done but itself
	}
	why, _, err := r.engine.Store.MayGoOn(ctx, &r.app.Application, r.holder)
	if err == nil && (why == store.Reconfigured || why == store.Deleted) {
		err = &ErrHalted{App: r.app.Name, Why: why}
	}
	return err
}

func (r *run) quarantine(ctx context.Context) error {
	p, err := r.engine.Store.Standing(ctx, r.app.ID)
	if err != nil {
		return err
	}
	now := r.engine.Store.Now()
	q := &store.Quarantine{Since: now, Code: r.stopped.Code, Reason: r.stopped.Error(), Rule: r.rule, Next: r.stopped.Advice, Attempts: 1, Exchange: r.stopped.Exchange}
	if r.rule != probeFailed {
		// In the words of the probes that follow: what is one cause is told once.
		d := connector.Diagnose(r.stopped)
		q.Code, q.Next = d.Code, cmp.Or(q.Next, d.Next)
	}
	if p.Quarantine != nil {
		q.Since, q.Attempts = p.Quarantine.Since, p.Quarantine.Attempts+1
	}
	q.NextProbe = now.Add(max(r.app.Provisioning.Quarantine.ProbeAfter(q.Attempts), r.stopped.RetryAfter))
	r.engine.Log.Warn("the application is in quarantine", "app", r.app.Name, "cycle", r.cycle.ID, "code", q.Code)
	return r.engine.Store.SetQuarantine(ctx, r.app.ID, q)
}

// summary counts by action. Of a plan it counts what is planned, held ones among them; of a cycle
// what was done, and what is held in the application as it stands.
func (r *run) summary(ctx context.Context, plan bool) (map[string]int, error) {
	counts, err := r.engine.Store.Counts(ctx, r.cycle.ID)
	if err != nil {
		return nil, err
	}
	sum := map[string]int{"create": 0, "update": 0, "disable": 0, "enable": 0, "delete": 0, "skip": 0, "held": 0}
	for state, actions := range counts {
		for action, n := range actions {
			switch state {
			case store.Skipped:
				sum["skip"] += n
			case store.Applied:
				sum[string(action)] += n
			case store.Planned:
				if plan {
					sum[string(action)] += n
				}
			case store.Held:
				if plan {
					sum[string(action)] += n
					sum["held"] += n
				}
			}
		}
	}
	sum["skip"] += r.unchanged
	if !plan {
		if sum["held"], err = r.engine.Store.HeldCount(ctx, r.app.ID); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

// sent returns how many HTTP requests the pass has sent.
func (r *run) sent() int64 {
	if _, ok := r.app.target.Connector.(connector.Counter); ok {
		return r.counted() - r.startRequests
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

func (r *run) counted() int64 {
	if c, ok := r.app.target.Connector.(connector.Counter); ok {
		return c.Requests()
	}
	return 0
}
