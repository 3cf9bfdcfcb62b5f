package slackemulator

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxMemberChanges is how many members one call may name.
const maxMemberChanges = 15000

func (e *Emulator) readGroup(c *call) (*reply, error) {
	e.ws.mu.RLock()
	defer e.ws.mu.RUnlock()
	h := e.ws.groups[c.id]
	if h == nil {
		return nil, refuse("no_such_group")
	}
	f := e.frame(c)
	g := h.seen(f.now, c.effects.staleRead)
	return &reply{status: http.StatusOK, value: renderGroup(g, e.ws.membersOf(g), f)}, nil
}

// membersOf is the members attribute of a group. The lock is held. Somebody a person deleted may
// still be in a stale view.
func (ws *workspace) membersOf(g *Group) []refJSON {
	out := make([]refJSON, 0, len(g.Members))
	for _, id := range g.Members {
		if u := ws.user(id); u != nil {
			out = append(out, refJSON{id, u.DisplayName})
		}
	}
	return out
}

func (e *Emulator) createGroup(c *call) (*reply, error) {
	d, err := readGroupBody(c)
	if err != nil {
		return nil, err
	}
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	g := &Group{}
	if err := e.applyGroup(c, g, d); err != nil {
		return nil, err
	}
	g.ID, g.Created = e.ws.newID("S"), e.clock.real()
	if !c.effects.discard {
		e.ws.putGroup(g, e.clock.now())
	}
	return &reply{status: http.StatusCreated, value: renderGroup(g, e.ws.membersOf(g), e.frame(c))}, nil
}

// writeGroup is PUT and PATCH.
func (e *Emulator) writeGroup(c *call) (*reply, error) {
	read := groupOperations
	switch {
	case c.request.Method == http.MethodPut:
		read = readGroupBody
	case c.version == v1:
		read = partialGroup
	}
	edits, err := read(c)
	if err != nil {
		return nil, err
	}
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	before := e.ws.group(c.id)
	switch {
	case before == nil:
		return nil, refuse("no_such_group")
	case before.Protected:
		return nil, refuse("permission_denied")
	}
	after := *before
	if c.request.Method == http.MethodPut && c.effects.ignore != "members" {
		after.Members = nil // without members, PUT empties the group
	}
	if err := e.applyGroup(c, &after, edits); err != nil {
		return nil, err
	}
	now := e.clock.now()
	if !c.effects.discard {
		e.ws.putGroup(&after, now.Add(time.Duration(c.policies.GroupDelay)))
	}
	if c.request.Method == http.MethodPatch && (c.version == v1 || c.policies.GroupPatch == "empty") {
		return &reply{status: http.StatusNoContent}, nil
	}
	shown := &after
	if c.policies.GroupDelay > 0 {
		shown = e.ws.groups[after.ID].seen(now, false)
	}
	return &reply{status: http.StatusOK, value: renderGroup(shown, e.ws.membersOf(shown), e.frame(c))}, nil
}

func (e *Emulator) deleteGroup(c *call) (*reply, error) {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	g := e.ws.group(c.id)
	switch {
	case g == nil:
		return nil, refuse("no_such_group")
	case g.Protected:
		return nil, refuse("permission_denied")
	case len(g.LinkedChannels) > 0:
		return nil, refuse("idp_group_linked_to_channels")
	}
	if !c.effects.discard {
		e.ws.dropGroup(g.ID)
	}
	return &reply{status: http.StatusNoContent}, nil
}

// groupEdit is one change of a group. Members in a request are ids.
type groupEdit struct {
	kind    groupEditKind
	name    string
	members []string
}

type groupEditKind int

const (
	renameGroup groupEditKind = iota
	setMembers
	addMembers
	removeMembers
)

// readGroupBody reads POST and PUT.
func readGroupBody(c *call) ([]groupEdit, error) {
	o, err := decodeBody(c.body)
	if err != nil {
		return nil, err
	}
	if _, err := o.schemas(); err != nil {
		return nil, err
	}
	return groupMembers(c, o, setMembers)
}

