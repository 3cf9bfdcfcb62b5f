package cycle

import (
	"context"
	"errors"
	"slices"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// switches reports whether an operation ended without an answer that may have switched an account on or off, because of its scope:
// what an undo did stays as it is found.
func switches(o store.OpenOperation) bool {
	return o.State == store.Unknown && o.Cause != provision.Undone && (o.Action == provision.Enable || o.Action == provision.Disable)
}

// uncertain asks the target how the accounts stand whose last operation ended without an answer. What
// was recorded of them may be the state before or after it: a comparison with that could find no
// difference where there is one, and leave a leaver's account on.
func (r *run) uncertain(ctx context.Context, work []*candidate) error {
	for _, c := range work {
		if c.Link == nil || c.failure != nil || !slices.ContainsFunc(c.open, func(o store.OpenOperation) bool { return o.State == store.Unknown }) {
			continue
		}
		a, err := r.readBack(ctx, c.Kind, c.Link.Account.ID, false, provision.CreateUpdate)
		if err := r.unread(ctx, c, err); err != nil {
			return err
		}
		if c.failure != nil && !c.Verdict.In {
			// A leaver is switched off once more, whatever the account may be like.
			c.failure, c.Link.Enabled = nil, true
		}
		if a == nil {
			if err := r.deleted(ctx, c); err != nil {
				return err
			}
			continue // where it was no deletion, the next write finds out, and says so
		}
		c.Link.Enabled, c.Link.Vanished, c.Link.Answered, c.Link.Wanted = a.Active, noTime, a.Values, c.Link.Wanted.Clone()
		for path, v := range a.Values {
			if wanted, mapped := c.Link.Wanted[path]; mapped && !attr.Similar(v, wanted) && !c.notOurs(path) {
				c.Link.Wanted[path] = v
			}
		}
		for _, path := range r.app.program(c.Kind).References() {
			delete(c.Link.Wanted, path) // shown as an account's id
		}
		if c.Verdict.In && slices.ContainsFunc(c.open, switches) {
			c.Link.Enabled = false // a target that shows changes late may show what was before: it is switched on once more
		}
		l := *c.link
		l.Link = *c.Link
		if c.Verdict.In {
			l.Leaving = noTime
		}
		c.link, c.adopts = &l, &l
	}
	return nil
}

// deleted ends the deletion of an account that had no answer: the account is gone, so that it was carried out.
func (r *run) deleted(ctx context.Context, c *candidate) error {
	i := slices.IndexFunc(c.open, func(o store.OpenOperation) bool { return o.State == store.Unknown && o.Action == provision.Delete })
	if i < 0 {
		return nil
	}
	// One answer that it is not there may be a lie, and whoever is unlinked is never looked for again.
	if a, err := r.readBack(ctx, c.Kind, c.Link.Account.ID, false, provision.CreateUpdate); err != nil || a != nil {
		return r.unread(ctx, c, err)
	}
	op, err := r.engine.Store.OperationByID(ctx, c.open[i].ID)
	if err != nil {
		return err
	}
	c.open = slices.Delete(slices.Clone(c.open), i, i+1)
	c.link, c.Link = nil, nil
	r.want(c)
	if r.preview {
		return nil
	}
	op.State, op.Status, op.Verified, op.Error = store.Applied, "success", true, nil
	op.Steps = append(slices.Clip(op.Steps), provision.Step{Name: "export", Status: "success", Description: "the answer was lost; the account is gone from the target"})
	c.escrowed = false
	return r.engine.Store.Record(ctx, r.holder, []store.Result{{Op: op, Unlink: true, Resolved: true}})
}

// notOurs reports whether Muster has never had a value for an attribute of an account that it adopted: what
// somebody entered there stays.
func (c *candidate) notOurs(path string) bool {
	sent := func(o store.OpenOperation) bool { return !attr.Empty(o.Want[path]) }
	return attr.Empty(c.Link.Wanted[path]) && attr.Empty(c.Want[path]) && !slices.ContainsFunc(c.open, sent)
}

// unread takes in whether the target answered a question about one object. An object that could not be
// asked about is tried again later; the pass ends where the credentials are refused, or several
// questions in a row found nobody to answer them.
func (r *run) unread(ctx context.Context, c *candidate, err error) error {
	if err == nil {
		r.reading.Saw(provision.Trial{})
		return nil
	}
	var e *connector.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Kind == connector.Unauthorised, e.Kind == connector.Canceled, e.Misdirected(), e.Rests():
		return e
	case e.Kind == connector.Forbidden:
		if why := r.lockedOut(ctx); why != nil {
			return why
		}
	}
	if r.rule = r.reading.Saw(provision.Trial{Failure: e.Kind, Answered: e.Status != 0}); r.rule != "" {
		return e
	}
	p := problemOf(e)
	c.fail(provision.Unread, &p)
	return nil
}
