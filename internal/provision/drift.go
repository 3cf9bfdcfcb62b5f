package provision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
)

// What is done about drift, by the words of the configuration.
const (
	repair = "repair"
	report = "report"
)

// reactivated reports whether a leaver's account, switched off by Muster, is on again.
func (o Object) reactivated() bool {
	return !o.Link.Enabled && o.Seen != nil && o.Seen.Active
}

// Vanished reports whether the linked account is gone from the target and is to be there again: the
// object then gets an account as a newcomer does, by matching or by a create.
func (o Object) Vanished(app *Application) bool {
	return o.Link != nil && o.Verdict.In && o.Looked && o.Seen == nil && app.Provisioning.Drift.Accounts == repair
}

func (o *Operation) writes() bool { return len(o.Edits)+len(o.Add)+len(o.Remove) > 0 }

// decideDrift looks at what the target shows beside what it answered last, and reports whether that
// settles the operation. Differences that are to be repaired join the edits; differences that are
// only to be reported become a skip that says so, unless something else is due anyway.
//
// The baseline is the target's own last answer, never what was sent: a target that rewrites values
// in its own way has not drifted.
func decideDrift(app *Application, o Object, op *Operation) bool {
	policy := app.Provisioning.Drift
	switch {
	case o.Seen == nil:
		return drifted(op, policy.Accounts, Skip, fmt.Sprintf("account %s (%s) vanished from the target", o.Link.Account.Name, o.Link.Account.ID))
	case !o.Seen.Active && o.Link.Enabled:
		if policy.Accounts != repair && op.writes() {
			return false // what changed in the directory is sent all the same; the account stays off
		}
		return drifted(op, policy.Accounts, Enable, fmt.Sprintf("account %s was deactivated at the target", o.Link.Account.Name))
	}
	var paths []string
	for _, e := range attr.Diff(o.Link.Answered, o.Seen.Values) {
		want, mapped := o.Want[e.Path]
		if !mapped || attr.Similar(e.New, want) || slices.ContainsFunc(op.Edits, func(x attr.Edit) bool { return x.Path == e.Path }) {
			continue
		}
		paths = append(paths, e.Path)
		if policy.Attributes == repair {
			op.Edits = append(op.Edits, attr.Edit{Path: e.Path, Old: e.New, New: want})
		}
	}
	if len(paths) == 0 {
		return false
	}
	reason := "changed at the target: " + strings.Join(paths, ", ")
	if policy.Attributes == repair {
		if o.Link.Enabled {
			op.set(Update, Drifted, reason)
			return true
		}
		return false
	}
	if op.writes() || !o.Link.Enabled {
		return false
	}
	return drifted(op, policy.Attributes, Update, reason)
}

// drifted settles an operation about an account that is not as Muster left it.
func drifted(op *Operation, policy string, mend Action, reason string) bool {
	switch policy {
	case repair:
		op.set(mend, Drifted, reason)
	case report:
		op.set(Skip, Drifted, reason+"; reported only (provisioning.drift)")
	default:
		op.set(Skip, Unchanged, reason+"; ignored (provisioning.drift)")
	}
	return true
}
