package cycle

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// askTime is how long somebody who wants one object provisioned waits for the cycle that runs, which may
// be reading a whole directory before it sends anything; askLook is how often it is looked how that stands.
const (
	askTime = 2 * time.Minute
	askLook = 100 * time.Millisecond
)

// onDemand has one object provisioned at once. While a cycle of the application runs, here or on another
// node, that cycle is asked to: one target has one writer. It returns the lease instead of a report where
// the caller is the one to do it.
func (e *Engine) onDemand(ctx context.Context, app *provision.Application, opts Options) (*hold, *Report, error) {
	held, busy, err := e.tryLease(ctx, app)
	if busy == nil {
		return held, nil, err
	}
	// Whoever asks wants everything, also what an import that is not over has brought.
	if err := e.Store.LetIn(ctx, true); err != nil {
		return nil, nil, err
	}
	began := e.Store.Now()
	asked := &store.Request{AppID: app.ID, Kind: opts.Kind, ObjectID: opts.Object, Initiator: opts.Initiator}
	if err := e.Store.AddRequest(ctx, asked); err != nil {
		return nil, nil, err
	}
	defer func() {
		end, done := recording(ctx)
		defer done()
		if err := e.Store.Withdraw(end, asked); err != nil {
			e.Log.Warn("a request could not be withdrawn; the next cycle looks at its object once more", "app", app.Name, "error", err)
		}
	}()
	look, end := time.NewTicker(askLook), time.After(askTime)
	defer look.Stop()
	for {
		reply, err := e.Store.Reply(ctx, asked)
		if err != nil {
			return nil, nil, err
		}
		if reply.Over {
			report, err := e.replied(ctx, app, reply, began)
			return nil, report, err
		}
		if !reply.Leased {
			if held, busy, err = e.tryLease(ctx, app); busy == nil {
				return e.orReplied(ctx, held, err, asked, began)
			}
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-end:
			busy.Asked = reply.CycleID != ""
			return nil, nil, busy
		case <-look.C:
		}
	}
}

// tryLease takes the lease when nobody has it, and tells apart that somebody does.
func (e *Engine) tryLease(ctx context.Context, app *provision.Application) (held *hold, busy *ErrBusy, err error) {
	held, err = e.lease(ctx, app, e.Store.NewID(), 0, true)
	if errors.As(err, &busy) {
		return nil, busy, nil
	}
	return held, nil, err
}

// orReplied looks once more, with the lease, whether the cycle that has just ended did what was asked.
func (e *Engine) orReplied(ctx context.Context, held *hold, err error, asked *store.Request, began time.Time) (*hold, *Report, error) {
	if err != nil {
		return nil, nil, err
	}
	reply, err := e.Store.Reply(ctx, asked)
	if err == nil && !reply.Over {
		return held, nil, nil
	}
	defer held.release()
	if err != nil {
		return nil, nil, err
	}
	report, err := e.replied(ctx, held.app, reply, began)
	return nil, report, err
}

// replied is the report of what another cycle did for one object.
func (e *Engine) replied(ctx context.Context, app *provision.Application, reply *store.Reply, began time.Time) (*Report, error) {
	c, err := e.Store.CycleByID(ctx, app.ID, reply.CycleID)
	if err != nil {
		return nil, err
	}
	held, err := e.Store.HeldCount(ctx, app.ID)
	if err != nil {
		return nil, err
	}
	did := append([]*store.Operation{}, reply.Operations...)
	// What was in the queue already is followed by the decision that nothing more is needed.
	if slices.ContainsFunc(did, func(o *store.Operation) bool { return o.State != store.Skipped }) {
		did = slices.DeleteFunc(did, func(o *store.Operation) bool { return o.State == store.Skipped })
	}
	report := &Report{Summary: map[string]int{"held": held}, Operations: did}
	for _, o := range did {
		switch o.State {
		case store.Applied:
			report.Summary[string(o.Action)]++
		case store.Skipped:
			report.Summary["skip"]++
		case store.Failed:
			report.Failed++
		}
	}
	c.Type, c.Started, c.Finished, c.Requests, c.Summary, c.Failed = OnDemand, began, e.Store.Now(), 0, report.Summary, report.Failed
	report.Cycle = c
	return report, nil
}

