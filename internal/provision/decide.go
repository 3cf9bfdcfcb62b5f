package provision

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

// Link is the durable pair of a directory object and an account, as decisions need it.
type Link struct {
	Account  Subject
	Origin   Origin
	Enabled  bool      // whether the account was active when last known
	Wanted   attr.Set  // what the mapping said when it was last carried out
	Answered attr.Set  // what the target answered then
	Leaving  time.Time // when the object left the scope, zero while it is in
	Vanished time.Time // since when the account is known to be gone from the target, zero while it is there
}

// Object is everything that is known of one directory object when it is decided about.
type Object struct {
	Kind     directory.Kind
	Subject  Subject
	Verdict  Verdict
	Want     attr.Set // mapped attributes, references resolved; nil when out of scope
	Link     *Link
	Rejected *Rejection // what a person turned down, nil for nothing
	Match    Match      // without a link
	// Sent is what earlier creates of this object sent that ended without an answer: an account found by matching is then the
	// one that Muster made.
	Sent    []attr.Set
	Members Members
	// Seen is the linked account as a reconcile has just read it; with Looked set and Seen nil a
	// complete reading did not find it.
	Seen   *Candidate
	Looked bool
	// Asked says that a person asks for this object: it gets another account in the place of one that is gone.
	Asked bool
	// ByName says that a person asks for this object and no other: an account that was deactivated at the target is
	// switched on again, whatever is done about the others.
	ByName bool
	Drift  []Difference // of a group's members, see [MemberDrift]
	Now    time.Time
}

// Members are the differences between the membership that a group is to have and the one that
// Muster keeps, by directory id and userName.
type Members struct {
	Add, Remove []Subject
}

// Decide says what must be done for one object. It returns nil for an object that is out of scope
// and has no link: it is none of Muster's business.
//
//	verdict  link      account    operation
//	in       none      none       create
//	in       none      active     update, or skip when nothing differs (adopted)
//	in       none      inactive   enable with what differs (adopted)
//	in       enabled              update, or skip
//	in       disabled             enable with what differs
//	out      none                 none
//	out      enabled              disable, delete or skip, by the policy of the cause
//	out      disabled             delete where the policy says so, else skip
//
// A linked account that a complete reading did not find, and that is to be repaired, makes its
// object a newcomer again. An action that the application does not list becomes a skip that says so.
func Decide(app *Application, o Object) *Operation {
	op := &Operation{Kind: o.Kind, Source: o.Subject, Urgency: CreateUpdate, Want: o.Want}
	if o.Kind == directory.KindGroup {
		op.Urgency = Groups
	}
	op.Steps = append(op.Steps, scopingStep(o.Verdict))
	op.Steps = append(op.Steps, o.Match.Steps...)
	if o.Link != nil {
		op.Target, op.Origin = o.Link.Account, o.Link.Origin
	}
	switch {
	case !o.Verdict.In && o.Link == nil:
		return nil
	case !o.Verdict.In:
		decideLeaver(app, o, op)
	case (o.Link == nil || o.Vanished(app)) && o.Rejected.KeepsOut():
		op.set(Skip, Rejected, "in scope: "+o.Verdict.Why()+"; "+o.Rejected.Why())
	case (o.Link == nil || o.Vanished(app)) && o.Match.Problem != nil:
		op.fail(Ambiguous, o.Match.Problem)
	case o.Link == nil:
		decideNewcomer(o, op)
	case o.Vanished(app):
		op.differs(Difference{Kind: DriftVanished, Policy: Repair})
		decideNewcomer(o, op)
		op.Reason = Gone(o.Link.Account) + "; " + op.Reason
	default:
		decideLinked(app, o, op)
	}
	noteMembers(o, op)
	Allow(app, op)
	status := "success"
	switch {
	case op.Failure != nil:
		status = "failure"
	case op.Action == Skip:
		status = "skipped"
	}
	op.Steps = append(op.Steps, Step{Name: "processing", Status: status, Description: op.Reason})
	return op
}

func scopingStep(v Verdict) Step {
	s := Step{Name: "scoping", Status: "success", Description: v.Why()}
	if !v.In {
		s.Status = "skipped"
	}
	return s
}

