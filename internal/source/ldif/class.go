package ldif

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/directory"
)

// classes says what an entry of an object class is. A class that is neither here nor there says nothing about the entry.
var classes = map[string]directory.Kind{
	"person":               directory.KindUser, // RFC 4519
	"organizationalperson": directory.KindUser,
	"inetorgperson":        directory.KindUser, // RFC 2798
	"user":                 directory.KindUser, // Active Directory
	"groupofnames":         directory.KindGroup,
	"groupofuniquenames":   directory.KindGroup,
	"groupofentries":       directory.KindGroup,
	"groupofmembers":       directory.KindGroup,
	"posixgroup":           directory.KindGroup, // RFC 2307
	"group":                directory.KindGroup, // Active Directory
}

// never lists classes whose entries are left out whatever else they are: Active Directory's computers and contacts derive from
// person, and 389 Directory Server keeps deleted entries.
var never = []string{"computer", "contact", "nstombstone", "ldapsubentry"}

// kind returns what the entry is, "" for neither.
func (e *entry) kind() directory.Kind {
	var kind directory.Kind
	for _, v := range e.values["objectclass"] {
		class := strings.ToLower(v.text)
		if slices.Contains(never, class) {
			return ""
		}
		if k := classes[class]; k != "" && kind != directory.KindUser {
			kind = k
		}
	}
	return kind
}

func (e *entry) has(class string) bool {
	return slices.ContainsFunc(e.values["objectclass"], func(v value) bool { return strings.EqualFold(v.text, class) })
}

// leftOut counts the entries that are neither people nor groups, by class.
type leftOut struct {
	total int
	count map[string]int
}

func (l *leftOut) add(e *entry) {
	class := "without objectClass"
	if list := e.values["objectclass"]; len(list) > 0 {
		class = strings.ToLower(short(list[len(list)-1].text))
		for _, v := range list {
			if c := strings.ToLower(v.text); slices.Contains(never, c) {
				class = c
			}
		}
	}
	if l.count == nil {
		l.count = map[string]int{}
	}
	if _, known := l.count[class]; !known && len(l.count) >= 20 {
		class = "others"
	}
	l.total++
	l.count[class]++
}

// classes tells the counts, the largest first.
func (l *leftOut) classes() string {
	names := slices.SortedFunc(maps.Keys(l.count), func(a, b string) int {
		return cmp.Or(cmp.Compare(l.count[b], l.count[a]), cmp.Compare(a, b))
	})
	for i, n := range names {
		names[i] = fmt.Sprintf("%d %s", l.count[n], n)
	}
	return strings.Join(names, ", ")
}

func (l *leftOut) notes() []string {
	if l.total == 0 {
		return nil
	}
	return []string{fmt.Sprintf("entries that are neither people nor groups were left out: %s", l.classes())}
}
