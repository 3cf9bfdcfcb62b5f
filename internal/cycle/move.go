package cycle

import (
	"slices"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// moving is the rank of a removal that waits until its members have joined another group.
const moving = 1

// movers lets those who go from one group to another join the new one before they leave the old one: a group
// gives access, and in between they would have none. Everybody else who leaves a group goes at once, in an
// operation apart where both are due.
func (r *run) movers(rows []*store.Operation) []*store.Operation {
	joins := map[string]*store.Operation{} // user → how they join a group
	for _, row := range rows {
		if row.Kind == directory.KindGroup && row.State == store.Planned && row.Error == nil {
			for _, m := range row.Add {
				joins[m.ID] = row
			}
		}
	}
	if len(joins) == 0 {
		return rows
	}
	out := make([]*store.Operation, 0, len(rows))
	for _, row := range rows {
		out = append(out, row)
		if row.Kind != directory.KindGroup || row.State != store.Planned || row.Action != provision.Update || row.Error != nil {
			continue
		}
		moves := func(m provision.Subject) bool { to := joins[m.ID]; return to != nil && to.Source.ID != row.Source.ID }
		leaves := func(m provision.Subject) bool { return !moves(m) }
		after := provision.Removal // the last join
		for _, m := range row.Remove {
			if moves(m) {
				after = max(after, joins[m.ID].Urgency)
			}
		}
		switch both := slices.ContainsFunc(row.Remove, moves); {
		case !both:
		case len(row.Edits)+len(row.Add)+len(row.Found) == 0 && !slices.ContainsFunc(row.Remove, leaves):
			row.Urgency, row.Rank = after, moving
		default:
			apart := *row
			apart.ID, apart.Urgency, apart.Rank = r.engine.Store.NewID(), after, moving
			apart.Edits, apart.Add, apart.Found, apart.Want = nil, nil, nil, nil
			apart.Remove = slices.DeleteFunc(slices.Clone(row.Remove), leaves)
			row.Remove = slices.DeleteFunc(slices.Clone(row.Remove), moves)
			out = append(out, &apart)
		}
	}
	return out
}

// noteJoins counts who is about to join a group by an operation that was taken from the queue; by is -1 when it
// has ended.
func (d *dispatcher) noteJoins(o *store.Operation, by int) {
	if o.Kind != directory.KindGroup {
		return
	}
	for _, m := range o.Add {
		if d.joining[m.ID] += by; d.joining[m.ID] == 0 {
			delete(d.joining, m.ID)
		}
	}
}

// onTheMove reports whether a member whom an operation removes has still to join another group. Where nothing is
// under way there is nobody to wait for.
func (d *dispatcher) onTheMove(w *work) bool {
	return w.Kind == directory.KindGroup && w.Rank == moving && d.inflight > 0 &&
		slices.ContainsFunc(w.Remove, func(m provision.Subject) bool { return d.joining[m.ID] > 0 })
}