// partialGroup reads a v1 PATCH: members are added, or deleted where they say so; meta.attributes
// may clear them all.
func partialGroup(c *call) ([]groupEdit, error) {
	o, err := decodeBody(c.body)
	if err != nil {
		return nil, err
	}
	if _, err := o.schemas(); err != nil {
		return nil, err
	}
	cleared, err := clearedPaths(c, o)
	if err != nil {
		return nil, err
	}
	edits := []groupEdit{}
	for _, p := range cleared {
		if p.attr != "members" {
			return nil, errUnknown
		}
		edits = append(edits, groupEdit{kind: setMembers})
	}
	more, err := groupMembers(c, o, addMembers)
	return append(edits, more...), err
}

// groupMembers makes edits of the attributes of o; kind says what its members are for.
func groupMembers(c *call, o object, kind groupEditKind) ([]groupEdit, error) {
	edits := []groupEdit{}
	for _, key := range o.sorted() {
		switch strings.ToLower(key) {
		case "displayname":
			name, err := text(o[key])
			if err != nil {
				return nil, err
			}
			edits = append(edits, groupEdit{kind: renameGroup, name: name})
		case "members":
			more, err := memberEdit(o[key], kind)
			if err != nil {
				return nil, err
			}
			edits = append(edits, more...)
		case "schemas", "meta", "id", "externalid":
		default:
			if c.policies.StrictAttributes {
				return nil, errUnknown
			}
		}
	}
	return edits, nil
}

// memberEdit reads [{value}], with v1's "operation":"delete" on single ones.
func memberEdit(v any, kind groupEditKind) ([]groupEdit, error) {
	items, err := parseItems(v, "invalid_attribute_format")
	if err != nil {
		return nil, err
	}
	some, gone := groupEdit{kind: kind}, groupEdit{kind: removeMembers}
	for _, i := range items {
		if i.deleted {
			gone.members = append(gone.members, i.value)
		} else {
			some.members = append(some.members, i.value)
		}
	}
	if len(gone.members) == 0 {
		return []groupEdit{some}, nil
	}
	return []groupEdit{gone, some}, nil
}

// groupOperations reads a v2 PATCH. "remove members" without a value empties the group.
func groupOperations(c *call) ([]groupEdit, error) {
	o, err := decodeBody(c.body)
	if err != nil {
		return nil, err
	}
	if _, err := o.schemas(); err != nil {
		return nil, err
	}
	raw, err := rawOperations(o)
	if err != nil {
		return nil, err
	}
	edits := []groupEdit{}
	for _, op := range raw {
		more, err := groupOperation(c, op)
		if err != nil {
			return nil, err
		}
		edits = append(edits, more...)
	}
	return edits, nil
}

var memberKinds = map[verb]groupEditKind{set: setMembers, merge: addMembers, remove: removeMembers}

func groupOperation(c *call, op operation) ([]groupEdit, error) {
	if op.path == "" {
		members, ok := asObject(op.value)
		if !ok || op.verb == remove {
			return nil, refuse("invalid_request_payload")
		}
		return groupMembers(c, members, memberKinds[op.verb])
	}
	p, err := parsePath(c.version, op.path)
	if err != nil {
		return nil, err
	}
	switch {
	case p.attr == "displayname" && p.name() == p.attr && op.verb != remove:
		name, err := text(op.value)
		return []groupEdit{{kind: renameGroup, name: name}}, err
	case p.attr == "externalid" || p.attr == "id":
		return nil, nil
	case p.attr != "members" || p.sub != "" && p.sub != "value":
		return nil, errUnknown
	case p.filter != nil:
		ids, err := idsIn(p.filter)
		if err != nil || op.verb != remove {
			return nil, errUnknown
		}
		return []groupEdit{{kind: removeMembers, members: ids}}, nil
	case op.verb == remove && op.value == nil:
		return []groupEdit{{kind: setMembers}}, nil
	}
	return memberEdit(op.value, memberKinds[op.verb])
}

