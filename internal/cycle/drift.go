package cycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// drift is what a reconcile finds, as it is kept until the next one.
type drift struct {
	known  map[driftKey]*store.Drift // by the last complete reconcile
	seen   map[driftKey]bool         // an object may be looked at twice
	found  []*store.Drift
	totals map[provision.DriftKind]int
	gone   map[directory.Kind]int // accounts whose absence a read of their own has confirmed
}

type driftKey struct {
	kind            provision.DriftKind
	of              directory.Kind
	account, member string
}

func keyOf(d *store.Drift) driftKey { return driftKey{d.Kind, d.Type, d.Account.ID, d.Member.ID} }

// beginDrift remembers what was found last: only what is new is told again.
func (r *run) beginDrift(ctx context.Context) error {
	r.drift = &drift{known: map[driftKey]*store.Drift{}, seen: map[driftKey]bool{}, totals: map[provision.DriftKind]int{}, gone: map[directory.Kind]int{}}
	known, err := r.engine.Store.KnownDrift(ctx, r.app.ID)
	for _, d := range known {
		r.drift.known[keyOf(d)] = d
	}
	return err
}

// found takes in what the decision about an object found at the target, and returns the row that is to be
// kept of it. What is only reported leaves a record in the log when it is new, and none on every later day.
func (r *run) found(c *candidate, op *provision.Operation, row *store.Operation) *store.Operation {
	if r.drift == nil || op == nil || len(op.Drift) == 0 {
		return row
	}
	fresh := false
	for _, d := range op.Drift {
		f := &store.Drift{
			AppID: r.app.ID, Kind: d.Kind, Type: c.Kind, Account: c.Link.Account, Member: d.Member, Source: c.Subject, Attributes: d.Attributes,
			Active: true, CycleID: r.cycle.ID, Since: r.now,
		}
		if d.Policy == provision.Repair {
			f.Operation = repairs(c, row)
		}
		known := r.drift.known[keyOf(f)]
		if known != nil && slices.Equal(known.Attributes, f.Attributes) {
			f.Since = known.Since
		} else {
			fresh = true
		}
		r.drift.add(f)
	}
	if row == nil || row.State != store.Skipped || row.Cause != provision.Drifted || r.preview {
		return row
	}
	if !fresh {
		return nil
	}
	row.Status = "warning"
	return row
}

// repairs returns the id of the operation that mends what was found: the one that is planned, or one that
// waits already.
func repairs(c *candidate, row *store.Operation) string {
	if row != nil {
		return row.ID
	}
	for _, o := range c.open {
		if o.State == store.Held || o.State == store.Approved {
			return o.ID
		}
	}
	return ""
}

func (d *drift) add(f *store.Drift) {
	key := keyOf(f)
	if d.seen[key] {
		return
	}
	d.seen[key] = true
	if d.totals[f.Kind]++; d.totals[f.Kind] <= store.DriftKept {
		d.found = append(d.found, f)
	}
}

// loggedStrangers is how many new strangers one reconcile tells the log of; all of them are listed.
const loggedStrangers = 1000

// saveDrift keeps what a reconcile found when it read the target completely. After an incomplete reading the
// findings of the last complete one stay.
func (r *run) saveDrift(ctx context.Context) error {
	if r.drift == nil || r.cycle.State != "done" || r.incomplete() != "" {
		return nil
	}
	strangers, err := r.engine.Store.SaveDrift(ctx, r.app.ID, r.cycle.ID, r.drift.found, r.drift.totals, loggedStrangers)
	if err != nil || len(strangers) == 0 {
		return err
	}
	now := r.engine.Store.Now()
	rows := make([]*store.Operation, len(strangers))
	for i, s := range strangers {
		reason := fmt.Sprintf("account %s (%s) is a stranger: nobody in the directory is linked to it, and it is left alone", s.Account.Name, s.Account.ID)
		rows[i] = &store.Operation{
			Operation: provision.Operation{Kind: s.Type, Action: provision.Skip, Cause: provision.Drifted, Reason: reason, Target: s.Account},
			ID:        r.engine.Store.NewID(), AppID: r.app.ID, CycleID: r.cycle.ID, State: store.Skipped, Status: "skipped",
			InitiatedBy: r.opts.Initiator, Created: now, Finished: now,
		}
	}
	return r.engine.Store.AddOperations(ctx, r.app.ID, r.holder, rows, nil, nil)
}

// incomplete names the kinds of accounts that a reconcile could not list completely, "" for none.
func (r *run) incomplete() string {
	text := ""
	for _, kind := range []directory.Kind{directory.KindUser, directory.KindGroup} {
		if r.unlisted[kind] {
			if text != "" {
				text += " and "
			}
			text += string(kind) + "s"
		}
	}
	return text
}

// foundAgain is for an account that was known to be gone and is there: it is as it was before, and what is different
// about it now is drift like any other.
func (c *candidate) foundAgain() {
	if c.link.Vanished.IsZero() {
		return
	}
	l := *c.link
	l.Vanished, l.Enabled = noTime, true
	c.link, c.adopts = &l, &l
	c.take(&l)
}

// lost is the link of an account that has just been found to be gone: nothing more is sent to it.
func (r *run) lost(c *candidate) *store.Link {
	l := *c.link
	l.Vanished, l.Enabled, l.Leaving = r.now, false, noTime
	return &l
}

