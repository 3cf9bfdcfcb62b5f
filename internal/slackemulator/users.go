package slackemulator

import (
	"maps"
	"net/http"
	"strings"
	"time"
)

func (e *Emulator) readUser(c *call) (*reply, error) {
	e.ws.mu.RLock()
	defer e.ws.mu.RUnlock()
	h := e.ws.users[c.id]
	if h == nil {
		return nil, refuse("no_such_user")
	}
	f := e.frame(c)
	u := h.seen(f.now, c.effects.staleRead)
	return &reply{status: http.StatusOK, value: renderUser(u, e.ws.groupsOf(u.ID), f)}, nil
}

// groupsOf is the groups attribute of a person. The lock is held.
func (ws *workspace) groupsOf(id string) []refJSON {
	out := make([]refJSON, 0, len(ws.memberOf[id]))
	for _, groupID := range ws.memberOf[id] {
		out = append(out, refJSON{groupID, ws.group(groupID).DisplayName})
	}
	return out
}

func (e *Emulator) createUser(c *call) (*reply, error) {
	edits, declared, err := wholeEdits(c, set)
	if err != nil {
		return nil, err
	}
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	kept, shown, err := e.applyUser(c, create, nil, edits, declared)
	if err != nil {
		return nil, err
	}
	prefix := c.policies.UserIDPrefix
	if prefix == "" {
		prefix = "U"
	}
	kept.ID, kept.Created = e.ws.newID(prefix), e.clock.real()
	shown.ID, shown.Created = kept.ID, kept.Created
	if !c.effects.discard {
		e.storeUser(c, nil, kept)
	}
	return &reply{status: http.StatusCreated, value: renderUser(shown, []refJSON{}, e.frame(c))}, nil
}

// writeUser is PUT and PATCH.
func (e *Emulator) writeUser(c *call) (*reply, error) {
	form, read := change, operations
	switch {
	case c.request.Method == http.MethodPut:
		form, read = replace, func(c *call) ([]edit, map[string]bool, error) { return wholeEdits(c, set) }
	case c.version == v1:
		read = partialEdits
	}
	edits, declared, err := read(c)
	if err != nil {
		return nil, err
	}
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	before, err := e.ws.writable(c)
	if err != nil {
		return nil, err
	}
	kept, shown, err := e.applyUser(c, form, before, edits, declared)
	if err != nil {
		return nil, err
	}
	if !c.effects.discard {
		e.storeUser(c, before, kept)
	}
	return &reply{status: http.StatusOK, value: renderUser(shown, e.ws.groupsOf(before.ID), e.frame(c))}, nil
}

// deleteUser deactivates: Slack deletes nobody. It may be repeated.
func (e *Emulator) deleteUser(c *call) (*reply, error) {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	before, err := e.ws.writable(c)
	if err != nil {
		return nil, err
	}
	if before.Active {
		if err := mayDeactivate(before, c.policies); err != nil {
			return nil, err
		}
		after := *before
		after.Active = false
		if !c.effects.discard {
			e.storeUser(c, before, &after)
		}
	}
	if c.version == v1 {
		return &reply{status: http.StatusOK}, nil
	}
	return &reply{status: http.StatusNoContent}, nil
}

// writable finds the person a write is for, and says when the token may not write to them.
func (ws *workspace) writable(c *call) (*User, error) {
	u := ws.user(c.id)
	switch {
	case u == nil:
		return nil, refuse("no_such_user")
	case u.Forgotten:
		return nil, &scimError{code: "cannot_modify_gdpr", user: u.UserName}
	case c.request.Method == http.MethodDelete && u.Role == RolePrimaryOwner:
		return u, nil // refused with a code of its own, whoever asks
	case u.Role.rank() > c.role.rank():
		return nil, &scimError{code: "permission_denied", user: u.UserName}
	}
	return u, nil
}

// applyUser runs edits on before (nil: a new person). kept is what is stored and shown what is
// answered; they differ only when a fault makes Slack claim to have kept what it ignored.
func (e *Emulator) applyUser(c *call, f form, before *User, edits []edit, declared map[string]bool) (kept, shown *User, err error) {
	run := func(ignored string) (*User, error) {
		d := newDraft(e.ws, c.policies, c.version, f, before)
		d.declared, d.ignored = declared, ignored
		for _, edit := range edits {
			if err := d.apply(edit); err != nil {
				return nil, err
			}
		}
		d.carryIgnored()
		if err := d.finish(); err != nil {
			return nil, err
		}
		return &d.User, nil
	}
	if kept, err = run(c.effects.ignore); err != nil {
		return nil, nil, err
	}
	shown = kept
	if c.effects.pretend {
		if shown, err = run(""); err != nil {
			return nil, nil, err
		}
	}
	return kept, shown, nil
}

