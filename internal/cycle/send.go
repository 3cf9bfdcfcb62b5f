package cycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// carryOut does one operation and says what is to be recorded. It runs beside others and touches
// nothing but its own work.
func (r *run) carryOut(ctx context.Context, w *work, refs resolved) finished {
	if ctx.Err() != nil {
		return finished{work: w, unsent: true}
	}
	if w.Error != nil {
		// Decided already: nothing may be written. Only a change can mend it, unless the target could not be
		// asked.
		return finished{work: w, result: r.failed(w, *w.Error, w.Cause != provision.Unread)}
	}
	if w.Action == provision.Skip {
		return finished{work: w, result: r.skipped(w)}
	}
	change := r.change(w, refs)
	if w.Action == provision.Update && len(change.Edits)+len(change.Add)+len(change.Remove) == 0 {
		res := r.succeeded(w, change, connector.Outcome{}, refs, true)
		res.Op.State, res.Op.Status, res.Op.Reason = store.Skipped, "skipped", w.Reason+"; none of those concerned has an account yet"
		return finished{work: w, result: res}
	}
	ctx, span := r.tracedOperation(r.sending, w)
	f := r.send(ctx, w, change, refs)
	endOperation(span, f)
	return f
}

// send lets the target have a change, and says what came of it.
func (r *run) send(ctx context.Context, w *work, change connector.Change, refs resolved) finished {
	out, err := r.app.target.Connector.Write(ctx, change)
	r.count(out.Requests)
	refs.gone = r.refusedForGood(ctx, w, out)
	if err == nil {
		r.let()
		return r.accepted(ctx, w, change, out, refs)
	}
	return r.refused(ctx, w, change, out, refs, asError(err))
}

func asError(err error) *connector.Error {
	var e *connector.Error
	if errors.As(err, &e) {
		return e
	}
	return &connector.Error{Kind: connector.Unavailable, Code: "internal", Reason: err.Error(), Err: err, Unknown: true}
}

func (r *run) count(n int) {
	r.mu.Lock()
	r.requests += int64(n)
	r.mu.Unlock()
}

// change puts accounts in the place of users. A reference to somebody without an account is left
// out; the object waits for it.
func (r *run) change(w *work, refs resolved) connector.Change {
	c := connector.Change{Kind: w.Kind, Action: w.Action, ID: w.Target.ID, Name: w.Target.Name, Want: w.Want.Clone(), Urgency: w.Urgency}
	for _, path := range w.References {
		if id, ok := c.Want[path].(string); ok && id != "" {
			c.Want[path] = accountOrNil(refs.accounts[id])
		}
	}
	for _, e := range w.Edits {
		if slices.Contains(w.References, e.Path) {
			if id, ok := e.New.(string); ok {
				if e.New = accountOrNil(refs.accounts[id]); e.New == nil && e.Old == nil {
					continue
				}
			}
			e.Old = nil
			if w.link != nil {
				e.Old = w.link.Answered[e.Path] // an account's id, as New is
			}
		}
		c.Edits = append(c.Edits, e)
	}
	for _, m := range w.Add {
		if account := refs.accounts[m.ID]; account != "" {
			c.Add = append(c.Add, account)
		}
	}
	for _, m := range w.Remove {
		if account := w.kept[m.ID]; account != "" {
			c.Remove = append(c.Remove, account)
		}
	}
	return c
}

func accountOrNil(id string) any {
	if id == "" {
		return nil
	}
	return id
}

// accepted compares what the target shows with what was sent. An answer without a body is completed
// by a read; a difference is looked at again later, and only then called refused.
func (r *run) accepted(ctx context.Context, w *work, change connector.Change, out connector.Outcome, refs resolved) finished {
	if out.Account == nil && !out.Gone {
		a, err := r.readBack(ctx, w.Kind, change.ID, len(change.Add)+len(change.Remove) > 0, w.Urgency)
		if err == nil {
			out.Account = a
		}
		out.Gone = w.Action == provision.Delete && err == nil && a == nil
	}
	if f, another := r.mistaken(ctx, w, change, &out, refs); another {
		return f
	}
	if out.Account != nil && change.ID == "" {
		r.answered(w, &change, out.Account)
	}
	verified, differs := compare(w.Action, change, out)
	res := r.succeeded(w, change, out, refs, verified && len(differs) == 0)
	if len(differs) > 0 || !verified {
		return finished{work: w, result: res, check: &check{work: w, change: change, out: out, result: res, differs: differs}}
	}
	return finished{work: w, result: res}
}

