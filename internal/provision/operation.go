package provision

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

// Action is what an operation does to an account.
type Action string

// The actions, as in plans and logs.
const (
	Create  Action = "create"
	Update  Action = "update"
	Disable Action = "disable"
	Enable  Action = "enable"
	Delete  Action = "delete"
	Skip    Action = "skip" // considered, and needs nothing sent
)

// Urgency orders operations and requests; a smaller one goes first.
type Urgency int

// The urgencies, most urgent first.
const (
	Removal Urgency = iota
	OnDemand
	Handful // of a commit that changed few objects: what somebody edits does not wait for what an import brought
	CreateUpdate
	Groups
	ReconcileRead
)

// Cause says in one word why an operation is there; people read Operation.Reason.
type Cause string

// The causes.
const (
	Joined      Cause = "joined"      // entered the scope, no account yet
	Matched     Cause = "matched"     // an account was there already and is adopted
	Changed     Cause = "changed"     // mapped attributes or members differ from what was sent
	Returned    Cause = "returned"    // in scope again, the account was switched off
	Unassigned  Cause = "unassigned"  // no assignment, or a filter excludes
	Deactivated Cause = "deactivated" // active is false in the directory
	Removed     Cause = "removed"     // deleted from the directory
	Unchanged   Cause = "unchanged"   // nothing differs
	NotAllowed  Cause = "not_allowed" // the action is switched off, or the policy keeps the account
	Leaving     Cause = "leaving"     // the grace period runs
	Undone      Cause = "undone"      // a person takes back what a cycle did
	Rejected    Cause = "rejected"    // a person turned this down
	Drifted     Cause = "drifted"     // the target differs from its last answer
	Ambiguous   Cause = "ambiguous"   // two accounts for one person, or two people for one account
	Unmappable  Cause = "unmappable"  // a mapping failed for this person
	Unread      Cause = "unread"      // the target could not show whether, or how, the account is there
)

// Subject is a directory object or an account by id and name.
type Subject struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// AppendJSON implements [attr.Appender]: a group may have a hundred thousand of them.
func (s Subject) AppendJSON(b []byte) ([]byte, error) {
	b, err := attr.AppendJSON(append(b, `{"id":`...), s.ID)
	if err != nil {
		return nil, err
	}
	b, err = attr.AppendJSON(append(b, `,"name":`...), s.Name)
	return append(b, '}'), err
}

// Change is one changed attribute of an operation as plans and logs show it. For the attribute
// "members", Old are the members removed and New those added, as [Subject] lists.
type Change struct {
	Attribute string `json:"attribute"`
	Old       any    `json:"old"`
	New       any    `json:"new"`
}

// MembersAttribute is the attribute under which membership changes appear.
const MembersAttribute = "members"

// Step is one stage of a decision, for on-demand provisioning, explain and the log.
type Step struct {
	Name        string `json:"name"`   // import, scoping, matching, processing, references, export
	Status      string `json:"status"` // success, failure, skipped, warning
	Description string `json:"description"`
}

// AppendJSON implements [attr.Appender]: every operation has several.
func (s Step) AppendJSON(b []byte) ([]byte, error) {
	b, err := attr.AppendJSON(append(b, `{"name":`...), s.Name)
	if err != nil {
		return nil, err
	}
	if b, err = attr.AppendJSON(append(b, `,"status":`...), s.Status); err != nil {
		return nil, err
	}
	b, err = attr.AppendJSON(append(b, `,"description":`...), s.Description)
	return append(b, '}'), err
}

// Operation is one decision about one object.
type Operation struct {
	Kind    directory.Kind
	Action  Action
	Cause   Cause
	Reason  string
	Urgency Urgency
	Source  Subject
	Target  Subject  // the account; empty for a create
	Origin  Origin   // how the link that this operation makes came about
	Want    attr.Set // all mapped attributes as they are to be
	Edits   []attr.Edit
	Add     []Subject // members to add, by directory id and userName
	Remove  []Subject // members to remove
	Found   []Subject // of an adopted group: those who are members there already
	Have    attr.Set  // of an adopted account: what the target showed
	Steps   []Step
	Failure *Problem     // decided already that it cannot be done: nothing is sent
	Drift   []Difference // what a reconcile found

	// References are the paths in Want and Edits whose value is the directory id of a user; the
	// account's id takes its place when the request is sent. Names holds the userNames for showing.
	References []string
	Names      map[string]string
	// Hidden are the paths whose values no log, plan or page may show.
	Hidden []string
}

