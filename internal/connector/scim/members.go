package scim

import (
	"context"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
)

// memberChange is one member to add to a group or to remove from it.
type memberChange struct {
	id  string
	add bool
}

func memberChanges(add, remove []string) []memberChange {
	out := make([]memberChange, 0, len(add)+len(remove))
	for _, id := range remove {
		out = append(out, memberChange{id, false})
	}
	for _, id := range add {
		out = append(out, memberChange{id, true})
	}
	return out
}

// memberValues writes members as RFC 7643 §4.2 has them. Nothing but their ids is sent: some targets
// refuse more.
func memberValues(ids []string) []any {
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = map[string]any{"value": id}
	}
	return out
}

// merge returns the members that there are after a change.
func merge(have, add, remove []string) []string {
	gone := make(map[string]bool, len(remove))
	for _, id := range remove {
		gone[id] = true
	}
	var out []string
	for _, id := range append(append([]string{}, have...), add...) {
		if !gone[id] {
			gone[id] = true // once is enough
			out = append(out, id)
		}
	}
	return out
}

// operations writes a batch of member changes: all additions in one operation, each removal in its
// own, save where the target wants them as a list.
func (c *Connector) memberOperations(batch []memberChange) []operation {
	var ops []operation
	var add, remove []string
	for _, m := range batch {
		switch {
		case m.add:
			add = append(add, m.id)
		case c.quirks.MemberRemoval == "value":
			remove = append(remove, m.id)
		default:
			ops = append(ops, operation{Op: "remove", Path: "members[value eq " + quote(m.id) + "]"})
		}
	}
	if len(remove) > 0 {
		ops = append(ops, operation{Op: "remove", Path: "members", Value: memberValues(remove)})
	}
	if len(add) > 0 {
		ops = append(ops, operation{Op: "add", Path: "members", Value: memberValues(add)})
	}
	return ops
}

// maxRefusals is how many members in a row a target may refuse one by one before it is taken to
// refuse them all.
const maxRefusals = 20

// applyMembers sends other changes of a group together with its members, in batches that the target
// takes. A batch that is refused is halved until those who are at fault stand alone in Refused.
func (w *writing) applyMembers(ctx context.Context, ops []operation, changes []memberChange) *connector.Error {
	q := w.c.quirks
	if len(ops) > 0 && (!q.MixMembers || len(changes) == 0) {
		if failed := w.patch(ctx, ops); failed != nil {
			return failed
		}
		ops = nil
	}
	for len(changes) > 0 {
		n := min(len(changes), q.MemberBatch)
		if !q.MixMembers {
			for i := range n {
				if changes[i].add != changes[0].add {
					n = i
					break
				}
			}
		}
		if failed := w.batch(ctx, ops, changes[:n]); failed != nil {
			return failed
		}
		ops, changes = nil, changes[n:]
	}
	return nil
}

// batch sends one batch, and halves of it when it is refused.
func (w *writing) batch(ctx context.Context, ops []operation, batch []memberChange) *connector.Error {
	all := append(append([]operation{}, ops...), w.c.memberOperations(batch)...)
	failed := w.patch(ctx, all)
	switch {
	case failed == nil:
		w.tookMembers(batch)
		return nil
	case !refusedMembers(failed):
		return failed
	}
	if failed.Kind == connector.NotFound {
		// It may be the member that is not there, or the group.
		gone, checked := w.groupGone(ctx)
		if checked != nil {
			return checked
		}
		if gone {
			return failed
		}
	}
	if len(ops) > 0 {
		// Was it the group's own attributes? Alone, their refusal is the change's.
		if failed := w.patch(ctx, ops); failed != nil {
			return failed
		}
		return w.batch(ctx, nil, batch)
	}
	if len(batch) == 1 {
		if !batch[0].add && (failed.Kind == connector.NotFound || failed.Code == connector.CodeNoTarget) {
			w.tookMembers(batch) // who is no member is removed
			return nil
		}
		w.out.Refused = append(w.out.Refused, connector.Refusal{ID: batch[0].id, Err: failed})
		if len(w.out.Refused) >= maxRefusals && len(w.out.Added)+len(w.out.Removed) == 0 {
			return failed
		}
		return nil
	}
	half := len(batch) / 2
	if failed := w.batch(ctx, nil, batch[:half]); failed != nil {
		return failed
	}
	return w.batch(ctx, nil, batch[half:])
}

func (w *writing) tookMembers(batch []memberChange) {
	for _, m := range batch {
		if m.add {
			w.out.Added = append(w.out.Added, m.id)
		} else {
			w.out.Removed = append(w.out.Removed, m.id)
		}
	}
}

// refusedMembers reports whether an error may be about single members, so that a smaller request may
// pass.
func refusedMembers(e *connector.Error) bool {
	return e.Kind == connector.Rejected || e.Kind == connector.NotFound
}

// groupGone looks once whether the group is there.
func (w *writing) groupGone(ctx context.Context) (bool, *connector.Error) {
	if w.alive {
		return false, nil
	}
	a, ans, err := w.c.one(ctx, connector.Query{Kind: directory.KindGroup, ID: w.change.ID, Urgency: w.change.Urgency})
	w.out.Requests += ans.Requests
	if err != nil {
		return false, failure(err)
	}
	w.alive = a != nil
	return a == nil, nil
}