func decideNewcomer(o Object, op *Operation) {
	op.Add = o.Members.Add
	found := o.Match.Account
	if found == nil {
		op.set(Create, Joined, "in scope: "+o.Verdict.Why()+"; no account matches")
		op.Target, op.Origin = Subject{}, Created
		return
	}
	op.Target, op.Origin = Subject{ID: found.ID, Name: found.Name}, Adopted
	if o.Link != nil && o.Link.Account.ID == found.ID {
		op.Origin = o.Link.Origin // there again
	}
	how := fmt.Sprintf("adopts account %s, which has the same %s", found.Name, o.Match.By)
	if len(o.Sent) > 0 {
		op.Origin = Created
		how = fmt.Sprintf("finds account %s of an earlier create that ended without an answer", found.Name)
	}
	have := found.Values
	if len(found.Refers) > 0 {
		have = have.Clone()
		maps.Copy(have, found.Refers)
	}
	op.Edits = adoptionEdits(have, o.Want, o.Sent)
	switch {
	case !found.Active:
		op.set(Enable, Matched, how+" and is deactivated there: it is switched on again")
	case len(op.Edits)+len(op.Add) > 0:
		op.set(Update, Matched, how)
	default:
		op.set(Skip, Matched, how+" and needs no change")
	}
	if found.Protected != "" && op.Action != Skip {
		op.fail(Matched, &Problem{
			Code: "protected_account", Reason: fmt.Sprintf("account %s may not be changed: %s", found.Name, found.Protected),
			Recommendation: "Leave this account to the people who own the target, or unassign the person; it is not tried again until something changes.",
		})
	}
}

// adoptionEdits compares what is wanted with what an account has that Muster did not make, or made by what it sent once. Names
// and addresses which targets fold to lower case are no difference; everything else is.
func adoptionEdits(have, want attr.Set, sent []attr.Set) []attr.Edit {
	return slices.DeleteFunc(attr.Diff(have, want), func(e attr.Edit) bool {
		if e.New == nil {
			// The directory knows nothing of it: what somebody entered there stays, and what Muster sent goes.
			_, mapped := want[e.Path]
			return !mapped || !slices.ContainsFunc(sent, func(s attr.Set) bool { return !attr.Empty(s[e.Path]) })
		}
		p, err := attr.ParsePath(e.Path)
		foldable := err == nil && (p.Name == "userName" || p.Name == "emails" || p.Name == "phoneNumbers")
		return foldable && attr.Similar(e.Old, e.New)
	})
}

func decideLinked(app *Application, o Object, op *Operation) {
	edits := attr.Diff(o.Link.Wanted, o.Want)
	op.Edits = nil
	for _, e := range edits {
		if !o.Rejected.turnsDown(e.Path, e.New) {
			op.Edits = append(op.Edits, e)
			continue
		}
		op.Want = op.Want.With([]attr.Edit{{Path: e.Path, New: e.Old}}) // as it stays
	}
	op.Add, op.Remove = o.Members.Add, o.Members.Remove
	if !o.Link.Vanished.IsZero() {
		staysAway(app, o, op)
		return
	}
	if o.Looked && decideDrift(app, o, op) {
		return
	}
	switch {
	case !o.Link.Enabled && o.Rejected != nil && o.Rejected.Action == Enable && !o.reactivated(): // else it is on, whoever did it
		op.set(Skip, Rejected, "in scope: "+o.Verdict.Why()+"; "+o.Rejected.Why())
		op.Edits, op.Add, op.Remove = nil, nil, nil
	case !o.Link.Enabled:
		op.set(Enable, Returned, "in scope again: "+o.Verdict.Why())
	case op.writes():
		op.set(Update, Changed, changedReason(op))
	case len(edits) > 0:
		op.set(Skip, Rejected, changedReason(&Operation{Edits: edits})+"; "+o.Rejected.Why())
	default:
		op.set(Skip, Unchanged, "nothing differs from what was last sent")
	}
	if len(op.Remove) > 0 && len(op.Add)+len(op.Edits) == 0 {
		op.Urgency = Removal
	}
}

func changedReason(op *Operation) string {
	var parts []string
	if n := len(op.Edits); n == 1 {
		parts = append(parts, op.Edits[0].Path+" changed")
	} else if n > 1 {
		parts = append(parts, fmt.Sprintf("%d attributes changed", n))
	}
	if n := len(op.Add); n > 0 {
		parts = append(parts, fmt.Sprintf("%d to join", n))
	}
	if n := len(op.Remove); n > 0 {
		parts = append(parts, fmt.Sprintf("%d to leave", n))
	}
	reason := parts[0]
	for _, p := range parts[1:] {
		reason += ", " + p
	}
	return reason
}

// leaverPolicy names, per cause, the configuration that decides what becomes of the account. Where it
// says delete and only disabling is among the actions, the lesser removal still keeps a leaver out.
func leaverPolicy(app *Application, o Object) (key, policy, why string) {
	key, policy = "on_unassign", app.Provisioning.OnUnassign
	switch o.Verdict.Cause {
	case Removed:
		key, policy = "on_delete", app.Provisioning.OnDelete
	case Deactivated:
		key, policy = "on_disable", app.Provisioning.OnDisable
	}
	why = o.Verdict.Why()
	actions := app.Provisioning.Users.Actions
	if policy == "delete" && o.Kind == directory.KindUser && !slices.Contains(actions, string(Delete)) && slices.Contains(actions, string(Disable)) {
		policy, why = "disable", why+"; deactivated instead of deleted ("+key+"), because delete is not among the actions"
	}
	return key, policy, why
}

