package slack

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// dialect is a version of the protocol: its schemas, its filters and the two requests that differ.
type dialect struct {
	user, group string            // core schemas
	extensions  map[string]string // schema by the name that slots use
	hidden      string            // extension that answers may leave out although it has values
	emailFilter string            // attribute that finds people by e-mail address

	// patch is the body of a PATCH of a person, nil when nothing is left to be sent. Want is all that is
	// mapped as it is to be, the changes among it.
	patch func(d dialect, active *bool, changes []change, want profile) any
	// rename and members are the bodies of a PATCH of a group.
	rename  func(d dialect, displayName string) any
	members func(d dialect, add, remove []string) any
}

// change is a slot that is to have another value; "" is none.
type change struct {
	slot     slot
	old, new string
}

// extensionNames is the order in which schemas name the extensions.
var extensionNames = []string{"enterprise", "guest", "profile"}

var version2 = dialect{
	user:  "urn:ietf:params:scim:schemas:core:2.0:User",
	group: "urn:ietf:params:scim:schemas:core:2.0:Group",
	extensions: map[string]string{
		"enterprise": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
		"guest":      "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User",
		"profile":    "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User",
	},
	// The reference has no filters for version 2 at all, yet clients in production use this one.
	emailFilter: "emails",
	patch:       patchV2, rename: renameV2, members: membersV2,
}

var version1 = dialect{
	user:  "urn:scim:schemas:core:1.0",
	group: "urn:scim:schemas:core:1.0",
	extensions: map[string]string{
		"enterprise": "urn:scim:schemas:extension:enterprise:1.0",
		"guest":      "urn:scim:schemas:extension:slack:guest:1.0",
		"profile":    "urn:scim:schemas:extension:slack:profile:1.0",
	},
	hidden:      "profile", // in no captured answer of version 1
	emailFilter: "email",   // documented
	patch:       patchV1, rename: renameV1, members: membersV1,
}

// dialectOf returns the version that an endpoint speaks, by the end of its path.
func dialectOf(endpoint string) dialect {
	if strings.HasSuffix(strings.ToLower(strings.TrimRight(endpoint, "/")), "/scim/v1") {
		return version1
	}
	return version2
}

// create is the body of a POST of a person, as the samples of the reference have it.
func (d dialect) create(p profile) any {
	body := map[string]any{"active": true}
	used := map[string]bool{}
	for _, s := range slots {
		in, name := s.place()
		value := p[s]
		switch {
		case value == "" || in == "emails" || in == "phoneNumbers":
		case s.isCore():
			object, key := body, in
			if outer, inner, dotted := strings.Cut(in, "."); dotted {
				object, key = member(body, outer), inner
			}
			object[key] = value
		case in == "addresses":
			entry := onlyEntry(body, in)
			entry[name], entry["primary"] = value, true
		case s == slotRole:
			body[in] = []any{map[string]any{"value": value, "primary": true}}
		case s == slotPhoto:
			body[in] = []any{map[string]any{"value": value, "type": "photo"}}
		default:
			used[in] = true
			put(member(body, d.extensions[in]), s, value)
		}
	}
	if list := emailList(p[slotEmail], p[slotEmail2]); list != nil {
		body["emails"] = list
	}
	var phones []any
	if v := p[slotMobile]; v != "" {
		phones = append(phones, map[string]any{"value": v, "type": "work"})
	}
	if v := p[slotPhone]; v != "" {
		phones = append(phones, map[string]any{"value": v, "type": "mobile"})
	}
	if phones != nil {
		body["phoneNumbers"] = phones
	}
	body["schemas"] = d.schemas(used)
	return body
}

func (d dialect) schemas(used map[string]bool) []string {
	schemas := []string{d.user}
	for _, in := range extensionNames {
		if used[in] {
			schemas = append(schemas, d.extensions[in])
		}
	}
	return schemas
}

// createGroup is the body of a POST of a group.
func (d dialect) createGroup(displayName string, members []string) any {
	body := map[string]any{"schemas": []string{d.group}, "displayName": displayName}
	if len(members) > 0 {
		body["members"] = memberList(members)
	}
	return body
}

// emailList names both addresses as the samples do; Slack keeps which is primary and forgets the types.
func emailList(primary, secondary string) []any {
	var list []any
	if primary != "" {
		list = append(list, map[string]any{"value": primary, "type": "work", "primary": true})
	}
	if secondary != "" {
		list = append(list, map[string]any{"value": secondary, "type": "home"})
	}
	return list
}

// phoneList adds numbers to their places: alone, a primary one goes by its flag and a mobile one as
// "work"; both at once go by the flag (the reference's examples for PATCH).
func phoneList(primary, mobile string) []any {
	switch {
	case primary != "" && mobile != "":
		return []any{map[string]any{"value": mobile, "primary": false}, map[string]any{"value": primary, "primary": true}}
	case primary != "":
		return []any{map[string]any{"value": primary, "primary": true}}
	case mobile != "":
		return []any{map[string]any{"value": mobile, "type": "work"}}
	}
	return nil
}

func memberList(ids []string) []any {
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = map[string]any{"value": id}
	}
	return list
}

// put sets a value of an extension. Slack's manager stands under managerId, not under the value of
// RFC 7643 §4.3.
func put(extension map[string]any, s slot, value string) {
	_, name := s.place()
	if s == slotManager {
		extension[name] = map[string]any{"managerId": value}
		return
	}
	extension[name] = value
}

func member(of map[string]any, name string) map[string]any {
	m, ok := of[name].(map[string]any)
	if !ok {
		m = map[string]any{}
		of[name] = m
	}
	return m
}

func onlyEntry(of map[string]any, name string) map[string]any {
	list, ok := of[name].([]any)
	if !ok {
		list = []any{map[string]any{}}
		of[name] = list
	}
	return list[0].(map[string]any)
}

// marshal writes a body; what it is given is made of maps, lists and strings, and always marshals.
func marshal(body any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// quoted writes a value into a filter: a JSON string, as the reference demands.
func quoted(v string) string { return string(marshal(v)) }

// changed returns the change of a slot, and whether there is one.
func changed(changes []change, s slot) (change, bool) {
	i := slices.IndexFunc(changes, func(c change) bool { return c.slot == s })
	if i < 0 {
		return change{}, false
	}
	return changes[i], true
}
