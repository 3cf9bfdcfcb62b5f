package provision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

// Done is what a cycle did to one object, all of its operations for the object taken together.
type Done struct {
	Kind           directory.Kind
	Source, Target Subject
	Created        bool // the account was made
	Deleted        bool // and cannot be brought back
	Enabled        bool // it was off before and on after
	Disabled       bool // it was on before and off after
	Cause          Cause
	Edits          []attr.Edit // per attribute, from before the first operation to after the last
	Added, Removed []Subject   // members
	Hidden         []string
	Names          map[string]string
	Uncertain      bool // an operation ended without an answer
}

// Take adds one more operation that was carried out, in the order in which they were.
func (d *Done) Take(o Operation) {
	d.Kind, d.Source, d.Target, d.Cause = o.Kind, o.Source, o.Target, o.Cause
	d.Hidden = append(d.Hidden, o.Hidden...)
	if d.Names == nil {
		d.Names = map[string]string{}
	}
	for id, name := range o.Names {
		d.Names[id] = name
	}
	switch o.Action {
	case Create:
		d.Created = true
	case Delete:
		d.Deleted = true
	case Enable:
		d.Enabled, d.Disabled = !d.Disabled, false
	case Disable:
		d.Disabled, d.Enabled = !d.Enabled, false
	}
	for _, e := range o.Edits {
		d.edit(e)
	}
	d.Added, d.Removed = moved(d.Added, d.Removed, o.Add)
	d.Removed, d.Added = moved(d.Removed, d.Added, o.Remove)
}

func (d *Done) edit(e attr.Edit) {
	i := slices.IndexFunc(d.Edits, func(x attr.Edit) bool { return x.Path == e.Path })
	if i < 0 {
		d.Edits = append(d.Edits, e)
		return
	}
	if d.Edits[i].New = e.New; attr.Equal(d.Edits[i].Old, e.New) {
		d.Edits = slices.Delete(d.Edits, i, i+1)
	}
}

// moved takes members into one list and out of the other; who was in the other has gone there and back.
func moved(into, outOf, members []Subject) (in, out []Subject) {
	for _, m := range members {
		is := func(s Subject) bool { return s.ID == m.ID }
		if i := slices.IndexFunc(outOf, is); i >= 0 {
			outOf = slices.Delete(outOf, i, i+1)
		} else if !slices.ContainsFunc(into, is) {
			into = append(into, m)
		}
	}
	return into, outOf
}

// Only leaves of what was done what concerns one member of a group.
func (d *Done) Only(member string) {
	other := func(m Subject) bool { return m.ID != member }
	d.Created, d.Deleted, d.Edits = false, false, nil
	d.Added, d.Removed = slices.DeleteFunc(d.Added, other), slices.DeleteFunc(d.Removed, other)
}

// Empty reports whether nothing is left to undo.
func (d *Done) Empty() bool {
	return !d.Created && !d.Deleted && !d.Enabled && !d.Disabled && !d.Uncertain && len(d.Edits)+len(d.Added)+len(d.Removed) == 0
}

// Membership is what is known now of the members that an undo speaks of, by directory id.
type Membership struct {
	There    map[string]bool // in the target's group, as far as that can be seen
	Known    map[string]bool // Muster knows of the membership
	Accounts map[string]bool // have, or are about to have, an account that is on
}

// Reverse says what must be done to take back what a cycle did to an object, and what is turned down with it, so
// that the next cycle does not do it again. The object is as it is now, with its account as it was just
// read (Seen, Looked).
//
//	done             the reverse
//	create           disable; delete where the actions and on_unassign say so; of a group delete
//	enable           disable
//	disable          enable
//	update           the old values, the old members
//	delete           nothing: what is gone cannot be brought back
//
// What has changed since, at the target or in the directory, is left out, and the reason says so. The cause of a
// skip is Unchanged where everything is as it was before already.
func Reverse(app *Application, d *Done, o Object, m Membership) (*Operation, *Rejection) {
	op := &Operation{Kind: o.Kind, Source: o.Subject, Target: d.Target, Cause: Undone, Urgency: CreateUpdate}
	if o.Kind == directory.KindGroup {
		op.Urgency = Groups
	}
	if o.Link != nil {
		op.Target, op.Origin, op.Want = o.Link.Account, o.Link.Origin, o.Link.Wanted.Clone()
	}
	switch why := irreversible(d, o); {
	case d.Created && o.Link == nil:
		op.set(Skip, Unchanged, "the account is not linked any more")
	case why != "":
		op.set(Skip, Undone, why)
	default:
		reverse(app, d, o, m, op)
	}
	Allow(app, op)
	if op.Action == Skip {
		op.Edits, op.Add, op.Remove = nil, nil, nil
	}
	op.Steps = append(op.Steps, Step{Name: "processing", Status: map[bool]string{true: "skipped", false: "success"}[op.Action == Skip], Description: op.Reason})
	if op.Action == Skip {
		return op, o.Rejected
	}
	return op, turnedDown(app, o, op)
}

// irreversible says why nothing of what was done can be taken back, "" when something may.
func irreversible(d *Done, o Object) string {
	switch {
	case d.Deleted:
		return "a deleted account cannot be brought back; whoever is in scope gets a new one"
	case d.Uncertain:
		return "an operation of that cycle ended without an answer: what it did is not known"
	case o.Link == nil || o.Link.Account.ID != d.Target.ID:
		return "the account that was changed is not linked any more"
	case o.Looked && o.Seen == nil:
		return "the account is gone from the target"
	}
	return ""
}

