package cycle

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// longBefore is how much older than the request that was to make it an account is which was there before: more than
// clocks differ.
const longBefore = time.Hour

// earlier reports whether a target says of an account that it was made long before now.
func (r *run) earlier(a *connector.Account) bool {
	return !a.Created.IsZero() && r.engine.Store.Now().Sub(a.Created) > longBefore
}

// answered takes in the account that a create was answered with.
func (r *run) answered(w *work, change *connector.Change, a *connector.Account) {
	change.ID, change.Name = a.ID, a.Name
	if r.earlier(a) {
		w.Origin = provision.Adopted // it was there already
	}
}

// mistaken looks at the account that a create was answered with, and says what becomes of the operation where it is
// another's: a target that mixes answers up, or shows whoever it likes, would have one person's account changed and switched
// off with another's. That of somebody whose own account is found is that one; an account that shows none of the person's matching
// attributes and was there long before is nobody's. Where neither can be said the target is believed: some write
// names in a way of their own.
func (r *run) mistaken(ctx context.Context, w *work, change connector.Change, out *connector.Outcome, refs resolved) (finished, bool) {
	if w.Action != provision.Create || out.Account == nil {
		return finished{}, false
	}
	sent := out.Sent
	if sent == nil {
		sent = change.Want
	}
	resembles := r.resembles(w, sent, out.Account)
	if resembles == unshown {
		// An answer that shows little of an account is completed by a read.
		a, err := r.readBack(ctx, w.Kind, out.Account.ID, false, w.Urgency)
		if err == nil && a != nil {
			resembles = r.resembles(w, sent, a)
			a.Members, a.MembersKnown = out.Account.Members, out.Account.MembersKnown
			out.Account = a
		}
	}
	if resembles != unlike {
		return finished{}, false
	}
	e := concealed(w, &connector.Error{
		Kind: connector.Rejected, Code: "wrong_account", Unknown: true, Exchange: out.Exchange,
		Reason: fmt.Sprintf("the target answered the creation with account %s (%s), which is somebody else's", out.Account.Name, out.Account.ID),
		Advice: "Muster looks for the account that was to be made before it tries again; tell whoever runs the target.",
	})
	w.Exchange = e.Exchange
	if !r.earlier(out.Account) {
		own, err := r.ownAccount(ctx, w)
		if err == nil && own == nil {
			return finished{}, false
		}
	}
	return r.lookAndRetry(ctx, w, refs, e, true), true
}

// ownAccount returns the account that is found by the matching attributes, nil for none.
func (r *run) ownAccount(ctx context.Context, w *work) (*provision.Candidate, error) {
	found, err := r.findMatches(ctx, w, "")
	if err != nil {
		return nil, err
	}
	return provision.ChooseMatch(r.matching(w.Kind), found).Account, nil
}

// findMatches asks the target for the accounts that have the matching attributes of an operation's object; with an id
// whether that account has them.
func (r *run) findMatches(ctx context.Context, w *work, id string) (map[string][]provision.Candidate, error) {
	found := map[string][]provision.Candidate{}
	for _, path := range r.matching(w.Kind) {
		v, _ := w.Want[path].(string)
		if v == "" {
			continue
		}
		list, err := r.find(ctx, connector.Query{Kind: w.Kind, ID: id, Path: path, Value: v, Members: w.Kind == directory.KindGroup, Urgency: w.Urgency})
		if err != nil {
			return nil, err
		}
		found[path] = list
	}
	return found, nil
}

// resemblance is how an account's matching attributes compare with what was sent.
type resemblance int

const (
	alike   resemblance = iota // one is the same, or there is none to compare by
	unshown                    // the account shows none of them
	unlike                     // it shows others
)

func (r *run) resembles(w *work, sent attr.Set, a *connector.Account) resemblance {
	verdict := alike
	for _, path := range r.matching(w.Kind) {
		want := sent[path]
		if attr.Empty(want) {
			continue
		}
		shown, known := a.Values[path]
		switch {
		case !known || attr.Empty(shown):
			if verdict == alike {
				verdict = unshown
			}
		case attr.Similar(shown, want):
			return alike
		default:
			verdict = unlike
		}
	}
	return verdict
}
