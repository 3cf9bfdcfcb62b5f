package cycle

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

var noTime time.Time

// refused decides what becomes of an operation that the target did not carry out, or may have.
func (r *run) refused(ctx context.Context, w *work, change connector.Change, out connector.Outcome, refs resolved, e *connector.Error) finished {
	e = concealed(w, e)
	w.Exchange = e.Exchange
	if w.Action == provision.Create && out.Account != nil && !e.Unknown {
		return r.begun(ctx, w, change, out, refs, e)
	}
	part := len(out.Added)+len(out.Removed) > 0
	switch e.Kind {
	case connector.Canceled:
		if !e.Unknown && !part {
			return finished{work: w, unsent: true}
		}
	case connector.Unauthorised:
		// The credentials are at fault, not the object: it is left as it was.
		if !part {
			return finished{work: w, unsent: true, failure: e}
		}
	case connector.Forbidden:
		if why := r.lockedOut(ctx); why != nil && !part {
			return finished{work: w, unsent: true, failure: why}
		}
	case connector.NotFound:
		if w.Action != provision.Create {
			return r.vanished(ctx, w, change, refs, e)
		}
	case connector.Conflict:
		if w.Action == provision.Create {
			return r.lookAndRetry(ctx, w, refs, e, false)
		}
		e = r.whoHas(ctx, w, e)
		if f, on := r.enabledAlone(ctx, w, refs, e); on {
			return f
		}
	case connector.Unavailable:
		if e.Paused() && !part {
			// Nothing was sent, and nothing is wrong with the object.
			return finished{work: w, unsent: true, failure: e}
		}
		if e.Unknown && w.Action == provision.Create {
			return r.lookAndRetry(ctx, w, refs, e, true)
		}
	}
	f := finished{work: w, result: r.failed(w, problemOf(e), e.Kind.Parks()), failure: e}
	if e.Unknown {
		f.result.Op.State = store.Unknown
	}
	if part {
		// A part of a large membership change went through before the failure.
		r.memberships(w, change, out, refs, &f.result)
		f.result.Op.Status, f.result.Op.Error = "failure", &f.result.Escrow.Problem
	}
	return f
}

// begun records an account that was made although what was to follow failed, as the rest of a large group's members.
// Without its link it would be found by its name again and be taken for one that was there before, with members of its own.
func (r *run) begun(ctx context.Context, w *work, change connector.Change, out connector.Outcome, refs resolved, e *connector.Error) finished {
	if f, another := r.mistaken(ctx, w, change, &out, refs); another {
		return f
	}
	r.answered(w, &change, out.Account)
	p := problemOf(e)
	res := r.succeeded(w, change, out, refs, false)
	state := res.Op.State
	res.Escrow, res.Resolved = r.failed(w, p, e.Kind.Parks()).Escrow, false
	if e.Kind == connector.Canceled {
		res.Escrow.Next = r.engine.Store.Now() // it is only taken up again
	}
	res.Op.State, res.Op.Status, res.Op.Error = state, "warning", &p
	return finished{work: w, result: res, failure: e}
}

// concealed is what a target answered without the sensitive values of the operation: what is made of it
// is stored, shown and told.
func concealed(w *work, e *connector.Error) *connector.Error {
	if len(w.Hidden) == 0 {
		return e
	}
	safe := *e
	safe.Reason = w.Conceal(e.Reason)
	if e.Exchange != nil {
		x := *e.Exchange
		x.URL, x.Request, x.Response = w.Conceal(x.URL), w.Conceal(x.Request), w.Conceal(x.Response)
		safe.Exchange = &x
	}
	return &safe
}

func problemOf(e *connector.Error) provision.Problem {
	return provision.Problem{Code: e.Code, Reason: e.Reason, Recommendation: e.Advice, HTTPStatus: e.Status}
}

// whoHas finds out whose account has what another one was refused, a name or an address, and says so: the target's
// own words seldom do. It asks for the first ones of a pass, and a target that cannot be filtered for one page of its list:
// the name of an account is not worth reading all of them.
func (r *run) whoHas(ctx context.Context, w *work, e *connector.Error) *connector.Error {
	if r.conflicts.Add(1) > confirmations {
		return e
	}
	for _, path := range r.unique(w.Kind) {
		v, _ := w.Want[path].(string)
		if v == "" || !slices.ContainsFunc(w.Edits, func(x attr.Edit) bool { return x.Path == path }) {
			continue
		}
		found, err := r.find(ctx, connector.Query{Kind: w.Kind, Path: path, Value: v, Urgency: w.Urgency, Pages: 1})
		if err != nil {
			return e
		}
		for _, c := range found {
			if c.ID == w.Target.ID {
				continue
			}
			r.correct(ctx, w.Kind, c)
			p, told := provision.Taken(path, c), *e
			told.Code, told.Reason, told.Advice = p.Code, w.Conceal(p.Reason), p.Recommendation
			return &told
		}
	}
	return e
}

