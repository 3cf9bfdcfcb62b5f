package mapping

import (
	"time"

	"github.com/muster-id/muster/internal/directory"
)

// Mapping is one row: the target attribute and where its value comes from. Exactly one of Source,
// Constant and Expression is given.
type Mapping struct {
	Target     string `json:"target"`               // path at the target
	Source     string `json:"source,omitempty"`     // path in the directory; enterprise attributes also by short name; "manager" is a reference, see [Program.References]
	Constant   any    `json:"constant,omitempty"`   // string, bool, number or list
	Expression string `json:"expression,omitempty"` // CEL over user (or group) and app
	Default    any    `json:"default,omitempty"`    // used when the source has no value
	Match      int    `json:"match,omitempty"`      // place among the matching attributes, from 1; 0 for none
	When       When   `json:"when,omitempty"`       // always (the default) or create
	Sensitive  bool   `json:"sensitive,omitempty"`  // values are hidden in every log and page
	Tests      []Test `json:"tests,omitempty"`      // run whenever the mapping changes
}

// When says whether a mapping applies always or only while an account is created.
type When string

// The values of [Mapping].When; "" is Always.
const (
	Always   When = "always"
	OnCreate When = "create"
)

// Facts are what mappings and filters may look at: one user or one group, and what surrounds it.
type Facts struct {
	User    *directory.User  // nil for a group
	Group   *directory.Group // nil for a user
	Groups  []string         // display names of the user's groups, nested ones included
	Manager string           // userName of the user's manager, "" for none
	App     string           // name of the application

	Now  time.Time             // for expressions of mappings with when: create
	Rand func(n uint64) uint64 // uniform in [0,n), likewise
}

// Kind returns the kind of object that the facts are about.
func (f Facts) Kind() directory.Kind {
	if f.Group != nil {
		return directory.KindGroup
	}
	return directory.KindUser
}
