package directory

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
)

// Edit is what is said about a user or a group, by paths as [Schema.Canonical] takes them: an empty
// value clears the attribute, what is not named stays. userName, displayName of a group, active and
// externalId are among them; an empty one of the first three says nothing. manager, groups and members
// are references and are not: the store resolves them.
type Edit map[string]any

// mostAttributes bounds what is kept of one person, and set at once: names are compared with those that are there,
// and whoever writes keeps others from writing.
const mostAttributes = 1000

var errTooMany = fmt.Errorf("a person has at most %d attributes", mostAttributes)

// Merge returns the user as it is after the edit, and whether that differs from before. A new person
// starts from User{Active: true}. The user given is not changed. The error names the attribute and
// what is wrong with it, never the value.
func (u User) Merge(e Edit) (User, bool, error) {
	if len(e) > mostAttributes {
		return u, false, errTooMany
	}
	out := u
	out.Attributes = clone(u.Attributes)
	for _, key := range slices.Sorted(maps.Keys(e)) {
		if err := out.set(key, e[key]); err != nil {
			return u, false, err
		}
	}
	prune(out.Attributes)
	if own, _ := out.Attributes[Custom].(map[string]any); len(own) > mostAttributes {
		return u, false, errTooMany
	}
	changed := out.UserName != u.UserName || out.ExternalID != u.ExternalID || out.Active != u.Active ||
		!attr.Equal(out.Attributes, u.Attributes)
	return out, changed, nil
}

func (u *User) set(key string, v any) error {
	p, a, err := UserSchema.Canonical(key)
	if err != nil {
		return err
	}
	if a.ReadOnly || a.Type == TypeReference || p.Name == "manager" && p.URN == Enterprise {
		return fmt.Errorf("%s cannot be written as an attribute", Short(p))
	}
	if p.Filter == nil && p.Sub != "" && a.MultiValued {
		// One value for a part of a list is meant for the primary entry.
		p.Filter = &attr.Filter{Op: "eq", Path: attr.Path{Name: "primary"}, Value: true}
		a.MultiValued = false
	}
	if v, err = a.Value(v); err != nil {
		return err
	}
	if p.URN == "" && p.Sub == "" && p.Filter == nil {
		switch p.Name {
		case "userName":
			if name, ok := v.(string); ok {
				u.UserName = name
			}
			return nil
		case "externalId":
			u.ExternalID, _ = v.(string)
			return nil
		case "active":
			if active, ok := v.(bool); ok {
				u.Active = active
			}
			return nil
		}
	}
	p.Put(u.Attributes, v)
	return nil
}

// Merge is [User.Merge] for groups.
func (g Group) Merge(e Edit) (Group, bool, error) {
	out := g
	out.Attributes = clone(g.Attributes)
	for _, key := range slices.Sorted(maps.Keys(e)) {
		p, a, err := GroupSchema.Canonical(key)
		if err != nil {
			return g, false, err
		}
		if a.ReadOnly || p.Sub != "" {
			return g, false, fmt.Errorf("%s cannot be written as an attribute", key)
		}
		v, err := a.Value(e[key])
		if err != nil {
			return g, false, err
		}
		switch {
		case p.URN == "" && p.Name == "displayName":
			if name, ok := v.(string); ok {
				out.DisplayName = name
			}
		case p.URN == "" && p.Name == "externalId":
			out.ExternalID, _ = v.(string)
		default:
			p.Put(out.Attributes, v)
		}
	}
	prune(out.Attributes)
	changed := out.DisplayName != g.DisplayName || out.ExternalID != g.ExternalID || !attr.Equal(out.Attributes, g.Attributes)
	return out, changed, nil
}

// Check reports what a person or a group must have before it can be kept.
func (u User) Check() error {
	switch {
	case u.UserName == "":
		return errors.New("a person needs a userName")
	case !CleanText(u.UserName) || strings.ContainsAny(u.UserName, "\r\n\t"):
		return errors.New("userName holds characters that no name can have")
	}
	return nil
}

// Check is [User.Check] for groups.
func (g Group) Check() error {
	switch {
	case g.DisplayName == "":
		return errors.New("a group needs a displayName")
	case !CleanText(g.DisplayName) || strings.ContainsAny(g.DisplayName, "\r\n\t"):
		return errors.New("displayName holds characters that no name can have")
	}
	return nil
}

// clone copies a document to its leaves, so that paths can be written into it.
func clone(doc map[string]any) map[string]any {
	out := make(map[string]any, len(doc)+4)
	for k, v := range doc {
		out[k] = cloneValue(v)
	}
	return out
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return clone(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloneValue(e)
		}
		return out
	}
	return v
}

// prune takes away what has no value left.
func prune(doc map[string]any) {
	maps.DeleteFunc(doc, func(_ string, v any) bool { return attr.Empty(v) })
}
