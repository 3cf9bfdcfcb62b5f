package cycle

import (
	"cmp"
	"context"
	"slices"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// undoing is what a pass that undoes keeps in mind.
type undoing struct {
	before map[directory.Kind]map[string]*provision.Rejection // what was turned down before, by object
	over   map[string]bool                                    // objects of which nothing is left to take back
	left   map[string]string                                  // why others are left out
}

// undo plans the reverse of what a cycle did, from what was recorded of it. It takes the place of gathering: what
// is decided is about the past, and is checked against what there is now.
func (r *run) undo(ctx context.Context) error {
	r.undone = &undoing{before: map[directory.Kind]map[string]*provision.Rejection{}, over: map[string]bool{}, left: map[string]string{}}
	done, order, err := r.doings(ctx)
	if err != nil {
		return err
	}
	for _, kind := range []directory.Kind{directory.KindUser, directory.KindGroup} {
		for chunk := range slices.Chunk(order[kind], slice) {
			work, err := r.undoable(ctx, kind, chunk)
			if err != nil {
				return err
			}
			if err := r.lookNow(ctx, kind, work, len(order[kind])); err != nil {
				return err
			}
			if err := r.planUndo(ctx, work, done); err != nil {
				return err
			}
		}
	}
	return r.orderRenames(ctx)
}

// doings reads what the cycle did, by object. Of one person it is what was
// done to the account, and to its memberships.
func (r *run) doings(ctx context.Context) (map[string]*provision.Done, map[directory.Kind][]string, error) {
	rows, order := map[string][]*store.Operation{}, map[directory.Kind][]string{}
	var after *store.Operation
	for {
		page, err := r.engine.Store.Operations(ctx, r.opts.Undo, []store.State{store.Applied, store.Unknown}, after, slice)
		if err != nil {
			return nil, nil, err
		}
		for _, o := range page {
			if rows[o.Source.ID] == nil {
				order[o.Kind] = append(order[o.Kind], o.Source.ID)
			}
			rows[o.Source.ID] = append(rows[o.Source.ID], o)
		}
		if len(page) < slice {
			break
		}
		after = page[len(page)-1]
	}
	done := make(map[string]*provision.Done, len(rows))
	for id, list := range rows {
		done[id] = doneBy(list)
	}
	for kind, ids := range order {
		order[kind] = slices.DeleteFunc(ids, func(id string) bool {
			if r.opts.UndoObject != "" && id != r.opts.UndoObject {
				if kind == directory.KindUser {
					return true
				}
				done[id].Only(r.opts.UndoObject)
			}
			return done[id].Empty()
		})
	}
	return done, order, nil
}

// doneBy takes the operations of one object together, in the order in which they were carried out.
func doneBy(list []*store.Operation) *provision.Done {
	slices.SortStableFunc(list, func(a, b *store.Operation) int {
		return cmp.Or(a.Finished.Compare(b.Finished), cmp.Compare(a.Rank, b.Rank))
	})
	d := &provision.Done{}
	for _, o := range list {
		d.Take(o.Operation)
		d.Uncertain = d.Uncertain || o.State == store.Unknown
	}
	return d
}

// undoable prepares objects as they are now.
func (r *run) undoable(ctx context.Context, kind directory.Kind, ids []string) ([]*candidate, error) {
	var work []*candidate
	if kind == directory.KindGroup {
		objects, err := r.engine.Store.GroupObjects(ctx, r.app.ID, ids)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			c := r.group(objects[id])
			if c == nil {
				c = &candidate{link: objects[id].Link, open: objects[id].Open}
				c.Kind, c.Subject = kind, provision.Subject{ID: id}
				c.take(c.link)
			}
			work = append(work, c)
		}
		return work, nil
	}
	objects, err := r.engine.Store.UserObjects(ctx, r.app.ID, ids, r.app.usesGroups)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		c, err := r.prepare(objects[id])
		if err != nil {
			return nil, err
		}
		r.withoutMissing(c)
		work = append(work, c)
	}
	return work, nil
}

