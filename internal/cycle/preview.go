package cycle

import (
	"context"
	"slices"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
)

// Mapped works out, without asking the target and whether or not the object is in scope, which
// attributes the account of a user, or the group of a group, is to have by the mappings of an application
// as they are given. Hidden are the paths whose values may not be shown.
func (e *Engine) Mapped(ctx context.Context, app *provision.Application, kind directory.Kind, id string) (want attr.Set, hidden []string, err error) {
	r, err := e.look(ctx, app)
	if err != nil {
		return nil, nil, err
	}
	facts, err := r.factsOf(ctx, kind, id)
	if err != nil {
		return nil, nil, err
	}
	want, err = r.mapped(kind, id, facts, true)
	return want, r.app.hidden[kind], err
}

// factsOf are what the mappings see of one object.
func (r *run) factsOf(ctx context.Context, kind directory.Kind, id string) (mapping.Facts, error) {
	if kind == directory.KindGroup {
		g, err := r.engine.Store.GroupByName(ctx, id)
		return r.groupFacts(&g), err
	}
	objects, err := r.engine.Store.UserObjects(ctx, r.app.ID, []string{id}, true)
	if err != nil {
		return mapping.Facts{}, err
	}
	c, err := r.prepare(objects[id])
	if err != nil {
		return mapping.Facts{}, err
	}
	return c.facts, nil
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

// Impact compares what the accounts, or the groups, of an application are to have before and after a
// change of its mappings. It asks the target nothing, and stops early when the context ends.
func (e *Engine) Impact(ctx context.Context, kind directory.Kind, before, after *provision.Application) (Impact, error) {
	var out Impact
	then, err := e.look(ctx, before)
	if err != nil {
		return out, err
	}
	now, err := e.look(ctx, after)
	if err != nil {
		return out, err
	}
	ids, err := e.Store.LinkedObjects(ctx, before.ID, kind)
	if err != nil {
		return out, err
	}
	for chunk := range slices.Chunk(ids, slice) {
		if ctx.Err() != nil {
			return out, nil
		}
		prepared, err := e.gathered(ctx, kind, before.ID, chunk, then.app.usesGroups || now.app.usesGroups)
		if err != nil {
			if ctx.Err() != nil {
				return out, nil
			}
			return out, err
		}
		for _, id := range chunk {
			old, err := prepared(then, id)
			if err != nil {
				return out, err
			}
			if old == nil || !old.Verdict.In {
				continue
			}
			out.Looked++
			next, err := prepared(now, id)
			if err != nil {
				return out, err
			}
			out.compare(now, old, next)
		}
	}
	out.All = true
	return out, nil
}

// gathered reads what is known of objects once, and returns what works out of it, for one configuration
// and another, what each is to have.
func (e *Engine) gathered(ctx context.Context, kind directory.Kind, appID string, ids []string, groups bool) (func(*run, string) (*candidate, error), error) {
	if kind == directory.KindGroup {
		objects, err := e.Store.GroupObjects(ctx, appID, ids)
		return func(r *run, id string) (*candidate, error) { return r.group(objects[id]), nil }, err
	}
	objects, err := e.Store.UserObjects(ctx, appID, ids, groups)
	return func(r *run, id string) (*candidate, error) { return r.prepare(objects[id]) }, err
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