// demand is an object that somebody wants provisioned at once.
type demand struct {
	kind directory.Kind
	id   string
}

// demanded reports whether somebody wants this object provisioned at once.
func (r *run) demanded(kind directory.Kind, id string) bool {
	return r.opts.Object == id || len(r.asked[demand{kind, id}]) > 0
}

// byName asks the target how the accounts of people stand whom somebody asks for. Whoever asks for one person because that person
// cannot get in, or can still get in, wants the account put right, and not to hear what Muster remembers of it.
func (r *run) byName(ctx context.Context, work []*candidate) error {
	for _, c := range work {
		if c.Kind != directory.KindUser || c.Link == nil || c.failure != nil || c.Looked || len(c.open) > 0 || !r.demanded(c.Kind, c.Subject.ID) {
			continue
		}
		a, err := r.readBack(ctx, c.Kind, c.Link.Account.ID, false, provision.OnDemand)
		if err := r.unread(ctx, c, err); err != nil {
			return err
		}
		if a != nil { // else the next write finds out, or the next reconcile: one read is not enough to make another account
			c.Seen, c.Looked = candidateOf(a), true
			c.foundAgain()
		}
	}
	return nil
}

// takeRequests takes up what somebody wants provisioned at once: the object is decided about anew, and
// what waits for it in the queue moves to the front.
func (d *dispatcher) takeRequests(ctx context.Context) error {
	asked, err := d.engine.Store.TakeRequests(ctx, d.app.ID, d.cycle.ID, d.recordAll)
	for _, q := range asked {
		o := demand{q.Kind, q.ObjectID}
		if d.asked == nil {
			d.asked = map[demand][]store.Request{}
		}
		if d.asked[o] = append(d.asked[o], q); len(d.asked[o]) == 1 {
			d.later = append(d.later, store.Later{Kind: q.Kind, ID: q.ObjectID})
		}
		d.hurried[q.ObjectID] = provision.OnDemand
	}
	d.hurryUp()
	return err
}

// hurry notes that an operation has to wait for another one of its object, which was taken already. What may
// only be sent for removals is not sent for what one waits for.
func (r *run) hurry(row *store.Operation) {
	if row == nil {
		return
	}
	to := max(row.Urgency, provision.OnDemand)
	if noted, ok := r.hurried[row.Source.ID]; !ok || to < noted {
		r.hurried[row.Source.ID] = to
	}
}

// hurryUp makes what is queued for such objects as urgent as what waits for it.
func (d *dispatcher) hurryUp() {
	if len(d.hurried) == 0 {
		return
	}
	for id, to := range d.hurried {
		d.advance(id, to)
	}
	clear(d.hurried)
	d.sort()
}

// advance makes what is queued for an object as urgent as that, with the managers that it waits for.
func (d *dispatcher) advance(id string, to provision.Urgency) {
	for _, w := range d.queue {
		if w.Source.ID != id || w.Urgency <= to {
			continue
		}
		w.Urgency = to
		for _, manager := range w.ReferenceIDs() {
			d.advance(manager, to)
		}
	}
}

// requestsDecided tells those whose object has been decided about; of others an operation is under
// way, and they are decided about when it has ended.
func (d *dispatcher) requestsDecided(ctx context.Context) error {
	if len(d.asked) == 0 {
		return nil
	}
	waits := map[demand]bool{}
	for _, l := range d.later {
		waits[demand{l.Kind, l.ID}] = true
	}
	var ids []string
	for o, requests := range d.asked {
		if waits[o] {
			continue
		}
		for _, q := range requests {
			ids = append(ids, q.ID)
		}
		delete(d.asked, o)
	}
	return d.engine.Store.RequestsDecided(ctx, ids)
}
