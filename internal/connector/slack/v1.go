package slack

import "strings"

// patchV1 is a part of the resource that Slack merges into what it has; entries of lists go with
// "operation": "delete", attributes lose their value through meta.attributes.
func patchV1(d dialect, active *bool, changes []change, want profile) any {
	body := map[string]any{}
	var lost []string
	used := map[string]bool{}
	if active != nil {
		body["active"] = *active
	}
	for _, c := range changes {
		in, name := c.slot.place()
		urn := d.extensions[in]
		switch {
		case c.slot.isCore() && c.new == "":
			lost = append(lost, string(c.slot))
		case c.slot.isCore():
			object, key := body, in
			if outer, inner, dotted := strings.Cut(in, "."); dotted {
				object, key = member(body, outer), inner
			}
			object[key] = c.new
		case c.slot == slotGuestType && c.new == "":
			lost = append(lost, urn)
		case c.slot == slotGuestUntil && want[slotGuestType] == "":
			// A full member has no expiration; it goes with the extension.
		case c.slot == slotManager && c.new == "":
			lost = append(lost, urn+".manager.managerId")
		case urn != "" && c.new == "":
			lost = append(lost, urn+"."+name)
		case urn != "":
			used[in] = true
			put(member(body, urn), c.slot, c.new)
		case c.slot == slotRole && c.new != "":
			body["roles"] = []any{map[string]any{"value": c.new, "primary": true}}
		case c.slot == slotPhoto && c.new != "":
			body["photos"] = []any{map[string]any{"value": c.new, "primary": true}}
		case c.slot == slotRole || c.slot == slotPhoto:
			lost = append(lost, in)
		}
	}
	if used["guest"] && want[slotGuestType] != "" {
		member(body, d.extensions["guest"])["type"] = want[slotGuestType]
	}
	emailsV1(body, changes, want)
	lost = append(lost, phonesV1(body, changes, want)...)
	lost = append(lost, addressV1(body, changes, want)...)
	if len(lost) > 0 {
		body["meta"] = map[string]any{"attributes": lost}
	}
	if len(body) == 0 {
		return nil
	}
	body["schemas"] = d.schemas(map[string]bool{"guest": used["guest"], "profile": used["profile"]})
	return body
}

// emailsV1 names the primary address beside every change, so that the order in the list, which decides
// where nothing else does, cannot make a secondary one primary.
func emailsV1(body map[string]any, changes []change, want profile) {
	_, firstChanged := changed(changes, slotEmail)
	second, secondChanged := changed(changes, slotEmail2)
	if !firstChanged && !secondChanged {
		return
	}
	list := emailList(want[slotEmail], want[slotEmail2])
	if second.old != "" && second.new == "" && second.old != want[slotEmail] {
		list = append(list, map[string]any{"value": second.old, "operation": "delete"})
	}
	body["emails"] = list
}

func phonesV1(body map[string]any, changes []change, want profile) (lost []string) {
	first, firstChanged := changed(changes, slotPhone)
	second, secondChanged := changed(changes, slotMobile)
	if !firstChanged && !secondChanged {
		return nil
	}
	primary, knowsPrimary := want[slotPhone]
	mobile, knowsMobile := want[slotMobile]
	if knowsPrimary && knowsMobile && primary == "" && mobile == "" {
		return []string{"phoneNumbers"}
	}
	list := phoneList(primary, mobile)
	for _, c := range []change{first, second} {
		switch {
		case c.old == "" || c.new != "":
		case c.old == primary || c.old == mobile:
			// The other place keeps the same number, which a deletion by value would hit too. What
			// meta.attributes names goes before the rest is merged (SCIM 1.1 §3.3.2).
			lost = []string{"phoneNumbers"}
		default:
			list = append(list, map[string]any{"value": c.old, "operation": "delete"})
		}
	}
	if list != nil {
		body["phoneNumbers"] = list
	}
	return lost
}

// addressV1 sends the one address whole; " " clears a part of it, as the reference says.
func addressV1(body map[string]any, changes []change, want profile) (lost []string) {
	value, touched, kept := map[string]any{"primary": true}, false, false
	for _, s := range inList("addresses") {
		_, name := s.place()
		v, mapped := want[s]
		kept = kept || v != "" || !mapped
		_, isChanged := changed(changes, s)
		touched = touched || isChanged
		switch {
		case v != "":
			value[name] = v
		case isChanged:
			value[name] = " "
		}
	}
	switch {
	case !touched:
		return nil
	case !kept:
		return []string{"addresses"}
	}
	body["addresses"] = []any{value}
	return nil
}

func renameV1(d dialect, displayName string) any {
	return map[string]any{"schemas": []string{d.group}, "displayName": displayName}
}

func membersV1(d dialect, add, remove []string) any {
	list := memberList(add)
	for _, id := range remove {
		list = append(list, map[string]any{"value": id, "operation": "delete"})
	}
	if len(list) == 0 {
		return nil
	}
	return map[string]any{"schemas": []string{d.group}, "members": list}
}