// readBack reads one account; nil when it is not there.
func (r *run) readBack(ctx context.Context, kind directory.Kind, id string, members bool, u provision.Urgency) (*connector.Account, error) {
	if id == "" {
		return nil, nil
	}
	r.count(1)
	for a, err := range r.app.target.Connector.Read(ctx, connector.Query{Kind: kind, ID: id, Members: members, Urgency: u}) {
		if err != nil {
			return nil, err
		}
		return &a, nil
	}
	return nil, nil
}

// existence is what differs when an account is still there that the target said it deleted.
const existence = "existence"

// compare says whether the target showed what was sent, and names what differs.
func compare(action provision.Action, change connector.Change, out connector.Outcome) (verified bool, differs []string) {
	a := out.Account
	switch {
	case action == provision.Delete && a != nil && !out.Gone:
		return true, []string{existence}
	case a == nil:
		return out.Gone, nil
	}
	sent := out.Sent
	if sent == nil {
		sent = change.Want
	}
	// An update says nothing about active: an account that was switched off at the target stays so. Where a
	// deletion is a deactivation, the account is there afterwards, and off.
	if change.Kind == directory.KindUser && action != provision.Update {
		if active := action != provision.Disable && action != provision.Delete; a.Active != active {
			differs = append(differs, "active")
		}
	}
	if action != provision.Disable && action != provision.Delete {
		for path, v := range sent {
			if action != provision.Create && !slices.ContainsFunc(change.Edits, func(e attr.Edit) bool { return e.Path == path }) {
				continue
			}
			if action == provision.Create && attr.Empty(v) {
				continue // nothing was sent: what a new account has there is the target's own default
			}
			if shown, ok := a.Values[path]; ok && !attr.Similar(shown, v) {
				differs = append(differs, path)
			}
		}
	}
	if a.MembersKnown {
		there := make(map[string]bool, len(a.Members))
		for _, id := range a.Members {
			there[id] = true
		}
		refused := map[string]bool{}
		for _, x := range out.Refused {
			refused[x.ID] = true
		}
		missing := slices.ContainsFunc(change.Add, func(id string) bool { return !there[id] && !refused[id] })
		extra := slices.ContainsFunc(change.Remove, func(id string) bool { return there[id] && !refused[id] })
		if missing || extra {
			differs = append(differs, provision.MembersAttribute)
		}
	}
	slices.Sort(differs)
	return true, differs
}

// link returns the link as it is after a success.
func (r *run) link(w *work, change connector.Change, out connector.Outcome, refs resolved) *store.Link {
	l := &store.Link{AppID: r.app.ID, Kind: w.Kind, ObjectID: w.Source.ID, Name: w.Source.Name}
	if w.link != nil && w.link.Account.ID == change.ID {
		*l = *w.link
		l.Name = w.Source.Name
	}
	l.Account = provision.Subject{ID: change.ID, Name: change.Name}
	l.Origin, l.Rematch, l.Vanished = w.Origin, false, noTime
	before := l.Wanted
	l.Wanted = w.Want.Clone()
	for _, path := range w.References {
		if id, ok := l.Wanted[path].(string); ok && slices.Contains(refs.missing, id) {
			l.Wanted[path] = nil // not sent: the difference stays, and is due when the account is there
		}
	}
	for path, v := range before {
		if _, anew := l.Wanted[path]; !anew {
			l.Wanted[path] = v
		}
	}
	l.Sent = out.Sent
	if l.Sent == nil {
		l.Sent = change.Want
	}
	if out.Account != nil {
		l.Account.Name = out.Account.Name
	}
	l.Answered = answered(w, out)
	return l
}

