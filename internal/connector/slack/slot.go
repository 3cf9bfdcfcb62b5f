package slack

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-id/muster/internal/attr"
)

// slot is one value that Slack keeps of a person, under a name that is the same for both versions of
// the protocol. The name of a core attribute is its SCIM path; "enterprise:", "profile:" and "guest:"
// are extensions; the others are places in multi-valued attributes.
type slot string

// profile is the values of a person by slot. A slot that is missing says nothing; one that is "" says
// "no value".
type profile map[slot]string

const (
	slotUserName    slot = "userName"
	slotDisplayName slot = "displayName"
	slotProfileURL  slot = "profileUrl"
	slotTimezone    slot = "timezone"
	slotEmail       slot = "emails:primary"
	slotEmail2      slot = "emails:secondary"
	slotPhone       slot = "phoneNumbers:primary" // primaryPhone: sent as type mobile, answered as primary
	slotMobile      slot = "phoneNumbers:mobile"  // mobilePhone: sent as type work, answered as type mobile
	slotRole        slot = "roles:value"
	slotPhoto       slot = "photos:value"
	slotManager     slot = "enterprise:manager"
	slotStartDate   slot = "profile:startDate"
	slotGuestType   slot = "guest:type"
	slotGuestUntil  slot = "guest:expiration"
)

// slots is everything Slack keeps of a person, in the order in which requests name it. Not in it,
// because Slack keeps none: externalId, entitlements, ims, x509Certificates, other parts of a name;
// because it is not ours to set: password; because it is userName's twin: nickName.
var slots = []slot{
	slotUserName, slotDisplayName,
	"name.givenName", "name.familyName", "name.honorificPrefix",
	"title", "userType", "preferredLanguage", "locale", slotTimezone, slotProfileURL,
	slotEmail, slotEmail2, slotPhone, slotMobile,
	"addresses:streetAddress", "addresses:locality", "addresses:region", "addresses:postalCode", "addresses:country",
	slotRole, slotPhoto,
	"enterprise:employeeNumber", "enterprise:costCenter", "enterprise:organization", "enterprise:division",
	"enterprise:department", slotManager,
	slotStartDate, slotGuestType, slotGuestUntil,
}

// place splits a slot into the attribute or extension and the name in it; core attributes have none.
func (s slot) place() (in, name string) {
	in, name, _ = strings.Cut(string(s), ":")
	return in, name
}

// isCore reports whether the slot is a core attribute whose name is its path.
func (s slot) isCore() bool { return !strings.Contains(string(s), ":") }

// unreadable are the slots that no answer shows as they were sent: Slack answers its own address of the
// profile, and a photo's address on its own servers, some time later. They are never compared.
var unreadable = map[slot]bool{slotProfileURL: true, slotPhoto: true}

// createOnly are the slots that Slack takes on a create and no longer on an update.
var createOnly = map[slot]bool{slotProfileURL: true}

// binding ties a mapped target path to the slots that hold its value.
type binding struct {
	path  string
	slots []slot // one, or all those of a whole multi-valued attribute
	list  string // name of that attribute, "" for one slot
}

// bind finds the slots of the mapped target paths. A path for which Slack keeps nothing, or whose slots
// other paths have, is not in the result: it is never sent and never shown.
func bind(paths []string) []binding {
	var claims []claim
	for _, path := range paths {
		p, err := attr.ParsePath(path)
		if err != nil {
			continue
		}
		c := claimOf(p)
		c.path = p.String()
		claims = append(claims, c)
	}
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.path, b.path))
	})
	var bound []binding
	taken := map[slot]bool{}
	for _, c := range claims {
		free := slices.DeleteFunc(c.slots, func(s slot) bool { return taken[s] })
		if c.list == "" {
			free = free[:min(1, len(free))]
		}
		if len(free) == 0 {
			continue
		}
		for _, s := range free {
			taken[s] = true
		}
		bound = append(bound, binding{path: c.path, slots: free, list: c.list})
	}
	return bound
}

// claim is the slots that a path may take, the preferred one first, or all of a list's.
type claim struct {
	path  string
	slots []slot
	list  string
	rank  int // among paths that want the same slots; a smaller one chooses first
}

// claimOf reads a path as Slack reads a request: of several addresses or numbers the one marked primary
// comes first, then the one of the type that Slack prefers, then any other.
func claimOf(p attr.Path) claim {
	if p.URN != "" && !strings.HasPrefix(strings.ToLower(p.URN), "urn:ietf:params:scim:schemas:core:2.0") {
		return claim{slots: extension(p)}
	}
	name := strings.ToLower(p.Name)
	switch name {
	case "emails", "phonenumbers", "roles", "photos":
		if p.Sub != "" && !strings.EqualFold(p.Sub, "value") {
			return claim{} // Slack keeps neither type nor display
		}
	case "addresses":
		if p.Sub != "" {
			return claim{slots: find("addresses:" + p.Sub)}
		}
		return claim{slots: inList("addresses"), list: "addresses", rank: 3}
	default:
		if p.Sub != "" {
			name += "." + p.Sub
		}
		return claim{slots: find(name)}
	}
	c := claim{slots: inList(name)}
	kind, primary := choice(p.Filter)
	second, preferred := primary == "false", kind == "work"
	if name == "phonenumbers" {
		second, preferred = second || kind == "work", kind == "mobile"
	}
	switch {
	case name == "roles" || name == "photos":
	case p.Filter == nil:
		c.list, c.rank = strings.SplitN(string(c.slots[0]), ":", 2)[0], 3
	case second:
		slices.Reverse(c.slots)
	case primary == "true":
	case preferred:
		c.rank = 1
	default:
		c.rank = 2
	}
	return c
}