// confirmations is how many absent accounts are asked for by their id before a list is believed.
const confirmations = 50

// absent confirms by a read of its own that a linked account which a list did not show is gone. One that is
// there after all says that the list was not complete, whatever the target said of it: a page that moved
// while it was read, a wrong total.
func (r *run) absent(ctx context.Context, kind directory.Kind, c *candidate) error {
	if !r.walked[kind] {
		return nil
	}
	if !c.Verdict.In || c.failure != nil || r.drift.gone[kind] >= confirmations {
		c.Looked = true
		return nil
	}
	a, err := r.readBack(ctx, kind, c.Link.Account.ID, kind == directory.KindGroup, provision.ReconcileRead)
	switch {
	case err != nil:
		return r.unread(ctx, c, err)
	case a == nil:
		r.drift.gone[kind]++
		c.Looked = true
		return nil
	}
	r.walked[kind], r.unlisted[kind] = false, true
	c.Looked = true
	c.Seen = candidateOf(a)
	return nil
}

// memberDrift compares the members that a group has at the target with those whom Muster knows of: whom it put
// there and who are gone are added again, and whom nobody of Muster put into a group that it created go.
func (r *run) memberDrift(ctx context.Context, c *candidate) error {
	if c.Seen == nil || !c.Seen.MembersKnown || !c.Verdict.In || r.drift == nil {
		return nil
	}
	known, err := r.engine.Store.GroupMembers(ctx, r.app.ID, c.Subject.ID)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(c.Seen.Members))
	for _, id := range c.Seen.Members {
		there[id] = true
	}
	changing := map[string]bool{}
	for _, m := range slices.Concat(c.Members.Add, c.Members.Remove) {
		changing[m.ID] = true
	}
	extras, missings := provision.MemberDrift(&r.app.Application, c.Link.Origin)
	explained := map[string]bool{}
	marked := false
	for _, m := range known {
		switch {
		case m.Origin == "extra" && !m.Rejected:
			marked = true
			continue
		case m.Origin == "out":
			continue // whoever puts them back does so in the place of the person who undid it
		}
		explained[m.AccountID] = true
		if m.Origin != "added" || m.Rejected || !m.Enabled || there[m.AccountID] || changing[m.ID] {
			continue
		}
		c.Drift = append(c.Drift, provision.Difference{Kind: provision.DriftMissing, Member: provision.Subject{ID: m.AccountID, Name: m.Name}, Policy: missings})
		if missings == provision.Repair {
			c.Members.Add = append(c.Members.Add, m.Subject)
		}
	}
	return r.extraMembers(ctx, c, extras, explained, marked)
}

// extraMembers finds the members of a target's group whom Muster does not know of. marked says that some are
// known from before as such.
func (r *run) extraMembers(ctx context.Context, c *candidate, policy string, explained map[string]bool, marked bool) error {
	adds := make([]string, len(c.Members.Add))
	for i, m := range c.Members.Add {
		adds[i] = m.ID
	}
	accounts, err := r.engine.Store.AccountsOf(ctx, r.app.ID, adds)
	if err != nil {
		return err
	}
	for _, id := range accounts {
		explained[id] = true // belongs there, and is on the way
	}
	strange := slices.DeleteFunc(slices.Clone(c.Seen.Members), func(id string) bool { return explained[id] })
	slices.Sort(strange)
	extra, err := r.named(ctx, slices.Compact(strange))
	if err != nil {
		return err
	}
	for _, m := range extra {
		c.Drift = append(c.Drift, provision.Difference{Kind: provision.DriftExtra, Member: provision.Subject{ID: m.AccountID, Name: m.Name}, Policy: policy})
	}
	if policy != provision.Repair {
		extra = nil
	}
	if (marked || len(extra) > 0) && !r.preview {
		if err := r.engine.Store.SetExtraMembers(ctx, r.app.ID, c.Subject.ID, extra); err != nil {
			return err
		}
	}
	// Those who were marked before and are gone need no removal any more.
	c.Members.Remove = slices.DeleteFunc(c.Members.Remove, func(m provision.Subject) bool {
		return slices.ContainsFunc(extra, func(e store.KeptMember) bool { return e.ID == m.ID })
	})
	for _, m := range extra {
		c.Members.Remove = append(c.Members.Remove, m.Subject)
	}
	return r.withoutHeld(ctx, c)
}

// named says who the accounts among a group's members are: by the directory's id and name for those that are
// linked, by the target's for others.
func (r *run) named(ctx context.Context, accounts []string) ([]store.KeptMember, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	linked, err := r.engine.Store.LinkedTo(ctx, r.app.ID, directory.KindUser, accounts)
	if err != nil {
		return nil, err
	}
	shown, err := r.engine.Store.SeenByID(ctx, r.app.ID, r.cycle.ID, directory.KindUser, accounts)
	if err != nil {
		return nil, err
	}
	members := make([]store.KeptMember, len(accounts))
	for i, id := range accounts {
		m := store.KeptMember{AccountID: id, Subject: provision.Subject{ID: store.ExtraID(id), Name: id}}
		if a, ok := shown[id]; ok {
			m.Name = a.Name
		}
		if u, ok := linked[id]; ok {
			m.Subject = u
		}
		members[i] = m
	}
	return members, nil
}