// hiddenValue stands where a sensitive value would.
const hiddenValue = "(hidden)"

// Problem is why an object's operation cannot be done, before or after it was tried.
type Problem struct {
	Code           string `json:"code"`
	Reason         string `json:"reason"`
	Recommendation string `json:"recommendation"`
	HTTPStatus     int    `json:"http_status,omitempty"`
}

// Origin says how a link came about. Muster deletes only groups that it created.
type Origin string

// The origins of a link.
const (
	Created Origin = "created"
	Adopted Origin = "adopted"
)

// ReferenceIDs returns the directory ids of the users that the attributes refer to.
func (o Operation) ReferenceIDs() []string {
	var ids []string
	for _, path := range o.References {
		if id, ok := o.Want[path].(string); ok && id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// Leaves reports whether the cause is that an object is no longer in scope.
func (c Cause) Leaves() bool { return c == Unassigned || c == Deactivated || c == Removed }

// Removals counts what the guard counts for this operation: one for taking an account or a group
// away, and apart from that the members removed from a group.
func (o Operation) Removals() (accounts, members int) {
	if o.Failure != nil {
		return 0, 0
	}
	if o.Action == Disable || o.Action == Delete {
		accounts = 1
	}
	return accounts, len(o.Remove)
}

// Changes returns what the operation changes as plans and logs show it: references by name,
// sensitive values hidden.
func (o Operation) Changes() []Change {
	edits := o.Edits
	if o.Action == Create {
		edits = attr.Diff(nil, o.Want)
	}
	changes := make([]Change, 0, len(edits)+1)
	for _, e := range edits {
		changes = append(changes, Change{Attribute: e.Path, Old: o.show(e.Path, e.Old), New: o.show(e.Path, e.New)})
	}
	if len(o.Add)+len(o.Remove) > 0 {
		changes = append(changes, Change{Attribute: MembersAttribute, Old: orNone(o.Remove), New: orNone(o.Add)})
	}
	switch o.Action {
	case Disable:
		changes = append(changes, Change{Attribute: "active", Old: true, New: false})
	case Enable:
		changes = append(changes, Change{Attribute: "active", Old: false, New: true})
	}
	return changes
}

func (o Operation) show(path string, v any) any {
	if v != nil && slices.Contains(o.Hidden, path) {
		return hiddenValue
	}
	if id, ok := v.(string); ok && slices.Contains(o.References, path) {
		if name := o.Names[id]; name != "" {
			return name
		}
	}
	return v
}

// Redacted returns the operation without the values that may not be kept once it is over.
func (o Operation) Redacted() Operation {
	if len(o.Hidden) == 0 {
		return o
	}
	hide := func(v any) any {
		if attr.Empty(v) {
			return v
		}
		return hiddenValue
	}
	o.Have, o.Want = nil, o.Want.Clone()
	o.Edits = slices.Clone(o.Edits)
	for _, path := range o.Hidden {
		if v, ok := o.Want[path]; ok {
			o.Want[path] = hide(v)
		}
		for i, e := range o.Edits {
			if e.Path == path {
				o.Edits[i].Old, o.Edits[i].New = hide(e.Old), hide(e.New)
			}
		}
	}
	return o
}

// Conceal returns a text, of a request or of the target's words about it, without the operation's
// sensitive values. Where one of them is too short to be found in a text, nothing of the text is shown.
func (o Operation) Conceal(text string) string {
	for _, path := range o.Hidden {
		values := []any{o.Want[path], o.Have[path]}
		for _, e := range o.Edits {
			if e.Path == path {
				values = append(values, e.Old, e.New)
			}
		}
		for _, v := range values {
			for _, s := range texts(v) {
				if len(s) < shortest && text != "" {
					return hiddenValue
				}
				quoted, _ := json.Marshal(s) // a string always marshals
				for _, form := range []string{s, strings.Trim(string(quoted), `"`), url.QueryEscape(s)} {
					text = strings.ReplaceAll(text, form, hiddenValue)
				}
			}
		}
	}
	return text
}

// shortest is the length of a value that is looked for in texts: a shorter one is part of too many words.
const shortest = 3

// texts returns the texts within a value.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
		return []string{v}
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, texts(e)...)
		}
		return all
	case map[string]any:
		var all []string
		for _, e := range v {
			all = append(all, texts(e)...)
		}
		return all
	case nil, bool:
		return nil
	}
	return []string{fmt.Sprint(v)}
}

func orNone(list []Subject) []Subject {
	if list == nil {
		return []Subject{}
	}
	return list
}
