package slack

import (
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
)

// account reads a resource; nil when it names no account.
func (c *Connector) account(kind directory.Kind, resource any) *connector.Account {
	doc, _ := resource.(map[string]any)
	id, _ := doc["id"].(string)
	if id == "" {
		return nil
	}
	if kind == directory.KindGroup {
		return c.group(id, doc)
	}
	p := readProfile(doc)
	a := &connector.Account{
		Kind: kind, ID: id, Name: p[slotUserName], Active: isActive(doc["active"]), Created: connector.CreatedIn(doc),
		Values: make(attr.Set, len(c.users)), Protected: protected(doc),
	}
	for _, b := range c.users {
		in, _ := b.slots[0].place()
		hidden := unreadable[b.slots[0]] || in == c.dialect.hidden && extensionOf(doc, in) == nil
		if !hidden {
			a.Values[b.path] = b.join(p)
		}
		if b.slots[0] == slotEmail || b.slots[0] == slotEmail2 {
			a.Also = otherAddresses(a.Also, b.path, text(a.Values[b.path]), doc)
		}
	}
	return a
}

// otherAddresses notes the addresses of an account that an attribute does not show: an address is somebody's in either
// place, see [Connector.filter].
func otherAddresses(also map[string][]string, path, shown string, doc map[string]any) map[string][]string {
	for _, e := range entries(doc["emails"]) {
		v := full(text(e))
		if v == "" || strings.EqualFold(v, shown) {
			continue
		}
		if also == nil {
			also = map[string][]string{}
		}
		also[path] = append(also[path], v)
	}
	return also
}

func (c *Connector) group(id string, doc map[string]any) *connector.Account {
	name, _ := doc["displayName"].(string)
	a := &connector.Account{Kind: directory.KindGroup, ID: id, Name: name, Active: true, Created: connector.CreatedIn(doc), Values: attr.Set{}}
	for _, path := range c.groups {
		a.Values[path] = nil
		if name != "" {
			a.Values[path] = name
		}
	}
	members, ok := doc["members"].([]any)
	a.MembersKnown = ok
	for _, m := range members {
		entry, _ := m.(map[string]any)
		if id, _ := entry["value"].(string); id != "" {
			a.Members = append(a.Members, id)
		}
	}
	return a
}

// readProfile reads what Slack shows of a person. A person without custom profile fields comes without
// them, one with them has null and "" for those without a value; it is all the same.
func readProfile(doc map[string]any) profile {
	p := profile{}
	for _, s := range slots {
		in, name := s.place()
		var v any
		switch in {
		case "emails", "phoneNumbers":
			continue
		case "addresses":
			v = only(doc[in], name)
		case "roles", "photos":
			v = doc[in]
		case "enterprise", "guest", "profile":
			v = attr.Member(extensionOf(doc, in), name)
			if m, ok := v.(map[string]any); ok && s == slotManager {
				v = m["managerId"]
				if v == nil {
					v = m["value"]
				}
			}
		default:
			object, key := doc, in
			if outer, inner, dotted := strings.Cut(in, "."); dotted {
				object, _ = doc[outer].(map[string]any)
				key = inner
			}
			v = attr.Member(object, key)
		}
		p[s] = full(text(v))
	}
	// One without a value stands for an empty place ("value": "" was seen).
	var emails []map[string]any
	for _, e := range entries(doc["emails"]) {
		if full(text(e)) != "" {
			emails = append(emails, e)
		}
	}
	for s, v := range fromList("emails", emails) {
		p[s] = v
	}
	readPhones(p, entries(doc["phoneNumbers"]))
	return p
}

// readPhones uncrosses the numbers: in an answer "mobile" is the place that a request calls "work", and
// the one marked primary is the place that a request calls "mobile" (the reference's note on
// phoneNumbers, and its sample of a create with its answer).
func readPhones(p profile, list []map[string]any) {
	for _, e := range list {
		number := full(text(e))
		switch {
		case number == "":
		case strings.EqualFold(text(e["primary"]), "true") && p[slotPhone] == "":
			p[slotPhone] = number
		case strings.EqualFold(text(e["type"]), "mobile") && p[slotMobile] == "":
			p[slotMobile] = number
		case p[slotPhone] == "":
			p[slotPhone] = number
		case p[slotMobile] == "":
			p[slotMobile] = number
		}
	}
}

// extensionOf returns an extension under its name in either version.
func extensionOf(doc map[string]any, in string) map[string]any {
	for _, d := range []dialect{version2, version1} {
		if m, ok := doc[d.extensions[in]].(map[string]any); ok {
			return m
		}
	}
	return nil
}

// only returns a part of the one entry of a list.
func only(list any, name string) any {
	for _, e := range entries(list) {
		return attr.Member(e, name)
	}
	return nil
}

// full makes the one space with which version 1 clears a field the nothing that it means.
func full(v string) string {
	if strings.TrimSpace(v) == "" {
		return ""
	}
	return v
}

// isActive reads a boolean, which Slack's own schema calls a string. Slack always says; where nothing is
// said, nobody is taken for deactivated.
func isActive(v any) bool { return !strings.EqualFold(text(v), "false") }

// protected says why nobody may change an account by SCIM, as far as Slack lets it be seen: bots, by
// their address. Owners look like everybody else; Slack refuses them when they are written to. The
// token's own user may be changed, and is only never deactivated.
func protected(doc map[string]any) string {
	for _, e := range entries(doc["emails"]) {
		if strings.HasSuffix(strings.ToLower(text(e)), "@slack-bots.com") {
			return "this is a bot, which SCIM cannot change. Manage its app in Slack's administration."
		}
	}
	return ""
}