// correct has the link of an account that was just read know what it is called: two who are in each other's way are only seen to be
// when both are known by what they have.
func (r *run) correct(ctx context.Context, kind directory.Kind, c provision.Candidate) {
	if c.LinkedTo == "" {
		return
	}
	has := attr.Set{}
	for _, path := range r.unique(kind) {
		if v, shown := c.Values[path]; shown {
			has[path] = v
		}
	}
	if err := r.engine.Store.Correct(ctx, r.app.ID, r.holder, kind, c.ID, has); err != nil {
		r.engine.Log.Warn("what an account is called was not kept", "app", r.app.Name, "cycle", r.cycle.ID, "account", c.ID, "error", err)
	}
}

// enabledAlone switches an account on without what else was to be changed, where that is what the target refuses: nobody
// stays locked out because another has their name. The rest stays due, and fails by itself.
func (r *run) enabledAlone(ctx context.Context, w *work, refs resolved, e *connector.Error) (finished, bool) {
	if w.Action != provision.Enable || len(w.Edits) == 0 {
		return finished{}, false
	}
	row, alone := *w.Operation, *w
	row.Edits, row.Want = nil, w.Want.Clone()
	for _, edit := range w.Edits {
		row.Want[edit.Path] = edit.Old
	}
	alone.Operation = &row
	change := r.change(&alone, refs)
	out, err := r.app.target.Connector.Write(ctx, change)
	r.count(out.Requests)
	if err != nil {
		return finished{}, false
	}
	f := r.accepted(ctx, &alone, change, out, refs)
	problem := problemOf(e)
	escrow := r.failed(w, problem, false).Escrow
	results := []*store.Result{&f.result}
	if f.check != nil {
		results = append(results, &f.check.result)
	}
	for _, res := range results {
		res.Escrow, res.Resolved = escrow, false
		res.Op.Status, res.Op.Error = "warning", &problem
	}
	return f, true
}

// lockedOut tells a 403 for one object from credentials that may do nothing any more: when even
// reading users is refused, the pass ends. It asks at the first refusal and again while they go on: rights
// may be lost in the middle of a pass, and nobody else is to be parked for it. That the question finds no
// answer says nothing about rights.
func (r *run) lockedOut(ctx context.Context) *connector.Error {
	r.asking.Lock()
	defer r.asking.Unlock()
	if r.refusals++; r.locked != nil || !provision.AsksAgain(r.refusals) {
		return r.locked
	}
	r.count(1)
	if d := r.app.target.Connector.Test(ctx); d.Refused() {
		r.locked = diagnosed(d)
	}
	return r.locked
}

// let forgets the refusals so far: the credentials may do something.
func (r *run) let() {
	r.asking.Lock()
	r.refusals = 0
	r.asking.Unlock()
}

// vanished handles an account that the target does not know: a read confirms it, since a 404 can be
// a lie, and some targets answer a second deactivation so. A removal has then nothing left to do; for anything else the link goes, and the object is
// planned again.
func (r *run) vanished(ctx context.Context, w *work, change connector.Change, refs resolved, e *connector.Error) finished {
	a, err := r.readBack(ctx, w.Kind, change.ID, false, w.Urgency)
	switch {
	case err == nil && a != nil && w.Action == provision.Disable && !a.Active:
		return finished{work: w, result: r.succeeded(w, change, connector.Outcome{Account: a}, refs, true)}
	case err != nil || a != nil:
		return finished{work: w, result: r.failed(w, problemOf(e), false), failure: e}
	}
	gone := provision.Gone(w.Target)
	if w.Action == provision.Disable || w.Action == provision.Delete {
		// Who was disabled stays linked: some targets hide such accounts, and show them again when they are enabled.
		res := r.succeeded(w, change, connector.Outcome{}, refs, true)
		res.Op.Reason += "; " + gone
		return finished{work: w, result: res}
	}
	op := w.Operation
	if w.link != nil && w.Action == provision.Update && r.app.Provisioning.Drift.Accounts != provision.Repair && w.Urgency != provision.OnDemand {
		// As a reconcile does: whoever took the account away may have had a reason.
		op.State, op.Status, op.Edits, op.Add, op.Remove = store.Skipped, "warning", nil, nil, nil
		op.Reason += "; " + gone
		op.Error = &provision.Problem{Code: "account_gone", Reason: gone + ", which is only reported (provisioning.drift.accounts)", Recommendation: provision.InItsPlace, HTTPStatus: e.Status}
		l := *w.link
		l.Enabled, l.Rematch, l.Vanished = false, false, r.engine.Store.Now()
		return finished{work: w, result: store.Result{Op: op, Link: &l, Resolved: w.escrow != nil}}
	}
	op.State, op.Status = store.Failed, "warning"
	op.Error = &provision.Problem{Code: "account_gone", Reason: gone, Recommendation: "Nothing to do: the person is matched anew, and gets a new account if none matches.", HTTPStatus: e.Status}
	res := store.Result{
		Op: op, Unlink: true, Resolved: w.escrow != nil,
		Due: []store.Due{{Kind: w.Kind, ObjectID: w.Source.ID, At: r.engine.Store.Now(), Reason: "the account is gone"}},
	}
	return finished{work: w, result: res}
}