// lookNow reads how the accounts stand: one by one, or all of them at once where that is less.
func (r *run) lookNow(ctx context.Context, kind directory.Kind, work []*candidate, all int) error {
	if err := r.walkIfWorth(ctx, kind, all); err != nil {
		return err
	}
	shown := map[string]provision.Candidate{}
	if r.walked[kind] {
		var ids []string
		for _, c := range work {
			if c.Link != nil {
				ids = append(ids, c.Link.Account.ID)
			}
		}
		var err error
		if shown, err = r.engine.Store.SeenByID(ctx, r.app.ID, r.cycle.ID, kind, ids); err != nil {
			return err
		}
	}
	for _, c := range work {
		if c.Link == nil || c.failure != nil {
			continue
		}
		if a, ok := shown[c.Link.Account.ID]; ok {
			c.Seen, c.Looked = &a, true
			continue
		}
		a, err := r.readBack(ctx, kind, c.Link.Account.ID, kind == directory.KindGroup, provision.ReconcileRead)
		if err := r.unread(ctx, c, err); err != nil {
			return err
		}
		if c.failure != nil {
			continue
		}
		if c.Looked = true; a != nil {
			c.Seen = candidateOf(a)
		}
	}
	return nil
}

// planUndo stores the reverse of what was done to some objects, and what is turned down with it. That comes
// first: whatever ends the pass, no cycle does again what may have been undone.
func (r *run) planUndo(ctx context.Context, work []*candidate, done map[string]*provision.Done) error {
	var rows []*store.Operation
	var turned []store.Turned
	for _, c := range work {
		d := done[c.Subject.ID]
		if c.Subject.Name == "" {
			c.Subject.Name = d.Source.Name
		}
		op, rejected, err := r.reverse(ctx, c, d)
		if err != nil {
			return err
		}
		row := &store.Operation{
			Operation: *op, ID: r.engine.Store.NewID(), AppID: r.app.ID, CycleID: r.cycle.ID, State: store.Planned, Approved: r.opts.ApproveHeld,
			InitiatedBy: r.opts.Initiator, Created: r.now,
		}
		if op.Action == provision.Skip {
			row.State, row.Status, row.Finished = store.Skipped, "skipped", r.now
			r.undone.over[c.Subject.ID], r.undone.left[c.Subject.ID] = op.Cause == provision.Unchanged, op.Reason
		} else {
			rejected.Undid, rejected.By, rejected.At = r.opts.Undo, r.opts.Initiator, r.now
			turned = append(turned, store.Turned{Kind: c.Kind, ObjectID: c.Subject.ID, Rejected: rejected})
			r.remember(c)
			r.planned++
		}
		r.coming[c.Subject.ID] = op.Action == provision.Enable
		rows = append(rows, row)
	}
	if r.preview {
		turned = nil
	}
	if err := r.engine.Store.SetRejections(ctx, r.app.ID, turned); err != nil {
		return err
	}
	r.noteRenames(rows)
	return r.engine.Store.AddOperations(ctx, r.app.ID, r.holder, rows, nil, nil)
}

func (r *run) remember(c *candidate) {
	if r.undone.before[c.Kind] == nil {
		r.undone.before[c.Kind] = map[string]*provision.Rejection{}
	}
	r.undone.before[c.Kind][c.Subject.ID] = c.Rejected
}

// reverse decides what takes back what was done to one object.
func (r *run) reverse(ctx context.Context, c *candidate, d *provision.Done) (*provision.Operation, *provision.Rejection, error) {
	var op *provision.Operation
	var rejected *provision.Rejection
	if why := c.busy(); why != "" {
		op = &provision.Operation{Kind: c.Kind, Action: provision.Skip, Cause: provision.Undone, Reason: why, Source: c.Subject, Target: d.Target}
	} else {
		m, err := r.membership(ctx, c, d)
		if err != nil {
			return nil, nil, err
		}
		op, rejected = provision.Reverse(&r.app.Application, d, c.Object, m)
	}
	op.Reason = provision.Undoes(r.opts.Undo) + op.Reason
	op.References, op.Hidden = r.app.program(c.Kind).References(), r.app.hidden[c.Kind]
	var err error
	op.Names, err = r.names(ctx, op, d.Names)
	return op, rejected, err
}

// busy says why nothing is decided about an object now, "" when something can be.
func (c *candidate) busy() string {
	if c.failure != nil {
		return "left out: " + c.failure.Reason
	}
	for _, o := range c.open {
		switch o.State {
		case store.Held, store.Approved:
			return "left out: another operation of it waits for approval, or for its turn"
		case store.Applying, store.Unknown:
			return "left out: another operation of it is under way, or ended without an answer"
		}
	}
	return ""
}

