package console

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// firstOf leads back to the beginning of a list, unless that is what is shown.
func firstOf(after, to string) string {
	if after == "" {
		return ""
	}
	return to
}

// nextOf leads to the page after this one, "" when there is none.
func nextOf(next, path string, pairs ...string) string {
	if next == "" {
		return ""
	}
	return with(path, append(pairs, "after", next)...)
}

func sourceName(s string) string { return cmp.Or(s, "by hand") }

func fieldID(i int) string { return fmt.Sprintf("field-%d", i) }

func formTarget(f userForm) string {
	if f.ID == "" {
		return "/users"
	}
	return at("users", f.ID)
}

func headerNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// membersOnly leaves the changes of members: what a held removal of several is about.
func membersOnly(list []provision.Change) []provision.Change {
	return slices.DeleteFunc(slices.Clone(list), func(c provision.Change) bool { return c.Attribute != provision.MembersAttribute })
}

// accountWord says whether there is an account.
func accountWord(a admin.Account) string {
	if a.ID == nil {
		return "none"
	}
	return a.State + ", " + *a.ID
}

func joinLines(list []string) string { return strings.Join(list, "\n") }

func onWord(s string) string {
	if s == "on" {
		return "On"
	}
	return "Off"
}

// endpointHint names the endpoints that the template knows.
func endpointHint(v provisioningView) string {
	var known []string
	if v.Template.Endpoint != "" {
		known = append(known, v.Template.Endpoint)
	}
	for _, e := range v.Template.Endpoints {
		known = append(known, e.URL+" ("+e.Title+")")
	}
	if len(known) == 0 {
		return "The address that the target's documentation names, such as https://example.com/scim/v2/"
	}
	return strings.Join(known, ", ")
}

// actionWord is an action that may be switched.
type actionWord struct{ key, text string }

// actionsOf are the actions that may be switched for users, and for groups.
func actionsOf(kind directory.Kind) []actionWord {
	if kind == directory.KindGroup {
		return []actionWord{{"create", "Create"}, {"update", "Update"}, {"delete", "Delete"}}
	}
	return []actionWord{{"create", "Create"}, {"update", "Update"}, {"disable", "Disable"}, {"delete", "Delete"}}
}

// firstRows leads back to the first rows of an import, unless these are shown, and nextRows to those after.
func firstRows(v importView) string {
	if v.From == 0 {
		return ""
	}
	return with(at("import", v.ID), "status", v.Status)
}

func nextRows(v importView) string {
	if v.Next == 0 {
		return ""
	}
	return with(at("import", v.ID), "status", v.Status, "from", fmt.Sprint(v.Next))
}

// nothing reports whether a side of a change is empty.
func nothing(v any) bool {
	list, ok := v.([]provision.Subject)
	return attr.Empty(v) || ok && len(list) == 0
}

// several reports whether a side of a change is a list of people or groups, where an empty one goes without saying.
func several(v any) bool {
	_, ok := v.([]provision.Subject)
	return ok
}

// whom names who a record is about: the person, or the account of a stranger.
func whom(r admin.Record) string { return cmp.Or(r.Source.Name, r.Target.Name) }