func decideLeaver(app *Application, o Object, op *Operation) {
	op.Want = o.Link.Wanted
	key, policy, why := leaverPolicy(app, o)
	cause := o.Verdict.Cause
	if o.Kind == directory.KindGroup {
		// A switch is no request to delete what cannot be brought back.
		if !app.Provisioning.Groups.Enabled {
			op.set(Skip, NotAllowed, why+"; the group stays as it is at the target while groups are not provisioned")
			return
		}
		decideLeavingGroup(o, op, policy, key)
		return
	}
	switch {
	case policy == "keep":
		op.set(Skip, NotAllowed, why+"; the account is kept as it is ("+key+": keep)")
		return
	case policy == "disable" && o.reactivated():
		op.Urgency = Removal
		op.set(Disable, Drifted, why+"; the account was switched on at the target, and is switched off again")
		found := Difference{Kind: DriftReactivated, Policy: Repair}
		if o.turnedAway(op, why+"; the account was switched on at the target") {
			found.Policy = Report
		}
		op.differs(found)
		return
	case policy == "disable" && !o.Link.Enabled && o.Link.Vanished.IsZero():
		op.set(Skip, Unchanged, why+"; the account is already deactivated")
		return
	}
	if o.waits(app, op, why) {
		return
	}
	op.Urgency = Removal
	if policy == "delete" {
		op.set(Delete, cause, why+" ("+key+": delete)")
	} else {
		op.set(Disable, cause, why)
	}
	o.turnedAway(op, why)
}

// turnedAway makes a skip of a removal that a person has turned down, and reports whether it is one.
func (o Object) turnedAway(op *Operation, why string) bool {
	if o.Rejected == nil || o.Rejected.Action != op.Action {
		return false
	}
	op.Urgency = CreateUpdate
	op.set(Skip, Rejected, why+"; "+o.Rejected.Why())
	return true
}

// decideLeavingGroup: a group that Muster created goes, of an adopted one only the members that
// Muster added. Groups cannot be deactivated, so both policies but keep mean that.
func decideLeavingGroup(o Object, op *Operation, policy, key string) {
	why := o.Verdict.Why()
	switch {
	case policy == "keep":
		op.set(Skip, NotAllowed, why+"; the group is kept as it is ("+key+": keep)")
	case o.Rejected != nil && o.Rejected.Action == Delete:
		op.set(Skip, Rejected, why+"; "+o.Rejected.Why())
	case o.Link.Origin == Created:
		op.Urgency = Removal
		op.set(Delete, o.Verdict.Cause, why)
	case len(o.Members.Remove) > 0:
		op.Urgency, op.Remove = Removal, o.Members.Remove
		op.set(Update, o.Verdict.Cause, why+"; the group was there before Muster: it stays, the members that Muster added go")
	default:
		op.set(Skip, NotAllowed, why+"; the group was there before Muster and stays")
	}
}

// waits lets the grace period run before a removal.
func (o Object) waits(app *Application, op *Operation, why string) bool {
	grace := time.Duration(app.Provisioning.Grace)
	if grace == 0 {
		return false
	}
	start := o.Link.Leaving
	if start.IsZero() {
		start = o.Now
	}
	if end := start.Add(grace); o.Now.Before(end) {
		op.set(Skip, Leaving, fmt.Sprintf("%s; the account is kept until %s (grace)", why, end.UTC().Format(time.RFC3339)))
		return true
	}
	return false
}

// Allow turns an action that the application does not list into a skip that says so.
func Allow(app *Application, op *Operation) {
	listed := app.Provisioning.Users.Actions
	key := "users"
	if op.Kind == directory.KindGroup {
		listed, key = app.Provisioning.Groups.Actions, "groups"
	}
	need := op.Action
	if need == Enable {
		need = Disable
	}
	if op.Action == Skip || op.Failure != nil || slices.Contains(listed, string(need)) {
		return
	}
	op.set(Skip, NotAllowed, fmt.Sprintf("%s is due (%s) but not among provisioning.%s.actions", op.Action, op.Reason, key))
	op.Edits, op.Add, op.Remove = nil, nil, nil
}

func (o *Operation) set(a Action, c Cause, reason string) {
	o.Action, o.Cause, o.Reason = a, c, reason
}

func (o *Operation) fail(c Cause, p *Problem) {
	if o.Action == "" {
		o.Action = Create
	}
	o.Cause, o.Reason, o.Failure = c, p.Reason, p
}
