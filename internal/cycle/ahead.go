package cycle

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// ahead is what a pass that still reads the target or plans knows of those who leave meanwhile.
type ahead struct {
	position int64 // how far the feed has been read for them
	looked   time.Time
	left     map[string]bool // whose turn this was: what was read of them before is not true any more
}

// left reports whether a person went ahead of the plan that is being made. What changes for them since has a place of
// its own in the feed.
func (r *run) left(id string) bool { return r.ahead != nil && r.ahead.left[id] }

// aheadEvery is how often such a pass looks who has left.
const aheadEvery = 200 * time.Millisecond

// lookAhead makes the pass let leavers go ahead of what it has not planned yet. A pass whose plan must be whole before
// anything is sent does not: one that is only shown, that is compared with a saved one, or that a person looks at
// after a restore.
func (r *run) lookAhead(ctx context.Context) error {
	if r.preview || r.restored || r.opts.PlanID != "" || r.opts.Undo != "" || r.opts.Object != "" {
		return nil
	}
	r.ahead = &ahead{position: r.position, left: map[string]bool{}}
	if r.cycle.Type != Initial {
		return nil
	}
	// Nobody who had left before is linked.
	var err error
	r.ahead.position, err = r.engine.Store.FeedSeq(ctx)
	return err
}

// leaversAhead switches off who has left the scope since the pass began, while it still reads or plans: that may take
// minutes. They are decided about as ever, and weighed by the guard with all that is planned so far; the
// pass comes to them once more when it follows the feed. Whoever is not plainly to be removed is left to that.
func (r *run) leaversAhead(ctx context.Context) error {
	if r.ahead == nil || time.Since(r.ahead.looked) < aheadEvery {
		return nil
	}
	// What has been planned for somebody before is replaced.
	if err := r.stored(); err != nil {
		return err
	}
	s := r.engine.Store
	changed, until, err := s.LinkedAmongChanged(ctx, r.app.ID, r.ahead.position)
	if err != nil {
		return err
	}
	r.ahead.position, r.ahead.looked = until, time.Now()
	for ids := range slices.Chunk(changed, slice) {
		objects, err := s.UserObjects(ctx, r.app.ID, ids, r.app.usesGroups)
		if err != nil {
			return err
		}
		var leavers []*candidate
		var who []string
		for _, id := range ids {
			c, err := r.user(objects[id])
			if err != nil {
				return err
			}
			if c != nil && r.leaves(c) {
				leavers, who = append(leavers, c), append(who, id)
			}
		}
		if len(leavers) == 0 {
			continue
		}
		approves := r.approves
		r.approves = false // they have left since whoever approves has looked
		err = r.plan(ctx, leavers)
		if r.approves = approves; err != nil {
			return err
		}
		if err := r.stored(); err != nil {
			return err
		}
		if err := r.guard(ctx); err != nil {
			return err
		}
		taken, err := s.TakeRemovals(ctx, r.cycle.ID, who)
		if err != nil {
			return err
		}
		for _, id := range taken {
			r.ahead.left[id] = true
		}
		if err := r.carryAhead(ctx, slices.Collect(maps.Keys(taken))); err != nil {
			return err
		}
	}
	return nil
}

// leaves reports whether a person is to be switched off or deleted, and nothing else has to be found out first.
func (r *run) leaves(c *candidate) bool {
	if c.Link == nil || !c.Link.Enabled || c.Verdict.In || c.failure != nil || slices.ContainsFunc(c.open, func(o store.OpenOperation) bool { return o.State != store.Planned }) {
		return false
	}
	op := provision.Decide(&r.app.Application, c.Object)
	return op != nil && op.Kind == directory.KindUser && op.Failure == nil && (op.Action == provision.Disable || op.Action == provision.Delete)
}

// carryAhead carries out operations that have been taken, and nothing else.
func (r *run) carryAhead(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	d := r.dispatcher()
	d.taking = len(ids)
	ready, err := d.read(ctx, ids)
	err = d.fetch(marked{ids, ready, err})
	for err == nil && d.stopped == nil && ctx.Err() == nil {
		if d.dispatch(ctx); d.inflight == 0 {
			break
		}
		d.take1(<-d.finished)
	}
	// What the target shows late is looked at again when the plan is carried out.
	r.unsettled, d.checks = append(r.unsettled, d.checks...), nil
	if err = d.end(ctx, err); err == nil && r.stopped != nil {
		return r.stopped
	}
	return err
}
