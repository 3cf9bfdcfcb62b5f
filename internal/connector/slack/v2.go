package slack

// operation is one of a PATCH (RFC 7644 §3.5.2).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

func patchOp(ops []operation) any {
	return struct {
		Schemas    []string    `json:"schemas"`
		Operations []operation `json:"Operations"`
	}{[]string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, ops}
}

// patchV2 writes the operations in the forms of the reference's examples; where it has several, the one
// that cannot touch what Muster doesn't know of.
func patchV2(d dialect, active *bool, changes []change, want profile) any {
	var ops []operation
	if active != nil {
		ops = append(ops, operation{"replace", "active", *active})
	}
	for _, c := range changes {
		if !c.slot.isCore() {
			continue
		}
		if c.new == "" {
			ops = append(ops, operation{Op: "remove", Path: string(c.slot)})
		} else {
			ops = append(ops, operation{"replace", string(c.slot), c.new})
		}
	}
	ops = append(ops, emailsV2(changes)...)
	ops = append(ops, phonesV2(changes, want)...)
	ops = append(ops, addressV2(changes, want)...)
	ops = append(ops, rolesV2(changes)...)
	if c, ok := changed(changes, slotPhoto); ok && c.new != "" {
		ops = append(ops, operation{"add", "photos", []any{map[string]any{"value": c.new, "primary": true}}})
	} else if ok {
		ops = append(ops, operation{Op: "remove", Path: "photos"})
	}
	for _, in := range extensionNames {
		ops = append(ops, extensionV2(d.extensions[in], in, changes, want)...)
	}
	if len(ops) == 0 {
		return nil
	}
	return patchOp(ops)
}

// emailsV2 changes the primary address through a filter: a "replace" of the whole list is merged by
// Slack and refused with "more than one primary element" (seen in 2026 on an Enterprise organisation).
func emailsV2(changes []change) []operation {
	first, firstChanged := changed(changes, slotEmail)
	second, secondChanged := changed(changes, slotEmail2)
	const secondary = "emails[primary eq false]"
	entry := map[string]any{"value": second.new, "type": "home"}
	primary := operation{"replace", "emails[primary eq true].value", first.new}
	switch {
	case firstChanged && secondChanged && first.new == second.old:
		// The secondary becomes the primary: it must be free before.
		ops := []operation{{Op: "remove", Path: secondary}, primary}
		if second.new != "" {
			ops = append(ops, operation{"add", "emails", entry})
		}
		return ops
	case !firstChanged && !secondChanged:
		return nil
	}
	var ops []operation
	if firstChanged {
		ops = append(ops, primary)
	}
	switch {
	case !secondChanged:
	case second.new == "":
		ops = append(ops, operation{Op: "remove", Path: secondary})
	case second.old == "":
		ops = append(ops, operation{"add", "emails", entry})
	default:
		ops = append(ops, operation{"replace", secondary, entry})
	}
	return ops
}

// phonesV2 names a number by its present value, as the reference does, because a type means one thing
// in a request and another in an answer. When that value doesn't tell the two places apart, both are
// emptied and set again.
func phonesV2(changes []change, want profile) []operation {
	first, firstChanged := changed(changes, slotPhone)
	second, secondChanged := changed(changes, slotMobile)
	if !firstChanged && !secondChanged {
		return nil
	}
	primary, knowsPrimary := want[slotPhone]
	mobile, knowsMobile := want[slotMobile]
	if !firstChanged {
		first = change{slotPhone, primary, primary}
	}
	if !secondChanged {
		second = change{slotMobile, mobile, mobile}
	}
	empty := operation{Op: "remove", Path: "phoneNumbers"}
	if knowsPrimary && knowsMobile {
		if primary == "" && mobile == "" {
			return []operation{empty}
		}
		alike := first.old != "" && first.old == second.old
		crossing := firstChanged && secondChanged && (first.new != "" && first.new == second.old || second.new != "" && second.new == first.old)
		if alike || crossing {
			return []operation{empty, {"add", "phoneNumbers", phoneList(primary, mobile)}}
		}
	}
	var ops []operation
	var newPrimary, newMobile string
	for _, c := range []change{first, second} {
		at := "phoneNumbers[value eq " + quoted(c.old) + "]"
		switch {
		case c.old == c.new:
		case c.new == "":
			ops = append(ops, operation{Op: "remove", Path: at})
		case c.old != "":
			ops = append(ops, operation{"replace", at + ".value", c.new})
		case c.slot == slotPhone:
			newPrimary = c.new
		default:
			newMobile = c.new
		}
	}
	if list := phoneList(newPrimary, newMobile); list != nil {
		ops = append(ops, operation{"add", "phoneNumbers", list})
	}
	return ops
}

// addressV2 sends the one address whole; a part that loses its value goes as "".
func addressV2(changes []change, want profile) []operation {
	value, touched, kept := map[string]any{"primary": true}, false, false
	for _, s := range inList("addresses") {
		_, name := s.place()
		v, mapped := want[s]
		kept = kept || v != "" || !mapped // of a part that is not mapped nothing is known
		_, isChanged := changed(changes, s)
		touched = touched || isChanged
		if v != "" || isChanged {
			value[name] = v
		}
	}
	switch {
	case !touched:
		return nil
	case !kept:
		return []operation{{Op: "remove", Path: "addresses"}}
	}
	return []operation{{"add", "addresses", []any{value}}}
}

func rolesV2(changes []change) []operation {
	c, ok := changed(changes, slotRole)
	switch {
	case !ok:
		return nil
	case c.new == "":
		return []operation{{Op: "remove", Path: "roles"}}
	case c.old == "":
		return []operation{{"add", "roles", []any{map[string]any{"value": c.new, "primary": true}}}}
	}
	// As with e-mail addresses, a second primary entry would be one too many.
	return []operation{{"replace", "roles[primary eq true].value", c.new}}
}

// extensionV2 adds the values of an extension in one operation, which leaves its other values alone,
// and removes one by one; the reference puts a dot before the name when it removes.
func extensionV2(urn, in string, changes []change, want profile) []operation {
	var ops []operation
	set := map[string]any{}
	for _, c := range changes {
		ext, name := c.slot.place()
		switch {
		case ext != in:
		case c.new != "":
			put(set, c.slot, c.new)
		case c.slot == slotGuestType:
			return []operation{{Op: "remove", Path: urn}} // a full member again, with no expiration either
		case c.slot == slotManager:
			ops = append(ops, operation{Op: "remove", Path: urn + ".manager.managerId"})
		default:
			ops = append(ops, operation{Op: "remove", Path: urn + "." + name})
		}
	}
	if len(set) == 0 {
		return ops
	}
	if in == "guest" && set["type"] == nil && want[slotGuestType] != "" {
		set["type"] = want[slotGuestType] // Slack wants the type beside every expiration
	}
	return append([]operation{{"add", urn, set}}, ops...)
}

func renameV2(_ dialect, displayName string) any {
	return patchOp([]operation{{"replace", "displayName", displayName}})
}

// membersV2 removes members by a list of values, as Slack's own SDK does. A removal without values
// would empty the group and is never made.
func membersV2(_ dialect, add, remove []string) any {
	var ops []operation
	if len(remove) > 0 {
		ops = append(ops, operation{"remove", "members", memberList(remove)})
	}
	if len(add) > 0 {
		ops = append(ops, operation{"add", "members", memberList(add)})
	}
	if len(ops) == 0 {
		return nil
	}
	return patchOp(ops)
}
