package provision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
)

// What is done about drift, by the words of the configuration.
const (
	Repair = "repair"
	Report = "report"
	Ignore = "ignore"
)

// DriftKind is a kind of difference between a target and its last answer.
type DriftKind string

// The kinds of drift. All but strangers are differences of what Muster keeps.
const (
	DriftStranger    DriftKind = "stranger"       // an account without a link
	DriftVanished    DriftKind = "vanished"       // a linked account that is gone
	DriftDeactivated DriftKind = "deactivated"    // a linked account that was switched off at the target
	DriftReactivated DriftKind = "reactivated"    // the account of a leaver that was switched on at the target
	DriftChanged     DriftKind = "changed"        // attributes
	DriftExtra       DriftKind = "extra_member"   // of a linked group, put there by somebody else
	DriftMissing     DriftKind = "missing_member" // of a linked group, taken out by somebody else
)

// DriftKinds are all kinds of drift, in the order in which they are told.
var DriftKinds = []DriftKind{DriftStranger, DriftVanished, DriftDeactivated, DriftReactivated, DriftChanged, DriftExtra, DriftMissing}

// Difference is one difference that a reconcile found for one object.
type Difference struct {
	Kind       DriftKind
	Attributes []string // of [DriftChanged]: the paths
	Member     Subject  // of a member: the account
	Policy     string   // repair or report
}

// differs notes a difference, unless it is to be ignored.
func (o *Operation) differs(d Difference) {
	if d.Policy == Repair || d.Policy == Report {
		o.Drift = append(o.Drift, d)
	}
}

// MemberDrift returns what is done about members that a group has at the target beside those that Muster
// knows of, and about those whom it put there and who are gone. An adopted group is not Muster's alone:
// whoever else is in it is reported and stays.
func MemberDrift(app *Application, origin Origin) (extra, missing string) {
	extra, missing = app.Provisioning.Drift.Members, app.Provisioning.Drift.Members
	if extra == Repair && origin != Created {
		extra = Report
	}
	return extra, missing
}

// noteMembers takes in what was found of a group's members. Who is only reported needs nothing sent.
func noteMembers(o Object, op *Operation) {
	known := len(op.Drift)
	for _, d := range o.Drift {
		op.differs(d)
	}
	if len(op.Drift) == known {
		return
	}
	counts := map[DriftKind]int{}
	for _, d := range op.Drift[known:] {
		counts[d.Kind]++
	}
	var parts []string
	for _, k := range []struct {
		kind DriftKind
		text string
	}{{DriftExtra, "%d members whom Muster never added"}, {DriftMissing, "%d members whom Muster added are gone"}} {
		if n := counts[k.kind]; n > 0 {
			parts = append(parts, fmt.Sprintf(k.text, n))
		}
	}
	why := strings.Join(parts, ", ")
	switch {
	case op.Action == Skip && op.Cause == Unchanged:
		op.set(Skip, Drifted, why+"; reported only")
	case op.Action != Skip:
		op.Reason += "; at the target: " + why
	}
}

// reactivated reports whether an account that Muster switched off is on again.
func (o Object) reactivated() bool {
	return !o.Link.Enabled && o.Seen != nil && o.Seen.Active
}

// Vanished reports whether the linked account is gone from the target and is to be there again: the
// object then gets an account as a newcomer does, by matching or by a create.
func (o Object) Vanished(app *Application) bool {
	if o.Link == nil || !o.Verdict.In {
		return false
	}
	return (o.Looked && o.Seen == nil || !o.Link.Vanished.IsZero()) && (app.Provisioning.Drift.Accounts == Repair || o.Asked)
}

// Lost reports whether the linked account has just been found to be gone: that is to be kept, whatever comes of another in its
// place.
func (o Object) Lost() bool {
	return o.Link != nil && o.Verdict.In && o.Looked && o.Seen == nil && o.Link.Enabled
}

// staysAway is for an account that is known to be gone: nothing can be sent to it, and whoever took it away may
// have had a reason.
func staysAway(app *Application, o Object, op *Operation) {
	op.Edits, op.Add, op.Remove = nil, nil, nil
	policy := app.Provisioning.Drift.Accounts
	op.differs(Difference{Kind: DriftVanished, Policy: policy})
	drifted(op, policy, Skip, Gone(o.Link.Account))
	op.Reason += "; " + InItsPlace
}

// Gone says that an account is gone, and InItsPlace what puts another in the place of one that is only reported.
func Gone(account Subject) string {
	return fmt.Sprintf("account %s (%s) vanished from the target", account.Name, account.ID)
}

// InItsPlace see [Gone].
const InItsPlace = "another one is made when somebody provisions it on demand or restarts the links, or with drift.accounts: repair"

func (o *Operation) writes() bool { return len(o.Edits)+len(o.Add)+len(o.Remove) > 0 }

// decideDrift looks at what the target shows beside what it answered last, and reports whether that
// settles the operation. Differences that are to be repaired join the edits; differences that are
// only to be reported become a skip that says so, unless something else is due anyway.
//
// The baseline is the target's own last answer, never what was sent: a target that rewrites values
// in its own way has not drifted.
func decideDrift(app *Application, o Object, op *Operation) bool {
	policy := app.Provisioning.Drift
	if o.ByName {
		policy.Accounts = Repair
	}
	switch {
	case o.Seen == nil && !o.Link.Enabled:
		return false // some targets show nobody who is deactivated: what is due is sent, and finds out
	case o.Seen == nil:
		op.differs(Difference{Kind: DriftVanished, Policy: policy.Accounts})
		return drifted(op, policy.Accounts, Skip, Gone(o.Link.Account))
	case !o.Seen.Active && o.Link.Enabled:
		op.differs(Difference{Kind: DriftDeactivated, Policy: policy.Accounts})
		if policy.Accounts != Repair && op.writes() {
			return false // what changed in the directory is sent all the same; the account stays off
		}
		if policy.Accounts == Repair {
			changedThere(app, o, op)
		}
		return drifted(op, policy.Accounts, Enable, fmt.Sprintf("account %s was deactivated at the target", o.Link.Account.Name))
	}
	paths := changedThere(app, o, op)
	if len(paths) == 0 {
		return false
	}
	op.differs(Difference{Kind: DriftChanged, Attributes: paths, Policy: policy.Attributes})
	reason := "changed at the target: " + strings.Join(paths, ", ")
	if policy.Attributes == Repair {
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

// changedThere returns the mapped attributes that differ from the target's last answer. Those that are to be
// repaired join the edits.
func changedThere(app *Application, o Object, op *Operation) (paths []string) {
	for _, e := range attr.Diff(o.Link.Answered, o.Seen.Values) {
		want, mapped := o.Want[e.Path]
		if !mapped || attr.Similar(e.New, want) || o.Rejected.turnsDown(e.Path, want) || slices.ContainsFunc(op.Edits, func(x attr.Edit) bool { return x.Path == e.Path }) {
			continue
		}
		paths = append(paths, e.Path)
		if app.Provisioning.Drift.Attributes == Repair {
			op.Edits = append(op.Edits, attr.Edit{Path: e.Path, Old: e.New, New: want})
		}
	}
	return paths
}

// drifted settles an operation about an account that is not as Muster left it.
func drifted(op *Operation, policy string, mend Action, reason string) bool {
	switch policy {
	case Repair:
		op.set(mend, Drifted, reason)
	case Report:
		op.set(Skip, Drifted, reason+"; reported only (provisioning.drift)")
	default:
		op.set(Skip, Unchanged, reason+"; ignored (provisioning.drift)")
	}
	return true
}