// answered is what the target is taken to have answered, which a reconcile compares with. After an update
// that is its answer for what was sent, and its earlier one for the rest: a value that somebody changed
// there meanwhile is in the answer too, and would be taken for the target's own. After a repair it is
// the whole answer, so that a target whose attributes change each other is not written to for ever.
func answered(w *work, out connector.Outcome) attr.Set {
	switch {
	case out.Account == nil && w.link != nil:
		return w.link.Answered
	case out.Account == nil:
		return attr.Set{}
	case w.link == nil || w.link.Account.ID != out.Account.ID || w.Cause == provision.Drifted:
		return out.Account.Values
	}
	now := w.link.Answered.Clone()
	for _, e := range w.Edits {
		if v, shown := out.Account.Values[e.Path]; shown {
			now[e.Path] = v
		} else {
			delete(now, e.Path)
		}
	}
	return now
}

// succeeded is the result of an operation that the target accepted.
func (r *run) succeeded(w *work, change connector.Change, out connector.Outcome, refs resolved, verified bool) store.Result {
	op := w.Operation
	op.State, op.Status, op.Verified = store.Applied, "success", verified
	res := store.Result{Op: op, Resolved: w.escrow != nil}
	switch {
	case w.Action == provision.Delete:
		res.Unlink = true
	case w.Kind == directory.KindGroup && w.Cause.Leaves():
		// An adopted group that left the scope stays at the target, and is Muster's no longer.
		res.Unlink = true
	default:
		res.Link = r.link(w, change, out, refs)
		switch w.Action {
		case provision.Disable:
			res.Link.Enabled = false
		default:
			res.Link.Enabled = true
			res.Link.Leaving = noTime
		}
		op.Target = res.Link.Account
		r.memberships(w, change, out, refs, &res)
	}
	res.Waits = refs.missing
	// Two operations that were one share their steps: what is added must not be seen by the other.
	op.Steps = append(slices.Clip(op.Steps), provision.Step{Name: "export", Status: "success", Description: exported(w, change, out, verified)})
	return res
}

// exported tells how the target took an operation, and what was sent otherwise than planned, such as a userName that
// somebody else turned out to have.
func exported(w *work, change connector.Change, out connector.Outcome, verified bool) string {
	text := string(w.Action) + " accepted by the target"
	if verified {
		text += ", and shown by it"
	}
	for _, path := range slices.Sorted(maps.Keys(out.Sent)) {
		v := out.Sent[path]
		if attr.Empty(v) || attr.Equal(v, change.Want[path]) || slices.Contains(w.Hidden, path) {
			continue
		}
		if w.Action == provision.Create || slices.ContainsFunc(change.Edits, func(e attr.Edit) bool { return e.Path == path }) {
			text += fmt.Sprintf("; %s went out as %v", path, v)
		}
	}
	return text
}

// refusedForGood returns which of the accounts that a group was refused are gone from the target: each is asked for by its
// id, since a refusal can have other reasons. Without that they would be offered and refused for ever.
func (r *run) refusedForGood(ctx context.Context, w *work, out connector.Outcome) map[string]bool {
	var gone map[string]bool
	for i, x := range out.Refused {
		if i == confirmations || x.Err.Kind != connector.NotFound && x.Err.Kind != connector.Rejected {
			continue
		}
		if a, err := r.readBack(ctx, directory.KindUser, x.ID, false, w.Urgency); err == nil && a == nil {
			if gone == nil {
				gone = map[string]bool{}
			}
			gone[x.ID] = true
		}
	}
	return gone
}

