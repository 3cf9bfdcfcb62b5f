package provision

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/attr"
)

// Rejection is what a person turned down for one object, by rejecting a held operation or by undoing one that
// was done. It is not proposed again until what speaks for it changes:
//
//	turned down       until
//	disable, delete   the object is in scope again
//	create, enable    the object leaves the scope
//	a value           the directory or the mapping says another one
type Rejection struct {
	Action Action   // Disable, Delete, Create, Enable, or "" for none
	Wanted attr.Set // by path, the values that are not to be sent
	Undid  string   // the cycle that was undone; "" for an operation that was held
	By     string
	At     time.Time
}

// Empty reports whether nothing is turned down.
func (r *Rejection) Empty() bool { return r == nil || r.Action == "" && len(r.Wanted) == 0 }

// Still returns what of a rejection holds on for an object whose verdict and wanted attributes are these; nil
// when nothing does. Of an object that is out of scope nothing is wanted, so its values are kept.
func (r *Rejection) Still(in bool, want attr.Set) *Rejection {
	if r.Empty() {
		return nil
	}
	left := *r
	if r.Action != "" && r.Keeps() == in {
		left.Action = ""
	}
	left.Wanted = attr.Set{}
	for path, v := range r.Wanted {
		if now, mapped := want[path]; !in || mapped && attr.Equal(now, v) {
			left.Wanted[path] = v
		}
	}
	if left.Empty() {
		return nil
	}
	return &left
}

// turnsDown reports whether an edit would send a value that was turned down.
func (r *Rejection) turnsDown(path string, v any) bool {
	if r == nil {
		return false
	}
	rejected, is := r.Wanted[path]
	return is && attr.Equal(rejected, v)
}

// KeepsOut reports whether an account that the object is to have was turned down.
func (r *Rejection) KeepsOut() bool { return r != nil && (r.Action == Create || r.Action == Enable) }

// Keeps reports whether the removal of an account that is not to be was turned down.
func (r *Rejection) Keeps() bool { return r != nil && (r.Action == Disable || r.Action == Delete) }

// Same reports whether two rejections turn down the same.
func (r *Rejection) Same(other *Rejection) bool {
	if r.Empty() || other.Empty() {
		return r.Empty() == other.Empty()
	}
	return r.Action == other.Action && len(r.Wanted) == len(other.Wanted) && len(attr.Diff(r.Wanted, other.Wanted)) == 0
}

// What names what was turned down.
func (r *Rejection) What() string {
	var parts []string
	if r.Action != "" {
		parts = append(parts, string(r.Action))
	}
	parts = append(parts, slices.Sorted(maps.Keys(r.Wanted))...)
	return strings.Join(parts, ", ")
}

// Why says who turned it down, and until when.
func (r *Rejection) Why() string {
	who := r.By
	if who == "" {
		who = "a person"
	}
	if r.Undid != "" {
		return fmt.Sprintf("%s undid this (cycle %s), and it is not proposed again until what speaks for it changes", who, r.Undid)
	}
	if r.Action == "" {
		return who + " rejected this change, and it is not proposed again until the directory or the mapping says another value"
	}
	return who + " rejected this removal, and it is not proposed again until the verdict changes"
}

// Reject returns what is turned down when a person rejects an operation, beside what was before: its action, or of an
// update the values that it would send.
func Reject(o Operation, before *Rejection, by string, at time.Time) *Rejection {
	r := &Rejection{Wanted: attr.Set{}, By: by, At: at}
	if before != nil {
		r.Action, r.Wanted, r.Undid = before.Action, before.Wanted.Clone(), before.Undid
	}
	if o.Action != Update {
		r.Action, r.Undid = o.Action, ""
		return r
	}
	for _, e := range o.Edits {
		r.Wanted[e.Path] = e.New
	}
	return r
}
