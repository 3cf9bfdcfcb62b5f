package cycle

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// plan has the candidates decided about and stores the operations. What a new decision replaces
// (planned but not sent, held and obsolete, unknown) is dropped in the same transaction.
func (r *run) plan(ctx context.Context, work []*candidate) error {
	var rows []*store.Operation
	var replaced []string
	var adopts []*store.Link
	var turned []store.Turned
	for _, c := range work {
		op, err := r.decide(ctx, c)
		if err != nil {
			return err
		}
		if still := c.Rejected.Still(c.Verdict.In, c.Want); !c.Rejected.Same(still) && c.failure == nil && !r.preview {
			back := c.Kind == directory.KindUser && c.Verdict.In && c.Rejected.Keeps()
			turned = append(turned, store.Turned{Kind: c.Kind, ObjectID: c.Subject.ID, Rejected: still, Back: back})
		}
		row := r.row(c, op)
		var approved []provision.Subject // members
		for _, open := range c.open {
			switch {
			case open.Cause == provision.Undone && (open.State == store.Held || open.State == store.Approved):
				var over bool
				if row, over, err = r.stillUndone(ctx, c, open, row); err != nil {
					return err
				}
				if over {
					replaced = append(replaced, open.ID)
				}
			case open.State == store.Held && open.Removals == 0 && row != nil && row.Action == open.Action && !r.approves:
				row = nil // it waits for a person already
			case open.State == store.Held && open.Removals > 0 && op != nil && c.Verdict.In:
				// kept up to date by withoutHeld
			case open.State == store.Applying:
				// What is known of the object is about to change: it is decided about when that is recorded.
				r.hurry(row)
				row = nil
				r.later = append(r.later, store.Later{Kind: c.Kind, ID: c.Subject.ID, Members: c.only})
			case open.State == store.Planned && open.CycleID != r.cycle.ID:
			case open.State == store.Unknown && (!c.orphan || c.failure != nil):
				// Remembered until a link that is stored says how the account stands: of a create, because the
				// account that it may have made must be found also when the object leaves the scope before.
			case open.State == store.Approved && row != nil && row.Action == open.Action && open.Removals == 0:
				row.Approved = true // and the approval stays until this is done
			case open.State == store.Approved && row != nil && slices.ContainsFunc(row.Remove, func(m provision.Subject) bool { return hasSubject(open.Remove, m) }):
				approved = append(approved, open.Remove...)
			case r.preview:
				if open.State == store.Held {
					r.obsolete[open.ID] = heldBefore{c.Kind, open.Action}
				}
			default:
				replaced = append(replaced, open.ID)
			}
		}
		row = r.found(c, op, row)
		switch {
		case row != nil && len(approved) > 0:
			rows = append(rows, r.splitApproved(row, approved)...)
		case row != nil:
			if r.expects(c, row); r.everything && !r.preview && row.State == store.Skipped && row.Cause == provision.Unchanged {
				r.unchanged++ // counted, and no record a day for each account in order
			} else {
				rows = append(rows, row)
			}
		}
		if op != nil && op.Cause == provision.Matched && op.Failure == nil {
			c.adopts = r.adoption(c, op)
		}
		if c.failure == nil && c.adopts == nil && c.Lost() {
			c.adopts = r.lost(c)
		}
		if c.back() {
			l := *c.link
			l.Leaving = noTime
			c.adopts = &l
		}
		if c.adopts != nil && !r.preview {
			adopts = append(adopts, c.adopts)
		}
	}
	if err := r.engine.Store.SetRejections(ctx, r.app.ID, turned); err != nil {
		return err
	}
	waiting := r.waiting
	if r.waiting = nil; r.preview {
		waiting = nil
	}
	rows = r.movers(rows)
	if err := r.nameBefore(ctx, rows); err != nil {
		return err
	}
	if err := r.storeBehind(ctx, rows, replaced, adopts, waiting); err != nil {
		return err
	}
	r.noteRenames(rows)
	for _, row := range rows {
		if row.State != store.Planned {
			continue
		}
		if r.planned++; len(r.rows) < rememberedRows && !r.preview {
			r.rows[row.ID] = row
		}
	}
	return nil
}