// memberships records the members that the target took and let go, and notes whom it refused.
func (r *run) memberships(w *work, change connector.Change, out connector.Outcome, refs resolved, res *store.Result) {
	if w.Kind != directory.KindGroup {
		return
	}
	added, removed := set(out.Added), set(out.Removed)
	for _, m := range w.Add {
		if account := refs.accounts[m.ID]; account != "" && added[account] {
			res.Added = append(res.Added, store.Membership{UserID: m.ID, AccountID: account})
		}
	}
	for _, m := range w.Found {
		if account := refs.accounts[m.ID]; account != "" {
			res.Added = append(res.Added, store.Membership{UserID: m.ID, AccountID: account, Found: true})
		}
	}
	gone := set(nil)
	for _, x := range out.Refused {
		if x.Err.Kind == connector.NotFound || refs.gone[x.ID] {
			gone[x.ID] = true
		}
	}
	for _, m := range w.Add {
		if refs.gone[refs.accounts[m.ID]] {
			res.Gone = append(res.Gone, m.ID)
			res.Waits = append(res.Waits, m.ID)
		}
	}
	for _, m := range w.Remove {
		if account := w.kept[m.ID]; account == "" || removed[account] || gone[account] {
			res.Removed = append(res.Removed, m.ID)
		}
	}
	if len(out.Refused) == 0 {
		return
	}
	names := make([]string, 0, len(out.Refused))
	byAccount := map[string]string{}
	for _, m := range slices.Concat(w.Add, w.Remove) {
		byAccount[refs.accounts[m.ID]], byAccount[w.kept[m.ID]] = m.Name, m.Name
	}
	for _, x := range out.Refused {
		names = append(names, fmt.Sprintf("%s (%s)", byAccount[x.ID], x.Err.Reason))
	}
	state := res.Op.State
	p := provision.Problem{
		Code: "members_refused", Reason: fmt.Sprintf("the target did not take %d members: %s", len(names), strings.Join(names, ", ")),
		Recommendation: "Look at these accounts at the target; Muster tries them again.",
	}
	// The group waits for them: nothing else would bring them up before the next reconcile.
	if res.Escrow == nil && len(gone) < len(out.Refused) {
		parked := !slices.ContainsFunc(out.Refused, func(x connector.Refusal) bool { return !x.Err.Kind.Parks() })
		res.Escrow, res.Resolved = r.failed(w, p, parked).Escrow, false
	}
	res.Op.State, res.Op.Status, res.Op.Error = state, "warning", &p
}

func set(ids []string) map[string]bool {
	m := make(map[string]bool, len(ids))
	for _, id := range ids {
		m[id] = true
	}
	return m
}

// skipped is the result of an operation that needs nothing sent but leaves something to record.
func (r *run) skipped(w *work) store.Result {
	op := w.Operation
	op.State, op.Status = store.Skipped, "skipped"
	res := store.Result{Op: op, Resolved: w.escrow != nil}
	switch {
	case w.link == nil && w.Target.ID == "":
		return res
	case w.Cause == provision.Matched:
		change := connector.Change{Kind: w.Kind, ID: w.Target.ID, Name: w.Target.Name, Want: w.Want}
		res.Link = r.link(w, change, connector.Outcome{Account: &connector.Account{Name: w.Target.Name, Values: w.Have}}, resolved{})
		res.Link.Enabled = true
		op.Verified = true
		for _, m := range w.Found {
			if account := w.accounts[m.ID]; account != "" {
				res.Added = append(res.Added, store.Membership{UserID: m.ID, AccountID: account, Found: true})
			}
		}
		return res
	case w.link == nil:
		return res
	}
	l := *w.link
	l.Rematch = false
	if w.Cause == provision.Leaving && l.Leaving.IsZero() {
		l.Leaving = r.engine.Store.Now()
		res.Due = append(res.Due, store.Due{Kind: w.Kind, ObjectID: w.Source.ID, At: l.Leaving.Add(r.grace()), Reason: store.DueGrace})
	}
	res.Link = &l
	return res
}

// failed is the result of an operation that cannot be done; park keeps it until something changes.
func (r *run) failed(w *work, p provision.Problem, park bool) store.Result {
	op, now := w.Operation, r.engine.Store.Now()
	op.State, op.Status, op.Error = store.Failed, "failure", &p
	e := &store.Escrow{AppID: r.app.ID, Kind: w.Kind, ObjectID: w.Source.ID, Name: w.Source.Name, Parked: park, Attempts: 1, OperationID: op.ID, Problem: p, First: now, Last: now}
	if w.escrow != nil {
		e.Attempts, e.First = w.escrow.Attempts+1, w.escrow.First
	}
	if !park {
		e.Next = now.Add(provision.RetryAfter(e.Attempts, r.engine.Rand()))
	}
	op.Steps = append(slices.Clip(op.Steps), provision.Step{Name: "export", Status: "failure", Description: p.Reason})
	return store.Result{Op: op, Escrow: e}
}
