package cycle

import (
	"context"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Explanation is why a person has, or has not, an account.
type Explanation struct {
	Subject  provision.Subject
	Verdict  provision.Verdict
	Problem  *provision.Problem   // why the scope or the mapping cannot be worked out
	Link     *store.Link          // nil without an account
	Rejected *provision.Rejection // what a person turned down and still holds, nil for nothing
	Escrow   *store.Escrow        // set: the last operation failed
	// Pending is what waits to be done: held and approved operations, and what the next cycle would do
	// for a linked person. For a person without a link the next cycle first looks for an account.
	Pending []*store.Operation
	// Kept is what is due and yet not done, with the reason: its action is not among those of the application, or a
	// grace period runs. Nil for nothing.
	Kept *provision.Operation
}

// Explain works out, without asking the target, why a person has or has not an account.
func (e *Engine) Explain(ctx context.Context, app *provision.Application, userID string) (*Explanation, error) {
	a, err := e.open(ctx, app)
	if err != nil {
		return nil, err
	}
	r := &run{engine: e, app: a, now: e.Store.Now(), preview: true, cycle: &store.Cycle{AppID: app.ID, Type: OnDemand}}
	objects, err := e.Store.UserObjects(ctx, app.ID, []string{userID}, true)
	if err != nil {
		return nil, err
	}
	o := objects[userID]
	x := &Explanation{Link: o.Link, Escrow: o.Escrow}
	// Also somebody who is none of the application's business gets an answer.
	c, err := r.prepare(o)
	if err != nil {
		return nil, err
	}
	x.Subject, x.Verdict, x.Problem = c.Subject, c.Verdict, c.failure
	x.Rejected = c.Rejected.Still(c.Verdict.In, c.Want)
	for _, open := range o.Open {
		row, err := e.Store.OperationByID(ctx, open.ID)
		if err != nil {
			return nil, err
		}
		if row.State == store.Held || row.State == store.Approved {
			x.Pending = append(x.Pending, row)
		}
	}
	if c.Link == nil && c.Verdict.In && x.Problem == nil && !c.Rejected.KeepsOut() {
		op := &provision.Operation{
			Kind: directory.KindUser, Action: provision.Create, Cause: provision.Joined,
			Reason: "in scope: " + c.Verdict.Why() + "; the next cycle adopts a matching account, or creates one", Source: c.Subject, Want: c.Want, Hidden: r.app.hidden[directory.KindUser],
		}
		provision.Allow(app, op)
		x.due(r, c, op)
		return x, nil
	}
	if x.Problem != nil || len(x.Pending) > 0 {
		return x, nil
	}
	op, err := r.decide(ctx, c)
	if err == nil && op != nil {
		x.due(r, c, op)
	}
	return x, err
}

// due notes what the next cycle would do, or what keeps it from that.
func (x *Explanation) due(r *run, c *candidate, op *provision.Operation) {
	switch {
	case op.Action != provision.Skip:
		x.Pending = append(x.Pending, r.row(c, op))
	case op.Cause == provision.NotAllowed || op.Cause == provision.Leaving:
		x.Kept = op
	}
}
