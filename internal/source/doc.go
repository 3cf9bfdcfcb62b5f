// Package source says how the directory is fed: a reader of some format yields records, one per
// person or group; package store brings them into the directory by the rules of identity, clearing
// and completeness that hold for every source alike.
//
// A source reads and converts; it decides nothing about who is who. Start at [Source]; package sourcetest
// holds what every source must keep, and package file opens files of any format. [Input] and [Lines] read text
// for those that come as text.
package source

import (
	"iter"

	"github.com/muster-id/muster/internal/directory"
)

// Source yields the records of a file or a service in its order. A record that cannot be read is
// yielded with Err set, and the rest goes on; a non-nil error of the sequence ends it (the input
// cannot be read any further, or is known to be a part) and makes the import incomplete.
//
// A source streams: it holds a few records at a time, however long the input. Its records can be
// ranged over once; leaving the loop early is fine.
type Source interface {
	Records() iter.Seq2[Record, error]
}

// Record is one person or one group as a source tells it. What a source says nothing about stays as
// it is; what it gives as empty is cleared.
type Record struct {
	Line int // line of the input where the record starts, from 1
	// Input names the input, where several are read as one; "" where there is one. Messages say it beside the line.
	Input string
	Kind  directory.Kind
	Name  string // userName or displayName, for messages; may be "" beside Err
	Err   error  // why this record cannot be used, in words for a person; only Line, Kind, Name and Warnings count beside it

	ID         string // the directory's own id, when the source knows it
	ExternalID string // "" when the source has none
	// Attributes are the attributes that the source speaks about, by path as [directory.Schema.Canonical]
	// takes it and [directory.Short] writes it ("userName", "name.givenName", "emails",
	// `emails[type eq "home"].value`, "department", "custom.NAME", …; for a group "displayName"), and as
	// Merge of a user or group takes them: nil clears, a missing key leaves.
	Attributes map[string]any
	Active     *bool // nil leaves (true for a new person)

	// Manager is the manager as the source writes it: a userName, or, with ManagerByRef, a key of
	// [Record.Ref] (an LDAP DN). nil leaves, "" clears.
	Manager      *string
	ManagerByRef bool

	// Groups are display names: all the groups of a person that have no membership of their own in
	// this source. nil leaves.
	Groups *[]string

	// Ref is how other records of the same source may point at this one (an LDAP DN), "" for none.
	Ref string
	// Members are the whole membership of a group. nil leaves.
	Members *[]MemberRef

	// Warnings are what was noticed but did no harm ("column shoeSize becomes custom.shoeSize"), also
	// about the whole input: those stand at whichever record came along.
	Warnings []string
}

// MemberRef points at a member of a group: by Ref of another record, or by userName, or by the directory's id. Where
// several are given, the first of these that is known counts.
type MemberRef struct {
	Ref      string
	UserName string
	ID       string
}
