package cycle

import (
	"context"
	"slices"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// Mapped works out, without asking the target and whether or not the user is in scope, which
// attributes an account is to have by the mappings of an application as they are given. Hidden are
// the paths whose values may not be shown.
func (e *Engine) Mapped(ctx context.Context, app *provision.Application, userID string) (want attr.Set, hidden []string, err error) {
	r, err := e.look(ctx, app)
	if err != nil {
		return nil, nil, err
	}
	objects, err := e.Store.UserObjects(ctx, app.ID, []string{userID}, true)
	if err != nil {
		return nil, nil, err
	}
	c, err := r.prepare(objects[userID])
	if err != nil {
		return nil, nil, err
	}
	want, err = r.mapped(directory.KindUser, userID, c.facts, true)
	return want, r.app.hidden[directory.KindUser], err
}

// look is a pass that only looks: it has no cycle and sends nothing.
func (e *Engine) look(ctx context.Context, app *provision.Application) (*run, error) {
	a, err := e.open(ctx, app)
	if err != nil {
		return nil, err
	}
	return &run{engine: e, app: a, now: e.Store.Now(), preview: true}, nil
}

// Impact is what another configuration of an application would change in the attributes of those who
// have an account.
type Impact struct {
	Looked  int  // accounts that were compared
	All     bool // whether these are all of them
	Changed int  // of those, how many would get other values
	Failed  int  // of those, for how many the new mapping fails
	Sample  []Touched
}

// Touched is one account of an [Impact].
type Touched struct {
	Subject provision.Subject
	Changes []provision.Change
	Problem *provision.Problem
}

// impactSample is how many accounts an impact names.
const impactSample = 10

// Impact compares what the accounts of an application are to have before and after a change of its
// mappings. It asks the target nothing, and stops early when the context ends.
func (e *Engine) Impact(ctx context.Context, before, after *provision.Application) (Impact, error) {
	var out Impact
	then, err := e.look(ctx, before)
	if err != nil {
		return out, err
	}
	now, err := e.look(ctx, after)
	if err != nil {
		return out, err
	}
	ids, err := e.Store.LinkedObjects(ctx, before.ID, directory.KindUser)
	if err != nil {
		return out, err
	}
	for chunk := range slices.Chunk(ids, slice) {
		if ctx.Err() != nil {
			return out, nil
		}
		objects, err := e.Store.UserObjects(ctx, before.ID, chunk, then.app.usesGroups || now.app.usesGroups)
		if err != nil {
			if ctx.Err() != nil {
				return out, nil
			}
			return out, err
		}
		for _, id := range chunk {
			old, err := then.prepare(objects[id])
			if err != nil {
				return out, err
			}
			if !old.Verdict.In {
				continue
			}
			out.Looked++
			next, err := now.prepare(objects[id])
			if err != nil {
				return out, err
			}
			out.compare(now, old, next)
		}
	}
	out.All = true
	return out, nil
}

// compare adds one account to the impact.
func (i *Impact) compare(r *run, old, next *candidate) {
	t := Touched{Subject: next.Subject, Problem: next.failure}
	op := provision.Operation{Kind: next.Kind, Action: provision.Update, Source: next.Subject, Edits: attr.Diff(old.Want, next.Want), References: r.app.program(next.Kind).References(), Hidden: r.app.hidden[next.Kind]}
	if id := managerOf(next); id != "" {
		op.Names = map[string]string{id: next.facts.Manager}
	}
	switch {
	case next.failure != nil:
		i.Failed++
	case len(op.Edits) > 0:
		i.Changed++
		t.Changes = op.Changes()
	default:
		return
	}
	if len(i.Sample) < impactSample {
		i.Sample = append(i.Sample, t)
	}
}
