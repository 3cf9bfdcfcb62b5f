package provision

import (
	"fmt"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
)

// Rule is one rule of the scope and what it said about an object, for explain and the log.
type Rule struct {
	Rule   string `json:"rule"`
	Result bool   `json:"result"`
	Detail string `json:"detail"`
}

// Verdict says whether an object is to have an account, and why.
type Verdict struct {
	In    bool
	Cause Cause // when out: Unassigned, Deactivated or Removed
	Rules []Rule
}

// Via is one assignment that reaches an object: its own, or that of a group it belongs to.
type Via struct {
	Role  string
	Group string // display name of the assigned group, "" for an assignment of the object itself
}

// provisions reports whether an assignment with this role gives an account.
func (v Via) provisions() bool { return v.Role != RoleDefaultAccess }

func (v Via) String() string {
	how := "directly"
	if v.Group != "" {
		how = fmt.Sprintf("through group %q", v.Group)
	}
	return fmt.Sprintf("%s, role %s", how, v.role())
}

func (v Via) role() string {
	if v.Role == "" {
		return "User"
	}
	return v.Role
}

// Filter is a scoping filter; *mapping.Filter is one. The detail says in words what was compared.
type Filter interface {
	Admits(mapping.Facts) (admits bool, detail string, err error)
}

// ScopeUser decides whether a person is to have an account. The rules go in the order in which an
// administrator would ask: is the person there, active, assigned, let through by every filter. The
// first one that says no decides; the others are still told, so that "why not" has one answer.
func ScopeUser(app *Application, filters []Filter, facts mapping.Facts, via []Via) (Verdict, error) {
	v := Verdict{In: true}
	u := facts.User
	v.rule("exists", u.Deleted.IsZero(), Removed, "is in the directory", "was deleted from the directory")
	v.rule("active", u.Active, Deactivated, "is active in the directory", "is deactivated in the directory")
	if !app.Provisioning.Users.Enabled {
		v.rule("users", false, Unassigned, "", "provisioning of users is switched off for this application (provisioning.users.enabled)")
	}
	v.assigned(app, via)
	for i, f := range filters {
		ok, detail, err := f.Admits(facts)
		if err != nil {
			return v, fmt.Errorf("scoping filter %d: %w", i+1, err)
		}
		v.rule(fmt.Sprintf("filter %d", i+1), ok, Unassigned, detail, detail)
	}
	return v, nil
}

// ScopeGroup decides whether a group is to be replicated: exactly the assigned groups are, where
// the provisioning of groups is switched on.
func ScopeGroup(app *Application, g *directory.Group, via []Via) Verdict {
	v := Verdict{In: true}
	v.rule("exists", g.Deleted.IsZero(), Removed, "is in the directory", "was deleted from the directory")
	v.rule("groups", app.Provisioning.Groups.Enabled, Unassigned, "provisioning of groups is switched on",
		"provisioning of groups is switched off for this application (provisioning.groups.enabled)")
	v.assigned(app, via)
	return v
}

func (v *Verdict) assigned(app *Application, via []Via) {
	if app.Provisioning.Scope == "all" {
		v.rule("assigned", true, "", "everyone is in scope (provisioning.scope: all)", "")
		return
	}
	access := ""
	for _, a := range via {
		if a.provisions() {
			v.rule("assigned", true, "", "assigned "+a.String(), "")
			return
		}
		access = a.String()
	}
	if access != "" {
		v.rule("assigned", false, Unassigned, "", "assigned only "+access+": that role gives access and no account; assign with role User")
		return
	}
	v.rule("assigned", false, Unassigned, "", "not assigned to the application, neither directly nor through a group")
}

func (v *Verdict) rule(name string, ok bool, cause Cause, yes, no string) {
	r := Rule{Rule: name, Result: ok, Detail: yes}
	if !ok {
		r.Detail = no
		if v.In {
			v.In, v.Cause = false, cause
		}
	}
	v.Rules = append(v.Rules, r)
}

// Why returns the rule that decided, in words.
func (v Verdict) Why() string {
	for _, r := range v.Rules {
		if r.Result == v.In && (!v.In || r.Rule == "assigned") {
			return r.Detail
		}
	}
	return ""
}
