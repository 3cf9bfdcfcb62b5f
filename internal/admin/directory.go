package admin

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
)

// pageSize is how much of a list is read at once: long lists stay flat in memory.
const pageSize = 500

// Users yields the users that a query picks, in its order and however many there are.
func (d *Desk) Users(ctx context.Context, q store.UserQuery) iter.Seq2[directory.User, error] {
	return pages(func(after string) ([]directory.User, string, error) {
		q.After, q.Limit = after, pageSize
		return d.UserPage(ctx, q)
	})
}

// Groups yields the groups whose names contain search, by name.
func (d *Desk) Groups(ctx context.Context, search string) iter.Seq2[directory.Group, error] {
	return pages(func(after string) ([]directory.Group, string, error) {
		return d.GroupPage(ctx, store.GroupQuery{Search: search, After: after, Limit: pageSize})
	})
}

// pages turns a function that returns pages into a sequence.
func pages[T any](page func(after string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		after := ""
		for {
			list, next, err := page(after)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
			if after = next; after == "" {
				return
			}
		}
	}
}

// User returns a user as a SCIM resource, by userName, e-mail address or id.
func (d *Desk) User(ctx context.Context, name string) (map[string]any, error) {
	u, err := d.store.UserByName(ctx, name)
	if err != nil {
		return nil, err
	}
	return d.store.UserResource(ctx, u.ID)
}

// Group returns a group as a SCIM resource, by display name or id.
func (d *Desk) Group(ctx context.Context, name string) (map[string]any, error) {
	g, err := d.store.GroupByName(ctx, name)
	if err != nil {
		return nil, err
	}
	return d.store.GroupResource(ctx, g.ID)
}

// AddUser creates a user from attributes written PATH=VALUE.
func (d *Desk) AddUser(ctx context.Context, userName string, attributes []string) (map[string]any, error) {
	values, err := Attributes(attributes)
	if err != nil {
		return nil, err
	}
	return d.CreateUser(ctx, userName, values)
}

// CreateUser creates a user from attributes by their paths.
func (d *Desk) CreateUser(ctx context.Context, userName string, attributes map[string]any) (map[string]any, error) {
	edit, err := userEdit(attributes)
	if err != nil {
		return nil, err
	}
	if _, given := edit.Attributes["userName"]; given {
		return nil, usage("usage", "the userName is given apart; leave it out of the attributes", "the userName is given twice")
	}
	edit.Attributes["userName"] = userName
	u, err := d.store.CreateUser(ctx, d.by, edit)
	if err != nil {
		return nil, err
	}
	return d.store.UserResource(ctx, u.ID)
}

// SetUser changes attributes written PATH=VALUE, whoever else may have changed the user, and reports
// whether that changed anything.
func (d *Desk) SetUser(ctx context.Context, name string, attributes []string) (resource map[string]any, changed bool, err error) {
	values, err := Attributes(attributes)
	if err != nil {
		return nil, false, err
	}
	return d.EditUser(ctx, name, values, "")
}

// EditUser changes attributes by their paths; an empty text and nil clear one. Match is a condition on
// the version of the user as If-Match writes it: an edit of another version is refused. "" asks for
// nothing.
func (d *Desk) EditUser(ctx context.Context, name string, attributes map[string]any, match string) (resource map[string]any, changed bool, err error) {
	edit, err := userEdit(attributes)
	if err != nil {
		return nil, false, err
	}
	edit.Match = match
	u, err := d.store.UserByName(ctx, name)
	if err != nil {
		return nil, false, err
	}
	if u, changed, err = d.store.UpdateUser(ctx, d.by, u.ID, edit); err != nil {
		return nil, false, err
	}
	resource, err = d.store.UserResource(ctx, u.ID)
	return resource, changed, err
}

// DeleteUser takes a user out of the directory; purge also removes the row for good.
func (d *Desk) DeleteUser(ctx context.Context, name string, purge bool) (directory.User, error) {
	u, err := d.store.UserByName(ctx, name)
	if err != nil {
		return u, err
	}
	if purge {
		return u, d.store.PurgeUser(ctx, d.by, u.ID)
	}
	return u, d.store.DeleteUser(ctx, d.by, u.ID)
}