// choice returns the type and the primary flag that a filter asks for, in lower case.
func choice(f *attr.Filter) (kind, primary string) {
	if f == nil {
		return "", ""
	}
	for _, b := range f.Branches {
		k, p := choice(b)
		kind, primary = cmp.Or(kind, k), cmp.Or(primary, p)
	}
	if f.Op == "eq" && strings.EqualFold(f.Path.Name, "type") {
		kind = strings.ToLower(text(f.Value))
	}
	if f.Op == "eq" && strings.EqualFold(f.Path.Name, "primary") {
		primary = strings.ToLower(text(f.Value))
	}
	return kind, primary
}

// extension returns the slot of a path of the enterprise extension, as either version calls it, or of
// one of Slack's own.
func extension(p attr.Path) []slot {
	urn, name := strings.ToLower(p.URN), p.Name
	if s := strings.ToLower(p.Sub); s != "" && s != "value" && s != "managerid" {
		return nil
	}
	for _, d := range []dialect{version1, version2} {
		for in, known := range d.extensions {
			if urn == strings.ToLower(known) {
				return find(in + ":" + name)
			}
		}
	}
	return nil
}

func find(name string) []slot {
	for _, s := range slots {
		if strings.EqualFold(string(s), name) {
			return []slot{s}
		}
	}
	return nil
}

func inList(list string) []slot {
	var in []slot
	for _, s := range slots {
		if name, _ := s.place(); strings.EqualFold(name, list) {
			in = append(in, s)
		}
	}
	return in
}

// split puts the value of a path into its slots.
func (b binding) split(value any) profile {
	p := make(profile, len(b.slots))
	for _, s := range b.slots {
		p[s] = ""
	}
	if b.list == "" {
		p[b.slots[0]] = text(value)
		return p
	}
	full := fromList(b.list, entries(value))
	for _, s := range b.slots {
		p[s] = full[s]
	}
	return p
}

// join is the other way round: the value of a path, from its slots.
func (b binding) join(p profile) any {
	if b.list == "" {
		if v := p[b.slots[0]]; v != "" {
			return v
		}
		return nil
	}
	if b.list == "addresses" {
		address := map[string]any{}
		for _, s := range b.slots {
			if _, name := s.place(); p[s] != "" {
				address[name] = p[s]
			}
		}
		if len(address) == 0 {
			return nil
		}
		return []any{address}
	}
	var list []any
	for _, s := range b.slots {
		if p[s] != "" {
			list = append(list, map[string]any{"value": p[s], "primary": s == slotEmail || s == slotPhone})
		}
	}
	if list == nil {
		return nil
	}
	return list
}

// fromList chooses from a list as Slack chooses from a request.
func fromList(list string, of []map[string]any) profile {
	marked := func(e map[string]any) bool { return strings.EqualFold(text(attr.Member(e, "primary")), "true") }
	typed := func(kinds ...string) func(map[string]any) bool {
		return func(e map[string]any) bool {
			return slices.Contains(kinds, strings.ToLower(text(attr.Member(e, "type"))))
		}
	}
	first := func(map[string]any) bool { return true }
	take := func(rules ...func(map[string]any) bool) map[string]any {
		for _, rule := range rules {
			if i := slices.IndexFunc(of, rule); i >= 0 {
				e := of[i]
				of = slices.Delete(slices.Clone(of), i, i+1)
				return e
			}
		}
		return nil
	}
	value := func(e map[string]any) string { return text(attr.Member(e, "value")) }
	p := profile{}
	switch list {
	case "emails":
		p[slotEmail] = value(take(marked, typed("work"), first))
		p[slotEmail2] = value(take(first))
	case "phoneNumbers":
		p[slotPhone] = value(take(marked, typed("mobile"), func(e map[string]any) bool { return !typed("work")(e) }))
		p[slotMobile] = value(take(typed("work"), first))
	case "addresses":
		address := take(marked, first)
		for _, s := range inList("addresses") {
			_, name := s.place()
			p[s] = text(attr.Member(address, name))
		}
	}
	return p
}

// entries returns the objects of a list that say something; a plain value stands for its "value".
func entries(v any) []map[string]any {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []map[string]any
	for _, e := range list {
		if attr.Empty(e) {
			continue
		}
		m, ok := e.(map[string]any)
		if !ok {
			m = map[string]any{"value": e}
		}
		out = append(out, m)
	}
	return out
}

// text writes a value as Slack keeps it: of an object its "value", of a list the entry that is marked
// primary, else the first.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		return text(attr.Member(v, "value"))
	case []any:
		for _, e := range v {
			if m, ok := e.(map[string]any); ok && strings.EqualFold(text(attr.Member(m, "primary")), "true") {
				return text(m)
			}
		}
		if len(v) > 0 {
			return text(v[0])
		}
	}
	return ""
}