// idsIn reads members[value eq "U1" or value eq "U2"].
func idsIn(f *condition) ([]string, error) {
	switch {
	case f.op == "or":
		left, err := idsIn(f.left)
		if err != nil {
			return nil, err
		}
		right, err := idsIn(f.right)
		return append(left, right...), err
	case f.op == "eq" && f.attribute == "value":
		return []string{f.value}, nil
	}
	return nil, errUnknown
}

// applyGroup runs edits on g and judges the result. The lock is held.
func (e *Emulator) applyGroup(c *call, g *Group, edits []groupEdit) error {
	named := 0
	for _, edit := range edits {
		named += len(edit.members)
	}
	if named > maxMemberChanges {
		return refuse("too_many_users")
	}
	if g.ID != "" && c.request.Method == http.MethodPut && c.effects.ignore != "displayname" {
		g.DisplayName = "" // has to be said again
	}
	for _, edit := range edits {
		if err := e.applyGroupEdit(c, g, edit); err != nil {
			return err
		}
	}
	if g.DisplayName == "" {
		return refuse("group_creation_failed")
	}
	if holder, taken := e.ws.byGroup[strings.ToLower(g.DisplayName)]; taken && holder != g.ID {
		if c.version == v1 {
			return refuse("name_already_exists")
		}
		return refuse("group_creation_failed")
	}
	if len(g.Members) > c.policies.maxMembers() {
		return refuse("group_member_max_exceeded")
	}
	return nil
}

func (e *Emulator) applyGroupEdit(c *call, g *Group, edit groupEdit) error {
	ignored := c.effects.ignore
	switch {
	case edit.kind == renameGroup && ignored == "displayname", edit.kind != renameGroup && ignored == "members":
		return nil
	case edit.kind == renameGroup:
		g.DisplayName = edit.name
		return nil
	}
	named := make(map[string]bool, len(edit.members))
	fresh := make([]string, 0, len(edit.members))
	for _, id := range edit.members {
		u := e.ws.user(id)
		switch {
		case u == nil:
			return refuse("no_such_group_members")
		case named[id]:
			continue
		}
		named[id] = true
		if edit.kind != removeMembers {
			if err := mayJoin(c, e.ws, g, u); err != nil {
				return err
			}
		}
		fresh = append(fresh, id)
	}
	switch edit.kind {
	case setMembers:
		g.Members = fresh
	case removeMembers:
		g.Members = without(g.Members, named)
	case addMembers:
		g.Members = slices.Concat(g.Members, e.newcomers(g, fresh))
	}
	return nil
}

// newcomers leaves out who is in g already. The index answers for a stored group that no earlier
// operation of this request has changed; otherwise the list itself does.
func (e *Emulator) newcomers(g *Group, ids []string) []string {
	stored := e.ws.group(g.ID)
	untouched := stored != nil && len(stored.Members) == len(g.Members) &&
		(len(g.Members) == 0 || &stored.Members[0] == &g.Members[0])
	present := map[string]bool{}
	if !untouched {
		for _, id := range g.Members {
			present[id] = true
		}
	}
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if !present[id] && !(untouched && e.ws.isMember(id, g.ID)) {
			out = append(out, id)
		}
	}
	return out
}

// mayJoin refuses deactivated people (and, by policy, guests) who are not members yet.
func mayJoin(c *call, ws *workspace, g *Group, u *User) error {
	refused := !u.Active || c.policies.RefuseGuestsInGroups && u.Guest != nil
	if refused && !(g.ID != "" && ws.isMember(u.ID, g.ID)) {
		return refuse("unable_to_add_deleted_or_guest_to_group")
	}
	return nil
}
