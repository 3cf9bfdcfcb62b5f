package cycle

import (
	"context"
	"fmt"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// recognised is how many linked accounts are looked at where an endpoint or the credentials have changed. All of them would
// be better than some only against a target that is half of another one.
const recognised = 20

// settleIn makes sure, where the endpoint or the credentials have changed since accounts were linked, that the same target
// is behind them: at another one the ids of the linked accounts are nobody's, or those of strangers, who would be
// changed and switched off. Accounts that went missing or were renamed on the way are no reason to doubt it.
func (r *run) settleIn(ctx context.Context) error {
	if r.movedFrom == "" {
		return nil
	}
	links, err := r.engine.Store.SomeLinks(ctx, r.app.ID, recognised)
	if err != nil {
		return err
	}
	known := 0
	other := "" // which account is another one there, or is not there: by its id, since this is told to people and logs
	for _, l := range links {
		a, err := r.readBack(ctx, l.Kind, l.Account.ID, false, connector.CreateUpdate)
		if err != nil {
			return err
		}
		switch {
		case a != nil && r.same(l, a):
			known++
		case a != nil:
			other = fmt.Sprintf("the id %s is somebody else's there", l.Account.ID)
		case other == "":
			other = fmt.Sprintf("the id %s is not there", l.Account.ID)
		}
	}
	if 2*known < len(links) {
		change, back := "the endpoint has changed from "+r.movedFrom, "Put the old endpoint back"
		if r.movedFrom == store.OtherCredentials {
			change, back = "the credentials have changed", "Enter credentials of the target that it had"
		}
		r.rule = change
		return &connector.Error{
			Kind: provision.Unauthorised, Code: connector.CodeElsewhere,
			Reason: fmt.Sprintf("%s, and what answers now is another target: of %d linked accounts it has %d (%s)", change, len(links), known, other),
			Advice: "Nothing was sent. " + back + "; or, if it is to be another target, delete this application (its accounts stay as they are) and add it again, so that people are matched with the accounts there.",
		}
	}
	if r.preview {
		return nil
	}
	r.movedFrom = ""
	return r.engine.Store.Settled(ctx, r.app.ID)
}

// same reports whether an account is still the one of a link, by what accounts are told apart by.
func (r *run) same(l *store.Link, a *connector.Account) bool {
	for _, path := range r.matching(l.Kind) {
		if v := a.Values[path]; !attr.Empty(v) && attr.Similar(v, l.Answered[path]) {
			return true
		}
	}
	return a.Name != "" && attr.Similar(a.Name, l.Account.Name)
}