// lookAndRetry looks for the account of a create that met somebody in its way, or whose answer was
// lost. When one is found, the operation goes on with it; a second create is never sent here.
func (r *run) lookAndRetry(ctx context.Context, w *work, refs resolved, e *connector.Error, unknown bool) finished {
	give := func() finished {
		f := finished{work: w, result: r.failed(w, problemOf(e), false), failure: e}
		if unknown {
			f.result.Op.State = store.Unknown
			f.result.Op.Status = "failure"
		}
		return f
	}
	// The account that the target names may stand in the way for something else than what the person is known by, such as a
	// second address: then it is somebody else's.
	found, err := r.findMatches(ctx, w, e.Existing)
	if err != nil {
		return give()
	}
	m := provision.ChooseMatch(r.matching(w.Kind), found)
	switch {
	case m.Problem != nil:
		return finished{work: w, result: r.failed(w, *m.Problem, true)}
	case m.Account == nil:
		for _, list := range found {
			for _, c := range list {
				if c.LinkedTo != "" {
					p := provision.TwoForOne(fmt.Sprintf("%s (%s)", c.Name, c.ID), c.LinkedTo, w.Source.Name)
					return finished{work: w, result: r.failed(w, *p, true)}
				}
			}
		}
		return give()
	case r.maker(w, m.Account, m.By) != "":
		p := provision.TwoForOne(fmt.Sprintf("%s (%s)", m.Account.Name, m.Account.ID), r.maker(w, m.Account, m.By), w.Source.Name)
		return finished{work: w, result: r.failed(w, *p, true)}
	case m.Account.Protected != "":
		return finished{work: w, result: r.failed(w, provision.Problem{
			Code: "protected_account", Reason: fmt.Sprintf("account %s may not be changed: %s", m.Account.Name, m.Account.Protected),
			Recommendation: "Leave this account to the people who own the target, or unassign the person.",
		}, true)}
	}
	var sent []attr.Set
	if unknown {
		sent = []attr.Set{w.Want}
	}
	op := provision.Decide(&r.app.Application, provision.Object{
		Kind: w.Kind, Subject: w.Source, Verdict: provision.Verdict{In: true}, Want: r.withoutCreateOnly(w), Match: m, Sent: sent,
		Members: provision.Members{Add: w.Add}, Now: r.engine.Store.Now(),
	})
	op.References, op.Names, op.Hidden, op.Have = w.References, w.Names, w.Hidden, m.Account.Values
	op.Urgency, op.Steps = w.Urgency, append(slices.Clip(w.Steps), op.Steps...)
	next := *w
	row := *w.Operation
	row.Operation, row.Anew = *op, true
	next.Operation = &row
	f := r.carryOutOnce(ctx, &next, refs)
	if f.unsent && unknown {
		// What follows was not sent, but the create was: without its record nobody would know whose the account is.
		lost := give()
		lost.failure = cmp.Or(f.failure, e)
		return lost
	}
	if f.work = w; unknown && f.check == nil && f.result.Link == nil && (f.result.Op.State == store.Failed || f.result.Op.State == store.Unknown) {
		// Whatever became of what was to follow, the account is there, and Muster's: who forgets that takes it for another's.
		f.result.Link = r.adoption(&candidate{Object: provision.Object{Kind: w.Kind, Subject: w.Source, Match: m}}, op)
	}
	return f
}

// withoutCreateOnly leaves out what may only be sent while an account is made.
func (r *run) withoutCreateOnly(w *work) map[string]any {
	want := w.Want.Clone()
	for _, path := range r.app.program(w.Kind).CreateOnly() {
		delete(want, path)
	}
	return want
}

// carryOutOnce is carryOut for an operation that has been decided anew after a conflict: it adopts,
// so it can meet no conflict of a create again.
func (r *run) carryOutOnce(ctx context.Context, w *work, refs resolved) finished {
	if w.Error = w.Failure; w.Action == provision.Create {
		return finished{work: w, result: r.failed(w, provision.Problem{Code: "conflict", Reason: "the account that stands in the way could not be adopted", Recommendation: "Look at the account at the target, then provision again."}, false)}
	}
	return r.carryOut(ctx, w, refs)
}

func (r *run) grace() time.Duration { return time.Duration(r.app.Provisioning.Grace) }