// names are the userNames of those whom changed references name.
func (r *run) names(ctx context.Context, op *provision.Operation, known map[string]string) (map[string]string, error) {
	var ids []string
	for _, e := range op.Edits {
		for _, v := range []any{e.Old, e.New} {
			if id, ok := v.(string); ok && id != "" && known[id] == "" && slices.Contains(op.References, e.Path) {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return known, nil
	}
	links, err := r.engine.Store.Links(ctx, r.app.ID, directory.KindUser, ids)
	for id, l := range links {
		known[id] = l.Name
	}
	return known, err
}

// membership finds out how the members stand that an undo speaks of.
func (r *run) membership(ctx context.Context, c *candidate, d *provision.Done) (provision.Membership, error) {
	m := provision.Membership{There: map[string]bool{}, Known: map[string]bool{}, Accounts: map[string]bool{}}
	if c.Kind != directory.KindGroup || len(d.Added)+len(d.Removed) == 0 {
		return m, nil
	}
	known, err := r.engine.Store.GroupMembers(ctx, r.app.ID, c.Subject.ID)
	if err != nil {
		return m, err
	}
	var there map[string]bool
	if c.Seen != nil && c.Seen.MembersKnown {
		there = set(c.Seen.Members)
	}
	for _, k := range known {
		ours := k.Origin == "added" || k.Origin == "found"
		m.Known[k.ID] = ours || there != nil
		if m.There[k.ID] = ours; there != nil {
			m.There[k.ID] = there[k.AccountID]
		}
	}
	ids := make([]string, len(d.Removed))
	for i, u := range d.Removed {
		ids[i] = u.ID
	}
	accounts, err := r.engine.Store.AccountsOf(ctx, r.app.ID, ids)
	for _, id := range ids {
		m.Accounts[id] = accounts[id] != "" || r.coming[id]
	}
	return m, err
}

// over reports whether nothing is left to take back of what a plan to undo speaks of: an earlier run of the
// plan, that did not come to its end, has done it.
func (r *run) over(o *store.Operation) bool { return r.undone != nil && r.undone.over[o.Source.ID] }

// forgive lets objects be undone again of which nothing came: what was turned down with them was not undone.
func (r *run) forgive(ctx context.Context) error {
	if r.undone == nil || r.preview {
		return nil
	}
	var after *store.Operation
	for {
		page, err := r.engine.Store.Operations(ctx, r.cycle.ID, []store.State{store.Applied, store.Unknown, store.Held, store.Approved}, after, slice)
		if err != nil {
			return err
		}
		for _, o := range page {
			delete(r.undone.before[o.Kind], o.Source.ID)
		}
		if len(page) < slice {
			break
		}
		after = page[len(page)-1]
	}
	var turned []store.Turned
	for kind, objects := range r.undone.before {
		for id, before := range objects {
			turned = append(turned, store.Turned{Kind: kind, ObjectID: id, Rejected: before})
		}
	}
	return r.engine.Store.SetRejections(ctx, r.app.ID, turned)
}

// stillUndone looks at an operation that undoes and that is held or approved, beside what was decided about its
// object. A person asked for it, so decisions about the directory neither repeat it nor end it, unless something is
// due for the object that comes after it. It returns the row to plan, and whether the undoing is over.
func (r *run) stillUndone(ctx context.Context, c *candidate, open store.OpenOperation, row *store.Operation) (next *store.Operation, over bool, err error) {
	switch {
	case row != nil && row.Action != provision.Skip:
		return row, !r.preview, nil
	case open.State == store.Held || r.preview:
		return row, false, nil
	}
	o, err := r.engine.Store.OperationByID(ctx, open.ID)
	if err != nil || c.Link == nil || c.Link.Account.ID != o.Target.ID || c.failure != nil {
		return row, true, err
	}
	fits := map[provision.Action]bool{
		provision.Disable: c.Link.Enabled, provision.Enable: !c.Link.Enabled, provision.Delete: true,
		provision.Update: c.Link.Enabled && !slices.ContainsFunc(o.Edits, func(e attr.Edit) bool { return !attr.Equal(c.Link.Wanted[e.Path], e.Old) }),
	}
	if !fits[o.Action] {
		return row, true, nil
	}
	again := *o
	again.ID, again.CycleID, again.State, again.Approved, again.Hold, again.Created = r.engine.Store.NewID(), r.cycle.ID, store.Planned, true, "", r.now
	again.Want = c.Link.Wanted.With(o.Edits)
	return &again, false, nil
}
