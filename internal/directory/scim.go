package directory

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/attr"
)

// The schemas of the resources (RFC 7643 §8.7.1).
const (
	CoreUser  = "urn:ietf:params:scim:schemas:core:2.0:User"
	CoreGroup = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

// SCIM returns the user as a complete SCIM resource (RFC 7643 §4.1, §8.3): what Resource holds, with
// schemas, meta, the groups and the manager, who is nil when there is none.
func (u *User) SCIM(manager *Member, groups []Member) map[string]any {
	doc := u.Resource()
	schemas := []any{CoreUser}
	if manager != nil {
		extension, _ := doc[Enterprise].(map[string]any)
		extension = maps.Clone(extension)
		if extension == nil {
			extension = map[string]any{}
		}
		extension["manager"] = map[string]any{"value": manager.ID, "displayName": manager.Name}
		doc[Enterprise] = extension
	}
	for _, urn := range []string{Enterprise, Custom} {
		if doc[urn] != nil {
			schemas = append(schemas, urn)
		}
	}
	if len(groups) > 0 {
		doc["groups"] = refs(groups)
	}
	doc["schemas"], doc["meta"] = schemas, meta("User", u.Version(), u.Created, u.Modified)
	return doc
}

// SCIM returns the group as a complete SCIM resource (RFC 7643 §4.2, §8.4) with its direct members.
func (g *Group) SCIM(members []Member) map[string]any {
	doc := g.Resource()
	schemas := []any{CoreGroup}
	if doc[Custom] != nil {
		schemas = append(schemas, Custom)
	}
	doc["members"] = refs(members)
	doc["schemas"], doc["meta"] = schemas, meta("Group", g.Version(), g.Created, g.Modified)
	return doc
}

func refs(members []Member) []any {
	list := make([]any, len(members))
	for i, m := range members {
		list[i] = map[string]any{"value": m.ID, "display": m.Name, "type": title(m.Kind)}
	}
	return list
}

func title(k Kind) string {
	if k == KindGroup {
		return "Group"
	}
	return "User"
}

func meta(kind, version string, created, modified time.Time) map[string]any {
	return map[string]any{
		"resourceType": kind,
		"version":      version,
		"created":      created.UTC().Format(time.RFC3339Nano),
		"lastModified": modified.UTC().Format(time.RFC3339Nano),
	}
}

// FromSCIM takes a SCIM resource apart into what [User.Merge] or [Group.Merge] takes, by canonical
// short paths. Extensions are taken out of their objects; what the schema does not know, and does not
// stand under [Custom], is returned by name. schemas, meta, id and references (manager, groups,
// members) are left out: the caller reads those from the document.
func FromSCIM(kind Kind, doc map[string]any) (edit Edit, unknown []string) {
	schema := UserSchema
	if kind == KindGroup {
		schema = GroupSchema
	}
	edit = Edit{}
	take := func(path string, v any) {
		p, a, err := schema.Canonical(path)
		switch {
		case err != nil:
			unknown = append(unknown, path)
		case !a.ReadOnly && a.Type != TypeReference:
			edit[Short(p)] = v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		v := doc[name]
		extension, isObject := v.(map[string]any)
		switch {
		case strings.EqualFold(name, "schemas"), strings.EqualFold(name, "meta"):
		case strings.HasPrefix(strings.ToLower(name), "urn:") && isObject:
			for _, sub := range slices.Sorted(maps.Keys(extension)) {
				take(attr.Path{URN: name, Name: sub}.String(), extension[sub])
			}
		default:
			take(name, v)
		}
	}
	return edit, unknown
}
