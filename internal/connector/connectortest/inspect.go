package connectortest

import (
	"slices"
	"strconv"
	"strings"
)

// The methods here look at, and change, the target past its API: as a person does at the target's
// own pages.

// AddUser adds a person and returns the id.
func (t *Target) AddUser(doc map[string]any) string { return t.add(t.users, doc) }

// AddGroup adds a group with members and returns the id.
func (t *Target) AddGroup(name string, members ...string) string {
	id := t.add(t.groups, map[string]any{"displayName": name})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.groups.byID[id].join(members)
	return id
}

func (t *Target) add(c *collection, doc map[string]any) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nextID++
	e := &entry{id: c.prefix + strconv.Itoa(1000+t.nextID), doc: copyOf(doc), in: map[string]bool{}}
	if _, ok := e.doc["active"]; !ok && c.prefix == "U" {
		e.doc["active"] = true
	}
	c.insert(e)
	return e.id
}

// User returns a person's resource as it is kept, nil when there is none.
func (t *Target) User(id string) map[string]any {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.users.byID[id]; e != nil {
		return copyOf(e.doc)
	}
	return nil
}

// Group returns a group's resource as it is kept, without its members; nil when there is none.
func (t *Target) Group(id string) map[string]any {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.groups.byID[id]; e != nil {
		return copyOf(e.doc)
	}
	return nil
}

// UserID returns the id of the person with a userName, "" when there is none.
func (t *Target) UserID(userName string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.users.byName[strings.ToLower(userName)]
}

// GroupID returns the id of the group with a name, "" when there is none.
func (t *Target) GroupID(name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.groups.byName[strings.ToLower(name)]
}

// UserIDs returns everybody's id, in the order of their creation.
func (t *Target) UserIDs() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.users.order)
}

// GroupIDs returns every group's id.
func (t *Target) GroupIDs() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.groups.order)
}

// Members returns a group's members, sorted.
func (t *Target) Members(group string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.groups.byID[group]
	if e == nil {
		return nil
	}
	return slices.Sorted(slices.Values(e.members))
}

// EditUser changes a person's resource.
func (t *Target) EditUser(id string, change func(doc map[string]any)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.users.byID[id]; e != nil {
		t.users.index(e, false)
		change(e.doc)
		t.users.index(e, true)
	}
}

// RemoveUser deletes a person, also from groups.
func (t *Target) RemoveUser(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.users.byID[id]; e != nil {
		t.users.drop(e)
		for _, g := range t.groups.byID {
			g.leave(id)
		}
	}
}

// RemoveGroup deletes a group.
func (t *Target) RemoveGroup(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.groups.byID[id]; e != nil {
		t.groups.drop(e)
	}
}

// SetMembers makes a group's members exactly these.
func (t *Target) SetMembers(group string, members ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.groups.byID[group]; e != nil {
		e.members, e.in = nil, map[string]bool{}
		e.join(members)
	}
}