// The ways in which somebody leaves the directory.
const (
	Delete = "delete" // the row stays, marked: who comes back is the same person
	Purge  = "purge"  // the row goes for good, and the logs stay
	Erase  = "erase"  // the person goes from all logs too, where a pseudonym takes their place
)

// Removed is what became of somebody, or something, that was removed.
type Removed struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	How     string `json:"how"` // deleted, purged, erased
	InPlace string `json:"pseudonym,omitempty"`
}

// RemoveUser takes a user out of the directory: [Delete], [Purge] or [Erase]. Force erases also
// somebody who still has an active account.
func (d *Desk) RemoveUser(ctx context.Context, name, how string, force bool) (Removed, error) {
	if how == Erase {
		u, pseudonym, err := d.EraseUser(ctx, name, force)
		return Removed{ID: u.ID, Name: pseudonym, How: "erased", InPlace: pseudonym}, err
	}
	u, err := d.DeleteUser(ctx, name, how == Purge)
	return Removed{ID: u.ID, Name: u.UserName, How: how + "d"}, err
}

// AddGroup creates a group with members, who are users or groups by name.
func (d *Desk) AddGroup(ctx context.Context, name string, members []string) (map[string]any, error) {
	found, err := d.members(ctx, members)
	if err != nil {
		return nil, err
	}
	g, err := d.store.CreateGroup(ctx, d.by, store.GroupEdit{Attributes: directory.Edit{"displayName": name}})
	if err != nil {
		return nil, err
	}
	if len(found) > 0 {
		if _, err := d.store.EditMembers(ctx, d.by, g.ID, found, nil); err != nil {
			return nil, err
		}
	}
	return d.store.GroupResource(ctx, g.ID)
}

// DeleteGroup takes a group out of the directory.
func (d *Desk) DeleteGroup(ctx context.Context, name string) (Removed, error) {
	g, err := d.store.GroupByName(ctx, name)
	if err != nil {
		return Removed{}, err
	}
	return Removed{ID: g.ID, Name: g.DisplayName, How: "deleted"}, d.store.DeleteGroup(ctx, d.by, g.ID)
}

// EditGroup changes attributes of a group by their paths, such as displayName; match is as that of
// [Desk.EditUser].
func (d *Desk) EditGroup(ctx context.Context, name string, attributes map[string]any, match string) (resource map[string]any, changed bool, err error) {
	g, err := d.store.GroupByName(ctx, name)
	if err != nil {
		return nil, false, err
	}
	if g, changed, err = d.store.UpdateGroup(ctx, d.by, g.ID, store.GroupEdit{Attributes: attributes, Match: match}); err != nil {
		return nil, false, err
	}
	resource, err = d.store.GroupResource(ctx, g.ID)
	return resource, changed, err
}

// MemberChange is what adding or removing members did.
type MemberChange struct {
	Group   string `json:"group"`
	Changed int    `json:"changed"` // members that came or went; the others were as wished already
}

// EditMembers adds members to a group and removes others, all of them or none.
func (d *Desk) EditMembers(ctx context.Context, group string, add, remove []string) (MemberChange, error) {
	g, err := d.store.GroupByName(ctx, group)
	if err != nil {
		return MemberChange{}, err
	}
	adding, err := d.members(ctx, add)
	if err != nil {
		return MemberChange{}, err
	}
	removing, err := d.members(ctx, remove)
	if err != nil {
		return MemberChange{}, err
	}
	n, err := d.store.EditMembers(ctx, d.by, g.ID, adding, removing)
	return MemberChange{Group: g.DisplayName, Changed: n}, err
}