// heldBefore is an operation that waits for a person and that a plan finds to be due no more: the cycle that runs the
// plan drops it, and the plan itself does not count it or show it.
type heldBefore struct {
	kind   directory.Kind
	action provision.Action
}

// nameBefore adds the names of those whom references named before, who are shown beside those whom they name now.
func (r *run) nameBefore(ctx context.Context, rows []*store.Operation) error {
	var ids []string
	each := func(do func(row *store.Operation, id, user string)) {
		for _, row := range rows {
			for _, e := range row.Edits {
				if id, ok := e.Old.(string); ok && id != "" && row.Names[id] == "" && slices.Contains(row.References, e.Path) {
					do(row, id, cmp.Or(r.claims[id], id)) // of an account that is adopted, whose it is
				}
			}
		}
	}
	each(func(_ *store.Operation, _, user string) { ids = append(ids, user) })
	if len(ids) == 0 {
		return nil
	}
	names, err := r.engine.Store.UserNames(ctx, ids)
	if err != nil {
		return err
	}
	each(func(row *store.Operation, id, user string) {
		if names[user] == "" {
			return
		}
		row.Names = maps.Clone(row.Names)
		if row.Names == nil {
			row.Names = map[string]string{}
		}
		row.Names[id] = names[user]
	})
	return nil
}

// storeBehind stores a slice of the plan while the next one is decided about. Whoever depends on what
// is in the database calls stored first.
func (r *run) storeBehind(ctx context.Context, rows []*store.Operation, replaced []string, adopts []*store.Link, waiting []store.Waiting) error {
	if err := r.stored(); err != nil {
		return err
	}
	behind := make(chan error, 1)
	r.storing = behind
	go func() {
		err := r.engine.Store.AddWaiting(ctx, r.app.ID, waiting)
		if err == nil {
			err = r.engine.Store.AddOperations(ctx, r.app.ID, r.holder, rows, replaced, adopts)
		}
		behind <- err
	}()
	return nil
}

// stored waits until everything decided so far is in the database.
func (r *run) stored() error {
	if r.storing == nil {
		return nil
	}
	err := <-r.storing
	r.storing = nil
	return err
}

// splitApproved lets those members go whose removal was approved; the removal of others in the same
// operation is for the guard to weigh, and becomes an operation apart.
func (r *run) splitApproved(row *store.Operation, approved []provision.Subject) []*store.Operation {
	is := func(m provision.Subject) bool { return hasSubject(approved, m) }
	others := slices.DeleteFunc(slices.Clone(row.Remove), is)
	if len(others) == 0 {
		row.Approved = true
		return []*store.Operation{row}
	}
	apart := *row
	apart.ID, apart.Approved, apart.Urgency = r.engine.Store.NewID(), true, provision.Removal
	apart.Edits, apart.Add, apart.Found, apart.Want = nil, nil, nil, nil
	apart.Remove = slices.DeleteFunc(slices.Clone(row.Remove), func(m provision.Subject) bool { return !is(m) })
	row.Remove = others
	return []*store.Operation{&apart, row}
}

func hasSubject(list []provision.Subject, m provision.Subject) bool {
	return slices.ContainsFunc(list, func(s provision.Subject) bool { return s.ID == m.ID })
}

// back reports whether the verdict on an object has changed since it was leaving: a grace period that
// ran belongs to that leave alone.
func (c *candidate) back() bool {
	under := func(o store.OpenOperation) bool { return o.State == store.Applying || o.State == store.Unknown }
	return c.adopts == nil && c.Link != nil && c.failure == nil && c.Verdict.In && !c.link.Leaving.IsZero() && !slices.ContainsFunc(c.open, under)
}

