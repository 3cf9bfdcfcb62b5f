package ldif

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// uniqueID is what uniqueMember may have behind the name (RFC 4517 §3.3.21): #'0101'B. We take the name.
var uniqueID = regexp.MustCompile(`#'[01]*'B$`)

// group makes a record of a group's entry: its whole membership, by distinguished name or by uid.
func group(e *entry, seen columns) source.Record {
	rec := source.Record{Kind: directory.KindGroup, Ref: e.name.key, ExternalID: e.externalID(), Name: e.first("cn", "commonname")}
	if rec.Name == "" {
		return source.Record{Kind: directory.KindGroup, Name: e.dn, Err: errors.New("the group has no cn: it needs one for a displayName")}
	}
	rec.Attributes = map[string]any{"displayName": rec.Name}
	if e.cut() {
		rec.Warnings = []string{"the export holds only part of the members of " + rec.Name + " (an attribute with range=): its membership stays as it is; export with paging of values"}
		return rec
	}
	var members []source.MemberRef
	have := map[source.MemberRef]bool{}
	add := func(m source.MemberRef) {
		if !have[m] {
			have[m] = true
			members = append(members, m)
		}
	}
	spoken := seen.members
	for _, name := range []string{"member", "uniquemember"} {
		for _, v := range e.values[name] {
			spoken = true
			dn := strings.TrimSpace(uniqueID.ReplaceAllString(strings.TrimSpace(v.text), ""))
			// groupOfNames must have a member, so empty groups hold an empty name or themselves.
			if dn == "" {
				continue
			}
			if ref := parseName(dn).key; ref != rec.Ref {
				add(source.MemberRef{Ref: ref})
			}
		}
	}
	for _, uid := range e.all("memberuid") {
		spoken = true
		add(source.MemberRef{UserName: uid})
	}
	// A file in which no group has a member was exported without them.
	if spoken {
		rec.Members = &members
	}
	return rec
}

// cut reports whether Active Directory gave a part of a long attribute (range retrieval, [MS-ADTS] §3.1.1.3.1.3.3).
func (e *entry) cut() bool {
	return slices.ContainsFunc(e.values["member"], func(v value) bool {
		span, ranged := strings.CutPrefix(v.options, "range=")
		return ranged && span != "0-*"
	})
}
