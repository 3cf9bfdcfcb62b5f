package scim

import (
	"strconv"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
)

// account reads a resource as the target shows it; nil when it has no usable id.
func (c *Connector) account(kind directory.Kind, body any) *connector.Account {
	doc, ok := body.(map[string]any)
	if !ok {
		return nil
	}
	id := identifier(attr.Member(doc, "id"))
	if id == "" {
		return nil
	}
	soften(doc)
	a := &connector.Account{Kind: kind, ID: id, Active: true, Created: connector.CreatedIn(doc), Values: make(attr.Set, len(c.mapped[kind]))}
	if kind == directory.KindUser {
		a.Name = text(attr.Member(doc, "userName"))
		if active, ok := attr.Member(doc, "active").(bool); ok {
			a.Active = active
		}
	} else {
		a.Name = text(attr.Member(doc, "displayName"))
		a.Members, a.MembersKnown = c.members(doc)
	}
	for _, m := range c.mapped[kind] {
		// An attribute that a resource leaves out has no value (RFC 7643 §2.5), save what is never
		// returned (§7).
		if strings.EqualFold(m.path.Name, "password") {
			continue
		}
		v := m.path.Of(doc)
		if attr.Empty(v) {
			if unmarked(doc, m.path) {
				continue
			}
			v = nil
		}
		a.Values[m.text] = v
	}
	if c.protected != nil {
		a.Protected = c.protected(kind, doc)
	}
	return a
}

// unmarked reports whether a list has entries but none that says what the path's filter asks for: the
// target lost the type of its addresses, and which of them is the one of type work cannot be told.
func unmarked(doc map[string]any, p attr.Path) bool {
	if p.Filter == nil {
		return false
	}
	if p.URN != "" {
		doc, _ = attr.Member(doc, p.URN).(map[string]any)
	}
	list, _ := attr.Member(doc, p.Name).([]any)
	for _, e := range list {
		if entry, ok := e.(map[string]any); ok && says(entry, p.Filter) {
			return false
		}
	}
	return len(list) > 0
}

// says reports whether an entry has any of the members that a filter compares.
func says(entry map[string]any, f *attr.Filter) bool {
	if len(f.Branches) == 0 {
		return attr.Member(entry, f.Path.Name) != nil
	}
	for _, b := range f.Branches {
		if says(entry, b) {
			return true
		}
	}
	return false
}

// members reads a group's members, and whether they are all of them.
func (c *Connector) members(doc map[string]any) (ids []string, known bool) {
	list, ok := attr.Member(doc, "members").([]any)
	if !ok || c.quirks.Members == "hidden" {
		return nil, c.quirks.Members == "always"
	}
	seen := make(map[string]bool, len(list))
	for _, e := range list {
		id := ""
		if entry, ok := e.(map[string]any); ok {
			id = identifier(attr.Member(entry, "value"))
		} else {
			id = identifier(e)
		}
		if id == "" {
			return nil, false // a list that cannot be read is no list
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	if c.quirks.MembersShown > 0 && len(list) >= c.quirks.MembersShown {
		return ids, false
	}
	return ids, true
}

// identifier reads an id, which some targets send as a number.
func identifier(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		if v == float64(int64(v)) && v > 0 && v < 1<<53 {
			return strconv.FormatInt(int64(v), 10)
		}
	}
	return ""
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// booleans are the boolean attributes of RFC 7643 that some targets send as text.
var booleans = map[string]bool{"active": true, "primary": true}

// soften turns booleans that came as text into booleans, so that filters on them match.
func soften(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			if s, ok := e.(string); ok && booleans[strings.ToLower(name)] {
				switch strings.ToLower(s) {
				case "true":
					v[name] = true
				case "false":
					v[name] = false
				}
				continue
			}
			soften(e)
		}
	case []any:
		for _, e := range v {
			soften(e)
		}
	}
}