// storeUser puts after in the place of before. Readers learn of a deactivation late.
func (e *Emulator) storeUser(c *call, before, after *User) {
	now := e.clock.now()
	visible := now
	if before != nil && before.Active && !after.Active {
		visible = now.Add(time.Duration(c.policies.DeactivationDelay))
		if c.policies.DropMembershipsOnDeactivation {
			e.ws.leaveAll(after.ID)
		}
	}
	if after.Profile != nil {
		for _, field := range fieldsOf(after.Profile) {
			e.ws.fields[field] = true
		}
	}
	e.ws.putUser(after, visible)
}

// wholeEdits reads a resource as it is sent to POST and PUT.
func wholeEdits(c *call, v verb) ([]edit, map[string]bool, error) {
	o, err := decodeBody(c.body)
	if err != nil {
		return nil, nil, err
	}
	declared, err := o.schemas()
	if err != nil {
		return nil, nil, err
	}
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil }) // null is "not said"
	edits, err := memberEdits(c, o, v)
	return edits, declared, err
}

// memberEdits makes an edit of each member of o. Members that Slack does not know are left out,
// or refused when the policy says so.
func memberEdits(c *call, o object, v verb) ([]edit, error) {
	edits := make([]edit, 0, len(o))
	for _, key := range o.sorted() {
		if strings.EqualFold(key, "schemas") || strings.EqualFold(key, "meta") {
			continue
		}
		p, err := parsePath(c.version, key)
		if err != nil || !isAttribute(p) {
			if c.policies.StrictAttributes {
				return nil, errUnknown
			}
			continue
		}
		edits = append(edits, edit{v, p, o[key]})
	}
	return edits, nil
}

// isAttribute tells whether a person has such an attribute.
func isAttribute(p path) bool {
	name := p.name()
	_, isList := lists[p.attr]
	return isList || inert[name] || texts[name] != nil || profileTexts[name] != nil || rules[name] != nil
}

// partialEdits reads a v1 PATCH: the members given, arrays merged, and before that the attributes
// that meta.attributes clears.
func partialEdits(c *call) ([]edit, map[string]bool, error) {
	edits, declared, err := wholeEdits(c, merge)
	if err != nil {
		return nil, nil, err
	}
	o, err := decodeBody(c.body)
	if err != nil {
		return nil, nil, err
	}
	cleared, err := clearedPaths(c, o)
	if err != nil {
		return nil, nil, err
	}
	first := make([]edit, 0, len(cleared)+len(edits))
	for _, p := range cleared {
		first = append(first, edit{remove, p, nil})
	}
	return append(first, edits...), declared, nil
}

// clearedPaths reads v1's meta.attributes.
func clearedPaths(c *call, o object) ([]path, error) {
	metaValue, _ := o.field("meta")
	meta, _ := asObject(metaValue)
	names, _ := meta.field("attributes")
	list, _ := names.([]any)
	out := make([]path, 0, len(list))
	for _, name := range list {
		s, ok := name.(string)
		if !ok {
			return nil, refuse("invalid_attribute_format")
		}
		p, err := parsePath(c.version, s)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// operations reads a v2 PATCH of a person. An operation without a path carries an object of paths.
func operations(c *call) ([]edit, map[string]bool, error) {
	o, err := decodeBody(c.body)
	if err != nil {
		return nil, nil, err
	}
	declared, err := o.schemas()
	if err != nil {
		return nil, nil, err
	}
	if startDate, ok := o.field(profileV2); ok { // the documentation's sample for startDate is no PatchOp
		return []edit{{merge, path{attr: "profile"}, startDate}}, declared, nil
	}
	raw, err := rawOperations(o)
	if err != nil {
		return nil, nil, err
	}
	edits := make([]edit, 0, len(raw))
	for _, op := range raw {
		if op.path != "" {
			p, err := parsePath(c.version, op.path)
			if err != nil {
				return nil, nil, err
			}
			edits = append(edits, edit{op.verb, p, op.value})
			continue
		}
		members, ok := asObject(op.value)
		if !ok || op.verb == remove {
			return nil, nil, refuse("invalid_request_payload")
		}
		more, err := memberEdits(c, members, op.verb)
		if err != nil {
			return nil, nil, err
		}
		edits = append(edits, more...)
	}
	return edits, nil, nil
}

type operation struct {
	verb  verb
	path  string
	value any
}

var verbs = map[string]verb{"add": merge, "replace": set, "remove": remove}

// rawOperations reads Operations; op is taken in any case.
func rawOperations(o object) ([]operation, error) {
	bad := refuse("invalid_request_payload")
	v, _ := o.field("Operations")
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, bad
	}
	out := make([]operation, 0, len(list))
	for _, v := range list {
		raw, ok := asObject(v)
		if !ok {
			return nil, bad
		}
		name, _ := raw.field("op")
		nameText, _ := name.(string)
		verb, ok := verbs[strings.ToLower(nameText)]
		if !ok {
			return nil, bad
		}
		pathValue, _ := raw.field("path")
		pathText, ok := pathValue.(string)
		if !ok && pathValue != nil {
			return nil, bad
		}
		value, _ := raw.field("value")
		out = append(out, operation{verb, strings.TrimSpace(pathText), value})
	}
	return out, nil
}