func reverse(app *Application, d *Done, o Object, m Membership, op *Operation) {
	on := o.Link.Enabled && (o.Seen == nil || o.Seen.Active)
	switch {
	case d.Created && o.Kind == directory.KindGroup:
		op.Urgency = Removal
		op.set(Delete, Undone, "the group was created by that cycle")
	case d.Created && d.Disabled, d.Created && !on, d.Enabled && !on:
		op.set(Skip, Unchanged, "the account is deactivated already")
	case d.Created, d.Enabled:
		op.Urgency = Removal
		why := "the account was switched on by that cycle"
		if op.set(Disable, Undone, why); d.Created {
			op.set(Disable, Undone, "the account was created by that cycle")
		}
		if d.Created && app.Provisioning.OnUnassign == string(Delete) && slices.Contains(app.Provisioning.Users.Actions, string(Delete)) {
			op.Action = Delete
		}
	case d.Disabled && on:
		op.set(Skip, Unchanged, "the account is on again already")
	case d.Disabled && o.Seen != nil && o.Seen.Active != o.Link.Enabled:
		op.set(Skip, Undone, "the account was switched on at the target since")
	case d.Disabled && !o.Verdict.In && o.Verdict.Cause != d.Cause && d.Cause != Undone && d.Cause != Drifted:
		op.set(Skip, Undone, "since then: "+o.Verdict.Why())
	case d.Disabled:
		op.set(Enable, Undone, "the account was deactivated by that cycle")
	case !on:
		op.set(Skip, Undone, "the account is deactivated since, and is left as it is")
	default:
		restore(d, o, m, op)
	}
}

// restore takes back changed attributes and members, as far as they are still as the cycle left them.
func restore(d *Done, o Object, m Membership, op *Operation) {
	var left []string
	for _, e := range d.Edits {
		if attr.Equal(o.Link.Wanted[e.Path], e.Old) {
			continue
		}
		if why := o.changedSince(e, d.Hidden); why != "" {
			left = append(left, e.Path+" "+why)
			continue
		}
		op.Edits = append(op.Edits, attr.Edit{Path: e.Path, Old: e.New, New: e.Old})
	}
	op.Want = op.Want.With(op.Edits)
	for _, u := range d.Removed {
		switch {
		case m.There[u.ID] && m.Known[u.ID]:
		case !m.Accounts[u.ID]:
			left = append(left, u.Name+" has no account that is on")
		default:
			op.Add = append(op.Add, u)
		}
	}
	for _, u := range d.Added {
		if m.There[u.ID] && m.Known[u.ID] {
			op.Remove = append(op.Remove, u)
		}
	}
	why := strings.Join(left, ", ")
	switch {
	case op.writes():
		op.set(Update, Undone, "takes back what that cycle changed")
		if why != "" {
			op.Reason += "; left out: " + why
		}
		if len(op.Remove) > 0 && len(op.Add)+len(op.Edits) == 0 {
			op.Urgency = Removal
		}
	case why != "":
		op.set(Skip, Undone, "left out: "+why)
	default:
		op.set(Skip, Unchanged, "nothing is left to take back")
	}
}

// changedSince says why one attribute is not as a cycle left it any more, or cannot be restored.
func (o Object) changedSince(e attr.Edit, hidden []string) string {
	want, mapped := o.Want[e.Path]
	shown, visible := any(nil), false
	if o.Seen != nil {
		shown, visible = o.Seen.Values[e.Path]
	}
	_, reference := o.Link.Answered[e.Path]
	switch {
	case slices.Contains(hidden, e.Path):
		return "is sensitive: its old value was not kept"
	case !attr.Equal(o.Link.Wanted[e.Path], e.New):
		return "was changed again since"
	case mapped && !attr.Equal(want, e.New) && !attr.Equal(want, e.Old):
		return "has changed in the directory since"
	case visible && reference && !attr.Similar(shown, o.Link.Answered[e.Path]):
		return "was changed at the target since"
	}
	return ""
}

// turnedDown is what an operation that undoes turns down with it: what the next cycle would propose.
func turnedDown(app *Application, o Object, op *Operation) *Rejection {
	r := &Rejection{Wanted: attr.Set{}}
	if o.Rejected != nil {
		r.Action, r.Wanted = o.Rejected.Action, o.Rejected.Wanted.Clone()
	}
	for _, e := range op.Edits {
		if want, mapped := o.Want[e.Path]; mapped && !attr.Equal(want, e.New) {
			r.Wanted[e.Path] = want
		} else {
			delete(r.Wanted, e.Path)
		}
	}
	switch {
	case o.Verdict.In && op.Action == Delete:
		r.Action = Create
	case o.Verdict.In && op.Action == Disable:
		r.Action = Enable
	case op.Action == Delete, op.Action == Disable:
		r.Action = ""
	case op.Action == Enable:
		r.Action = ""
		if _, policy, _ := leaverPolicy(app, o); !o.Verdict.In && policy != "keep" {
			r.Action = Action(policy)
		}
	}
	return r
}

// Undoes begins the reason of an operation that undoes.
func Undoes(cycle string) string { return fmt.Sprintf("undo of cycle %s: ", cycle) }
