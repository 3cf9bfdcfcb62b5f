package slackemulator

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Plan is what the workspace pays for.
type Plan string

// The plans that make a difference to SCIM.
const (
	PlanFree         Plan = "free"       // no SCIM: plus_teams_only
	PlanPro          Plan = "pro"        // no SCIM: plus_teams_only
	PlanBusinessPlus Plan = "business+"  // one workspace; SCIM groups are user groups of at most 5,000
	PlanEnterprise   Plan = "enterprise" // an organisation; guests; SCIM groups are IDP groups of at most 15,000
)

var plans = []Plan{PlanFree, PlanPro, PlanBusinessPlus, PlanEnterprise}

// Role is what a person may do in the workspace. A token acts only on people whose role is not
// above its installer's.
type Role string

// The roles, lowest first.
const (
	RoleMember       Role = "member"
	RoleAdmin        Role = "admin"
	RoleOwner        Role = "owner"
	RolePrimaryOwner Role = "primary_owner"
)

var roles = []Role{RoleMember, RoleAdmin, RoleOwner, RolePrimaryOwner}

func (r Role) rank() int { return slices.Index(roles, r) }

// Duration is a time.Duration that reads and writes itself as "1.5s".
type Duration time.Duration

// MarshalText writes d as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration takes.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = Duration(parsed)
	return nil
}

// Policies are the switches: what a workspace may choose, and what Slack's documentation leaves
// open or contradicts itself about. The zero value of each is the default that
// docs/slack-emulator.md gives its reason for. Delays are emulated time.
type Policies struct {
	// Plan of the workspace.
	Plan Plan `json:"plan"`
	// DisplayNames: "members" (default) refuses a changed displayName with invalid_display_name,
	// because members may choose their own; "managed" takes it.
	DisplayNames string `json:"display_names,omitempty"`
	// LongUserName is the code for a userName over 21 characters: empty means long_username on v1
	// and username_too_long on v2.
	LongUserName string `json:"long_user_name,omitempty"`
	// HideExistingUser leaves the holder's id out of email_taken.
	HideExistingUser bool `json:"hide_existing_user,omitempty"`
	// PutWithoutActive: "deactivate" (default) or "keep".
	PutWithoutActive string `json:"put_without_active,omitempty"`
	// GroupPatch: what a v2 group PATCH answers, "body" (default, 200) or "empty" (204).
	GroupPatch string `json:"group_patch,omitempty"`
	// StrictAttributes refuses attributes that Slack does not know with invalid_request_payload
	// in POST, PUT and v1 PATCH, where the default ignores them.
	StrictAttributes bool `json:"strict_attributes,omitempty"`
	// EscapeSlashes: "v1" (default) writes \/ for / in v1's JSON, "always" in both, "never".
	EscapeSlashes string `json:"escape_slashes,omitempty"`
	// UserIDPrefix of people created from now on: "U" (default) or "W".
	UserIDPrefix string `json:"user_id_prefix,omitempty"`
	// RefuseGuestsInGroups refuses guests as members with unable_to_add_deleted_or_guest_to_group,
	// as deactivated people always are.
	RefuseGuestsInGroups bool `json:"refuse_guests_in_groups,omitempty"`
	// DropMembershipsOnDeactivation takes a deactivated person out of their groups.
	DropMembershipsOnDeactivation bool `json:"drop_memberships_on_deactivation,omitempty"`
	// MaxMembers of a group; 0 means the plan's (5,000 or 15,000).
	MaxMembers int `json:"max_members,omitempty"`
	// CustomFieldsInUse is how many of the 50 custom profile fields others have made already.
	CustomFieldsInUse int `json:"custom_fields_in_use,omitempty"`
	// ReservedNames are userNames that are refused besides the built-in ones.
	ReservedNames []string `json:"reserved_names,omitempty"`
	// DeactivationDelay is how long a deactivated person still reads as active.
	DeactivationDelay Duration `json:"deactivation_delay,omitempty"`
	// GroupDelay is how long a group's change of name or members is not seen yet, not even in the
	// answer to the write.
	GroupDelay Duration `json:"group_delay,omitempty"`
	// PhotoDelay is how long a new photo still reads as the old picture's address.
	PhotoDelay Duration `json:"photo_delay,omitempty"`
	// LockHold is how much longer than the request itself the write lock of an object is held.
	LockHold Duration `json:"lock_hold,omitempty"`
	// Statuses overrides the HTTP status of an error code, as {"email_taken": 409}.
	Statuses map[string]int `json:"statuses,omitempty"`
}

func (p Policies) clone() Policies {
	p.Statuses = maps.Clone(p.Statuses)
	p.ReservedNames = slices.Clone(p.ReservedNames)
	return p
}

// check says which switch holds a value that means nothing.
func (p Policies) check() error {
	choices := []struct {
		name, value string
		allowed     []string
	}{
		{"display_names", p.DisplayNames, []string{"", "members", "managed"}},
		{"long_user_name", p.LongUserName, []string{"", "long_username", "username_too_long"}},
		{"put_without_active", p.PutWithoutActive, []string{"", "deactivate", "keep"}},
		{"group_patch", p.GroupPatch, []string{"", "body", "empty"}},
		{"escape_slashes", p.EscapeSlashes, []string{"", "v1", "always", "never"}},
		{"user_id_prefix", p.UserIDPrefix, []string{"", "U", "W"}},
	}
	for _, c := range choices {
		if !slices.Contains(c.allowed, c.value) {
			return fmt.Errorf("policy %s: %q is none of %q", c.name, c.value, c.allowed[1:])
		}
	}
	if !slices.Contains(plans, p.Plan) {
		return fmt.Errorf("policy plan: %q is none of %q", p.Plan, plans)
	}
	for code, status := range p.Statuses {
		if status < 400 || status > 599 {
			return fmt.Errorf("policy statuses: %s: %d is not an error status (400 to 599)", code, status)
		}
	}
	if p.MaxMembers < 0 || p.CustomFieldsInUse < 0 ||
		min(p.DeactivationDelay, p.GroupDelay, p.PhotoDelay, p.LockHold) < 0 {
		return fmt.Errorf("policies: a number or a delay is negative")
	}
	return nil
}

func (p Policies) maxMembers() int {
	switch {
	case p.MaxMembers > 0:
		return p.MaxMembers
	case p.Plan == PlanEnterprise:
		return 15000
	default:
		return 5000
	}
}

func (p Policies) escapes(v version) bool {
	switch p.EscapeSlashes {
	case "always":
		return true
	case "never":
		return false
	default:
		return v == v1
	}
}
