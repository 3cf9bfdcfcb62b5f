package scim

import (
	"context"
	"slices"

	"github.com/muster-id/muster/internal/attr"
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

// merge returns the members that there are after changes.
func merge(have []string, changes []memberChange) []string {
	done := map[string]bool{}
	for _, m := range changes {
		if !m.add {
			done[m.id] = true
		}
	}
	var out []string
	keep := func(id string) {
		if !done[id] {
			done[id] = true // once is enough
			out = append(out, id)
		}
	}
	for _, id := range have {
		keep(id)
	}
	for _, m := range changes {
		if m.add {
			keep(m.id)
		}
	}
	return out
}

// memberOperations writes a batch of member changes: all additions in one operation, each removal in its
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

// part is what else is sent with a batch of members: operations of a PATCH, or edits of a PUT.
type part struct {
	ops   []operation
	edits []attr.Edit
}

func (p part) none() bool { return len(p.ops)+len(p.edits) == 0 }

// applyMembers sends other changes of a group together with its members, in batches that the target
// takes.
func (w *writing) applyMembers(ctx context.Context, ops []operation, changes []memberChange) *connector.Error {
	q := w.c.quirks
	if !q.MixMembers {
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
		if failed := w.batch(ctx, part{ops: ops}, changes[:n]); failed != nil {
			return failed
		}
		ops, changes = nil, changes[n:]
	}
	return nil
}

// sendBatch sends members, and what goes with them, in one request.
func (w *writing) sendBatch(ctx context.Context, with part, members []memberChange) *connector.Error {
	if w.c.quirks.Update == "put" {
		return w.put(ctx, with.edits, nil, members)
	}
	return w.patch(ctx, append(slices.Clone(with.ops), w.c.memberOperations(members)...))
}

// batch sends one batch. One that is refused is halved until those who are at fault stand alone in
// Refused: one bad member keeps nobody else out.
func (w *writing) batch(ctx context.Context, with part, members []memberChange) *connector.Error {
	failed := w.sendBatch(ctx, with, members)
	switch {
	case failed == nil:
		w.tookMembers(members)
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
	if !with.none() {
		// Was it the group's own attributes? Alone, their refusal is the change's.
		if failed := w.sendBatch(ctx, with, nil); failed != nil {
			return failed
		}
		return w.batch(ctx, part{}, members)
	}
	if len(members) == 1 {
		return w.refuse(ctx, members[0], failed)
	}
	half := len(members) / 2
	if failed := w.batch(ctx, part{}, members[:half]); failed != nil {
		return failed
	}
	return w.batch(ctx, part{}, members[half:])
}

// refuse notes a member that the target did not take, and ends the change when it seems to take none.
func (w *writing) refuse(ctx context.Context, m memberChange, failed *connector.Error) *connector.Error {
	out := !m.add && failed.Code == connector.CodeNoTarget
	if !m.add && failed.Kind == connector.NotFound {
		var unread *connector.Error
		if out, unread = w.outside(ctx, m.id); unread != nil {
			return unread
		}
	}
	if out {
		w.tookMembers([]memberChange{m}) // who is no member is removed
		return nil
	}
	w.out.Refused = append(w.out.Refused, connector.Refusal{ID: m.id, Err: failed})
	if len(w.out.Refused) >= maxRefusals && len(w.out.Added)+len(w.out.Removed) == 0 {
		return failed
	}
	return nil
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

// groupGone looks once whether the group is there, and whom it shows.
func (w *writing) groupGone(ctx context.Context) (bool, *connector.Error) {
	if w.group != nil {
		return false, nil
	}
	a, failed := w.look(ctx, connector.Query{Kind: directory.KindGroup, ID: w.change.ID, Members: true})
	if failed != nil {
		return false, failed
	}
	w.group = a
	return a == nil, nil
}

// outside reports whether a 404 to the removal of somebody from a group that is there says that they are no member: the group
// shows it, or, where it shows nobody, their account is gone. Any other may be made up in between, and would leave them in.
func (w *writing) outside(ctx context.Context, id string) (bool, *connector.Error) {
	if w.group.MembersKnown {
		return !slices.Contains(w.group.Members, id), nil
	}
	a, failed := w.look(ctx, connector.Query{Kind: directory.KindUser, ID: id})
	return a == nil && failed == nil, failed
}

// look reads one account, nil where there is none.
func (w *writing) look(ctx context.Context, q connector.Query) (*connector.Account, *connector.Error) {
	q.Urgency = w.change.Urgency
	a, ans, err := w.c.one(ctx, q)
	w.out.Requests += ans.Requests
	return a, failure(err)
}