// adoption is the link of an account that matching found, as it is before anything is sent to it:
// what is wanted holds where it is there already, and else the account's own value.
func (r *run) adoption(c *candidate, op *provision.Operation) *store.Link {
	l := &store.Link{AppID: r.app.ID, Kind: c.Kind, ObjectID: c.Subject.ID, Name: c.Subject.Name, Sent: attr.Set{}}
	l.Account, l.Origin, l.Enabled = op.Target, op.Origin, c.Match.Account.Active
	l.Answered, l.Wanted = c.Match.Account.Values, op.Want.Clone()
	for _, e := range op.Edits {
		l.Wanted[e.Path] = e.Old
	}
	for _, path := range op.References {
		if c.Match.Account.Refers[path] == nil {
			delete(l.Wanted, path) // the account's own value is an account id
		}
	}
	return l
}

// expects notes what the row will bring about for others, and whom its object waits for.
func (r *run) expects(c *candidate, row *store.Operation) {
	if row.Action == provision.Create && row.Error == nil && !r.preview {
		r.makes(row)
	}
	if c.Kind != directory.KindUser {
		return
	}
	links := row.Action == provision.Create || row.Action == provision.Enable || row.Cause == provision.Matched
	if links && row.Error == nil {
		r.coming[c.Subject.ID] = true
	}
	if c.waits {
		r.waiting = append(r.waiting, store.Waiting{Kind: c.Kind, ObjectID: c.Subject.ID, MissingID: c.missing})
	}
}

// rememberedRows bounds how many planned rows a pass keeps in memory beside the database.
const rememberedRows = 5000

// fewMembers is how many members a group may get and lose at once ahead of the people who are still to get an
// account, when some of them are among those: where there are more, one request for all is better than two.
const fewMembers = 20

// decide turns one candidate into an operation, nil when there is nothing to do or say.
func (r *run) decide(ctx context.Context, c *candidate) (*provision.Operation, error) {
	r.withoutMissing(c)
	if p := c.failure; p != nil {
		op := &provision.Operation{Kind: c.Kind, Action: provision.Update, Cause: c.because, Reason: p.Reason, Urgency: provision.CreateUpdate, Source: c.Subject, Failure: p}
		if c.Link == nil {
			op.Action = provision.Create
		} else {
			op.Target, op.Want = c.Link.Account, c.Link.Wanted
		}
		return op, nil
	}
	var found []provision.Subject
	if c.Kind == directory.KindGroup && c.Match.Account != nil {
		var err error
		if found, c.Members.Add, err = r.present(ctx, c); err != nil {
			return nil, err
		}
	}
	op := provision.Decide(&r.app.Application, c.Object)
	if op == nil && c.escrowed {
		// What failed is over with the scope.
		op = &provision.Operation{Kind: c.Kind, Action: provision.Skip, Cause: c.Verdict.Cause, Reason: c.Verdict.Why() + "; there is no account", Source: c.Subject}
	}
	if op == nil {
		return nil, nil
	}
	program := r.app.program(c.Kind)
	op.Found, op.References = found, program.References()
	op.Hidden = r.app.hidden[c.Kind]
	if c.Match.Account != nil || len(c.Sent) > 0 {
		op.Have = c.have()
	}
	if id := managerOf(c); id != "" {
		op.Names = map[string]string{id: c.facts.Manager}
	}
	switch {
	case op.Urgency == provision.Removal:
	case r.demanded(c.Kind, c.Subject.ID):
		op.Urgency = provision.OnDemand
	case r.few[c.Subject.ID] && (len(op.Add)+len(op.Remove) <= fewMembers || !slices.ContainsFunc(op.Add, func(m provision.Subject) bool { return r.coming[m.ID] })):
		op.Urgency = provision.Handful
	}
	op.Steps = slices.Insert(op.Steps, 0, provision.Step{Name: "import", Status: "success", Description: importDescription(c)})
	return op, nil
}

func (c *candidate) have() attr.Set {
	if c.Match.Account == nil {
		return nil
	}
	return c.Match.Account.Values
}

func managerOf(c *candidate) string {
	if c.facts.User == nil {
		return ""
	}
	return c.facts.User.ManagerID
}

func importDescription(c *candidate) string {
	switch {
	case c.facts.User != nil && !c.facts.User.Deleted.IsZero(), c.facts.Group != nil && !c.facts.Group.Deleted.IsZero():
		return "is no longer in the directory"
	}
	return "read from the directory"
}