// members finds users and groups by name. A name that is a user's and a group's is refused.
func (d *Desk) members(ctx context.Context, names []string) ([]directory.Member, error) {
	var list []directory.Member
	for _, name := range names {
		u, userErr := d.store.UserByName(ctx, name)
		if userErr != nil && Explain(userErr).Code != string(store.ErrNotFound) {
			return nil, userErr
		}
		g, groupErr := d.store.GroupByName(ctx, name)
		if groupErr != nil && Explain(groupErr).Code != string(store.ErrNotFound) {
			return nil, groupErr
		}
		switch {
		case userErr == nil && groupErr == nil:
			return nil, usage(string(store.ErrAmbiguous), "use the id: "+u.ID+" is the user, "+g.ID+" the group", "%s is a user and a group", name)
		case userErr == nil:
			list = append(list, directory.Member{Kind: directory.KindUser, ID: u.ID, Name: u.UserName})
		case groupErr == nil:
			list = append(list, directory.Member{Kind: directory.KindGroup, ID: g.ID, Name: g.DisplayName})
		default:
			return nil, usage(string(store.ErrNotFound), nextOf(userErr, groupErr), "there is neither a user nor a group %s", name)
		}
	}
	return list, nil
}

// nextOf returns the first next step that errors have.
func nextOf(errs ...error) string {
	for _, err := range errs {
		if p := Explain(err); p != nil && p.Next != "" {
			return p.Next
		}
	}
	return ""
}

// Attributes reads attributes written PATH=VALUE into values by paths. A value that is a JSON object
// or list is taken as that, everything else as text; an empty one clears.
func Attributes(texts []string) (map[string]any, error) {
	out := map[string]any{}
	for _, text := range texts {
		path, value, ok := cut(text)
		if !ok {
			return nil, usage("usage", `write it as title="Head of Design"`, "%q is not written ATTRIBUTE=VALUE", text)
		}
		for known := range out {
			if strings.EqualFold(known, path) {
				return nil, twice(path)
			}
		}
		out[path] = plainOrJSON(value)
	}
	return out, nil
}

func twice(path string) error { return usage("usage", "give it once", "%s is given twice", path) }

// userEdit makes the store's edit of values by paths.
func userEdit(attributes map[string]any) (store.UserEdit, error) {
	edit := store.UserEdit{Attributes: directory.Edit{}}
	for _, path := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[path]
		if strings.EqualFold(path, "manager") {
			name, ok := value.(string)
			if edit.Manager != nil || !ok && value != nil {
				return edit, usage(string(store.ErrInvalid), "give a userName, an e-mail address or an id; an empty text clears", "the manager is not one name")
			}
			edit.Manager = &name
			continue
		}
		p, _, err := directory.UserSchema.Canonical(path)
		if err != nil {
			return edit, usage(string(store.ErrInvalid), "attributes are SCIM paths, such as title, name.givenName or custom.NAME", "%v", err)
		}
		key := directory.Short(p)
		if _, given := edit.Attributes[key]; given {
			return edit, twice(key)
		}
		if value == nil {
			value = ""
		}
		edit.Attributes[key] = value
	}
	return edit, nil
}

// cut splits at the equals sign that ends the path: one within the brackets of a filter belongs to it.
func cut(text string) (path, value string, ok bool) {
	depth := 0
	i := strings.IndexFunc(text, func(r rune) bool {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		}
		return r == '=' && depth <= 0
	})
	if i <= 0 {
		return "", "", false
	}
	return strings.TrimSpace(text[:i]), text[i+1:], true
}

func plainOrJSON(value string) any {
	trimmed := strings.TrimSpace(value)
	if slices.ContainsFunc([]string{"{", "["}, func(s string) bool { return strings.HasPrefix(trimmed, s) }) {
		var v any
		if err := json.Unmarshal([]byte(trimmed), &v); err == nil {
			return v
		}
	}
	return value
}

// EraseUser removes a person from the directory and from all logs, where a pseudonym takes their
// place. Force does so also while they have an active account.
func (d *Desk) EraseUser(ctx context.Context, name string, force bool) (u directory.User, pseudonym string, err error) {
	if u, err = d.store.UserByName(ctx, name); err != nil {
		return u, "", err
	}
	pseudonym, err = d.store.EraseUser(ctx, d.by, u.ID, force)
	return u, pseudonym, err
}
