package cycle

import (
	"context"
	"fmt"
	"sort"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// reconcile reads the target completely before anything is decided. What an incomplete reading did
// not show is not concluded to be missing.
func (r *run) reconcile(ctx context.Context) error {
	if err := r.beginDrift(ctx); err != nil {
		return err
	}
	kinds := []directory.Kind{directory.KindUser}
	if r.app.Provisioning.Groups.Enabled {
		kinds = append(kinds, directory.KindGroup)
	}
	for _, kind := range kinds {
		complete, err := r.walk(ctx, kind, 0)
		if err != nil {
			return err
		}
		r.walked[kind], r.unlisted[kind] = complete, !complete
	}
	return nil
}

// seen fills in how the linked accounts of candidates look at the target now.
func (r *run) seen(ctx context.Context, kind directory.Kind, work []*candidate) error {
	if r.cycle.Type != Reconcile || !r.walked[kind] && !r.unlisted[kind] {
		return nil
	}
	// What this pass has written since says more than what it read before.
	older := func(c *candidate) bool { return c.Link != nil && c.link.Modified.Before(r.began) }
	var ids []string
	for _, c := range work {
		if older(c) {
			ids = append(ids, c.Link.Account.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	accounts, err := r.engine.Store.SeenByID(ctx, r.app.ID, r.cycle.ID, kind, ids)
	if err != nil {
		return err
	}
	for _, c := range work {
		if !older(c) {
			continue
		}
		if a, ok := accounts[c.Link.Account.ID]; ok {
			c.Seen, c.Looked = &a, true
			c.foundAgain()
			continue
		}
		if err := r.absent(ctx, kind, c); err != nil {
			return err
		}
	}
	return nil
}

// adopt makes the pass carry out a saved plan, and nothing else. Everything is decided anew and
// compared: only when both say the same is the plan run, with the values that it showed.
func (r *run) adopt(ctx context.Context) error {
	s := r.engine.Store
	plan, err := s.CycleByID(ctx, r.app.ID, r.opts.PlanID)
	if err != nil {
		return err
	}
	if plan.Basis != r.app.basis {
		return &ErrPlanStale{ID: plan.ID, Changes: []string{"the configuration of " + r.app.Name + " has changed since"}}
	}
	if err := r.gather(ctx); err != nil {
		return err
	}
	if err := r.guard(ctx); err != nil {
		return err
	}
	then, err := r.outline(ctx, plan.ID)
	if err != nil {
		return err
	}
	now, err := r.outline(ctx, r.cycle.ID)
	if err != nil {
		return err
	}
	held, err := s.HeldOperations(ctx, r.app.ID)
	if err != nil {
		return err
	}
	if r.undone != nil {
		held = nil // an undo has nothing to do with what waits besides
	}
	for _, o := range held {
		now[r.line(o)] = o
	}
	var differ []string
	for line, o := range now {
		if then[line] == nil {
			differ = append(differ, fmt.Sprintf("now also due: %s %s %s", o.Action, o.Kind, o.Source.Name))
		}
	}
	for line, o := range then {
		if now[line] == nil && !r.over(o) {
			text := fmt.Sprintf("no longer due as planned: %s %s %s", o.Action, o.Kind, o.Source.Name)
			if r.undone != nil && r.undone.left[o.Source.ID] != "" {
				text += " (" + r.undone.left[o.Source.ID] + ")"
			}
			differ = append(differ, text)
		}
	}
	if len(differ) > 0 {
		if err := r.withdraw(ctx, now); err != nil {
			return err
		}
		sort.Strings(differ)
		return &ErrPlanStale{ID: plan.ID, Changes: differ}
	}
	clear(r.rows)
	// Values made by chance or by the clock must be those that the plan showed.
	for line, o := range now {
		if o.Action == provision.Create && o.State == store.Planned {
			if err := s.SetWant(ctx, o.ID, then[line].Want); err != nil {
				return err
			}
		}
	}
	return nil
}

// withdraw drops what a plan to undo that does not hold would have people asked about: nobody wants it as it is now. What
// a cycle holds back is due whatever was planned, and stays.
func (r *run) withdraw(ctx context.Context, due map[string]*store.Operation) error {
	if r.undone == nil {
		return nil
	}
	var held []string
	for _, o := range due {
		if o.State == store.Held {
			held = append(held, o.ID)
		}
	}
	return r.engine.Store.AddOperations(ctx, r.app.ID, r.holder, nil, held, nil)
}

// outline returns what a cycle or a plan is to do, by a line that two of them share when they mean
// the same.
func (r *run) outline(ctx context.Context, cycleID string) (map[string]*store.Operation, error) {
	lines := map[string]*store.Operation{}
	var after *store.Operation
	for {
		page, err := r.engine.Store.Operations(ctx, cycleID, []store.State{store.Planned, store.Held}, after, 1000)
		if err != nil || len(page) == 0 {
			return lines, err
		}
		for _, o := range page {
			if o.Action != provision.Skip && o.Error == nil {
				lines[r.line(o)] = o
			}
		}
		after = page[len(page)-1]
	}
}

func (r *run) line(o *store.Operation) string {
	shown := o.Operation
	if o.Action == provision.Create {
		shown.Want = o.Want.Clone()
		for _, path := range r.app.program(o.Kind).CreateOnly() {
			delete(shown.Want, path)
		}
	}
	held := o.State == store.Held && !r.opts.ApproveHeld
	return fmt.Sprintf("%s %s %s %s %t %v", o.Kind, o.Action, o.Source.ID, o.Target.ID, held, shown.Changes())
}