// row makes the durable row of an operation. An operation that changes nothing anywhere is finished
// as it is planned; everything else goes through the queue.
func (r *run) row(c *candidate, op *provision.Operation) *store.Operation {
	if op == nil {
		return nil
	}
	row := &store.Operation{
		Operation: *op, ID: r.engine.Store.NewID(), AppID: r.app.ID, CycleID: r.cycle.ID, State: store.Planned, Rank: c.rank,
		Error: op.Failure, Approved: r.approves, InitiatedBy: r.opts.Initiator, Created: r.now,
	}
	if asked := r.asked[demand{c.Kind, c.Subject.ID}]; len(asked) > 0 {
		row.InitiatedBy = asked[0].Initiator
	}
	if at := r.since[c.Subject.ID]; at > 0 {
		row.Changed = time.UnixMilli(at).UTC()
		delete(r.since, c.Subject.ID) // what is decided again in the same pass follows something else
	}
	if op.Action == provision.Skip && !c.touches(op) || r.preview && (op.Action == provision.Skip || op.Failure != nil) {
		row.State, row.Status, row.Finished = store.Skipped, "skipped", r.now
		if op.Failure != nil {
			row.State, row.Status = store.Failed, "failure"
		}
		row.Operation = op.Redacted()
	}
	return row
}

// touches reports whether an operation that sends nothing still has something to record: a link, the
// start of a grace period, or a failure that is over.
func (c *candidate) touches(op *provision.Operation) bool {
	return c.Link == nil || c.escrowed || c.link.Rematch || op.Cause == provision.Leaving && c.Link.Leaving.IsZero()
}

// guard holds what goes past the thresholds of the application. It looks at the whole plan before
// the first removal is sent.
func (r *run) guard(ctx context.Context) error {
	s, threshold := r.engine.Store, r.app.Provisioning.Hold
	since := r.now.Add(-time.Duration(threshold.Window))
	accounts, updates, groups, err := s.Tally(ctx, r.app.ID, r.cycle.ID, since)
	if err != nil {
		return err
	}
	for _, o := range r.obsolete {
		switch {
		case o.action == provision.Disable || o.action == provision.Delete:
			accounts.Proposed--
		case o.kind == directory.KindUser && o.action == provision.Update:
			updates.Proposed--
		}
	}
	hold := func(how func(ctx context.Context, cycleID, why string) (int, error), why string) error {
		clear(r.rows) // what is held is not what was planned: it is read back
		n, err := how(ctx, r.cycle.ID, why)
		r.held += n
		return err
	}
	members := func(id, why string) error {
		return hold(func(ctx context.Context, cycleID, why string) (int, error) {
			return s.HoldMembers(ctx, cycleID, id, why)
		}, why)
	}
	if r.restored {
		const why = "the state was restored from a backup: enables and removals wait for a person"
		err := errors.Join(hold(s.HoldRemovals, why), hold(s.HoldEnables, why))
		for id := range groups {
			err = errors.Join(err, members(id, why))
		}
		return err
	}
	if why, over := threshold.Exceeds(accounts); over {
		if err := hold(s.HoldRemovals, why); err != nil {
			return err
		}
	}
	if !threshold.Updates.Off() && updates.Proposed > 0 {
		if updates.Enabled, updates.Done, err = s.TallyUpdates(ctx, r.app.ID, since); err != nil {
			return err
		}
	}
	if why, over := threshold.ExceedsUpdates(updates); over {
		if err := hold(s.HoldUpdates, why); err != nil {
			return err
		}
	}
	for id, tally := range groups {
		if why, over := threshold.Exceeds(tally); over {
			if err := members(id, why); err != nil {
				return err
			}
		}
	}
	return nil
}

// shape lets the target's rules for values show already in the plan.
func (r *run) shape(kind directory.Kind, id string, want attr.Set) attr.Set {
	if s, ok := r.app.target.Connector.(connector.Shaper); ok {
		return s.Shape(kind, id, want)
	}
	return want
}
