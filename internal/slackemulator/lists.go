package slackemulator

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// slot is one place of a multi-valued attribute: Slack keeps a fixed number of them.
type slot struct {
	kind    string // the type a filter sees
	primary bool
	at      map[string]*string // sub-attribute, lower case → where it is kept
}

func (s slot) empty() bool {
	for _, at := range s.at {
		if *at != "" {
			return false
		}
	}
	return true
}

func (s slot) lookup(attribute string) []string {
	switch attribute {
	case "type":
		return []string{s.kind}
	case "primary":
		return []string{map[bool]string{true: "true", false: "false"}[s.primary]}
	}
	if at := s.at[attribute]; at != nil {
		return []string{*at}
	}
	return nil
}

// listAttribute is a multi-valued attribute: the code for malformed values, the places it has, and how
// values given as a whole (set) or added to what is there (merge) are put into them.
type listAttribute struct {
	code  string
	slots func(*draft) []slot
	put   func(d *draft, items []item, verb verb) error
	empty func(*draft)
}

var lists = map[string]listAttribute{
	"emails":       {"emails_invalid", emailSlots, putEmails, func(d *draft) { d.SecondEmail = "" }}, // the primary is never removed so
	"phonenumbers": {"phoneNumbers_invalid", phoneSlots, putPhones, func(d *draft) { p := d.profile(); p.PrimaryPhone, p.MobilePhone = "", "" }},
	"addresses":    addresses,
	"address":      addresses, // one of the documentation's samples says so
	"roles":        {"roles_invalid", roleSlots, putRole, func(d *draft) { d.profile().Role = "" }},
	"photos":       {"photos_invalid", photoSlots, putPhoto, func(d *draft) { d.Photo = "" }},
}

var addresses = listAttribute{"addresses_invalid", addressSlots, putAddress, func(d *draft) {
	for _, at := range addressSlots(d)[0].at {
		*at = ""
	}
}}

// applyList writes a multi-valued attribute: whole, by value, or those that a path's filter picks.
func (d *draft) applyList(l listAttribute, e edit) error {
	if e.path.filter != nil || e.path.sub != "" {
		return d.applySlots(l, e)
	}
	items, err := parseItems(e.value, l.code)
	if err != nil {
		return d.spoilsList(e.path.attr, err)
	}
	if e.verb == merge && len(items) == 0 {
		return nil
	}
	if e.verb != remove {
		return d.spoilsList(e.path.attr, l.put(d, items, e.verb))
	}
	if items == nil {
		l.empty(d)
		return nil
	}
	for i := range items {
		items[i].deleted = true
	}
	return l.put(d, items, merge)
}

// spoilsList is spoils for the lists that live in the custom profile.
func (d *draft) spoilsList(attr string, err error) error {
	if attr == "emails" || attr == "photos" {
		return err
	}
	return d.spoils(err)
}

// applySlots writes the places that match, as they look in a read: type "mobile" is the mobile
// phone, though a request that sends type "mobile" fills the primary one. The primary e-mail
// address also answers to type "work". When nothing matches, a value is added as the filter
// describes it.
func (d *draft) applySlots(l listAttribute, e edit) error {
	all, matched := l.slots(d), false
	for i, s := range all {
		if e.path.filter == nil && i > 0 || e.path.filter != nil && (s.empty() || !e.path.filter.holds(s.lookup)) {
			continue
		}
		matched = true
		if err := d.writeSlot(l, all, i, e); err != nil {
			return err
		}
	}
	if matched || e.verb == remove {
		return nil
	}
	i, err := itemFromFilter(l, e)
	if err != nil {
		return err
	}
	return l.put(d, []item{i}, merge)
}

func (d *draft) writeSlot(l listAttribute, all []slot, i int, e edit) error {
	s, sub := all[i], e.path.sub
	if e.verb == remove {
		for name, at := range s.at {
			if sub == "" || sub == name {
				*at = ""
			}
		}
		return nil
	}
	if o, ok := asObject(e.value); ok && sub == "" {
		for name, v := range o {
			inner := edit{e.verb, path{sub: strings.ToLower(name)}, v}
			if err := d.writeSlot(l, all, i, inner); err != nil {
				return err
			}
		}
		return nil
	}
	if sub == "primary" && !s.primary && e.path.attr == "emails" {
		if yes, err := flag(e.value); err == nil && yes {
			d.Email, d.SecondEmail = d.SecondEmail, d.Email
		}
		return nil
	}
	if sub == "" {
		sub = "value"
	}
	at := s.at[sub]
	if at == nil {
		return nil // type, primary, display: not kept
	}
	value, err := text(e.value)
	if err != nil {
		return refuse(l.code)
	}
	*at = value
	return nil
}

// itemFromFilter makes the value that emails[type eq "home"].value asks for when there is none yet.
func itemFromFilter(l listAttribute, e edit) (item, error) {
	i := item{parts: map[string]string{}}
	if o, ok := asObject(e.value); ok && e.path.sub == "" {
		if i, ok = parseItem(map[string]any(o)); !ok {
			return item{}, refuse(l.code)
		}
	} else {
		value, err := text(e.value)
		if err != nil {
			return item{}, refuse(l.code)
		}
		if e.path.sub == "" || e.path.sub == "value" {
			i.value = value
		} else {
			i.parts[e.path.sub] = value
		}
	}
	describe(&i, e.path.filter)
	return i, nil
}

func describe(i *item, c *condition) {
	switch {
	case c == nil:
	case c.op == "and":
		describe(i, c.left)
		describe(i, c.right)
	case c.op == "eq" && c.attribute == "type" && i.kind == "":
		i.kind = strings.ToLower(c.value)
	case c.op == "eq" && c.attribute == "primary" && i.primary == nil:
		primary := flagText(c.value) == "1"
		i.primary = &primary
	}
}

func emailSlots(d *draft) []slot {
	return []slot{
		{"work", true, map[string]*string{"value": &d.Email}},
		{"", false, map[string]*string{"value": &d.SecondEmail}},
	}
}

// putEmails keeps two addresses. The primary is the one marked so, else the one of type work, else
// the first (https://docs.slack.dev/reference/scim-api). An added address that is not marked goes
// to the second place.
func putEmails(d *draft, items []item, v verb) error {
	if v == set {
		d.Email, d.SecondEmail = "", ""
	}
	kept := items[:0:0]
	for _, i := range items {
		switch {
		case i.deleted && strings.EqualFold(i.value, d.Email):
			d.Email = ""
		case i.deleted && strings.EqualFold(i.value, d.SecondEmail):
			d.SecondEmail = ""
		case !i.deleted && i.value != "":
			kept = append(kept, i)
		}
	}
	main := pick(kept, "work", d.Email == "")
	for n, i := range kept {
		switch {
		case n == main && strings.EqualFold(i.value, d.SecondEmail):
			d.Email, d.SecondEmail = i.value, d.Email
		case n == main:
			d.Email = i.value
		}
	}
	for n, i := range kept {
		if n != main && !strings.EqualFold(i.value, d.Email) {
			d.SecondEmail = i.value
			break
		}
	}
	return nil
}

// pick is the index of the value marked primary, else the first of that kind, else the first when
// any will do, else -1.
func pick(items []item, kind string, any bool) int {
	for n, i := range items {
		if i.isPrimary() {
			return n
		}
	}
	for n, i := range items {
		if kind != "" && i.kind == kind && i.primary == nil {
			return n
		}
	}
	if any && len(items) > 0 {
		return 0
	}
	return -1
}

func phoneSlots(d *draft) []slot {
	p := d.profile()
	return []slot{
		{"", true, map[string]*string{"value": &p.PrimaryPhone}},
		{"mobile", false, map[string]*string{"value": &p.MobilePhone}},
	}
}

// putPhones crosses the numbers over as Slack does: what is sent as primary, as mobile or without
// a mark becomes primaryPhone; what is sent as work, or as not primary beside a primary, becomes
// mobilePhone, which reads back as type mobile.
func putPhones(d *draft, items []item, v verb) error {
	p := d.profile()
	if v == set {
		p.PrimaryPhone, p.MobilePhone = "", ""
	}
	primary := pick(items, "", false)
	primaryTaken, mobileTaken := false, false
	if primary >= 0 && !items[primary].deleted {
		p.PrimaryPhone, primaryTaken = items[primary].value, true
	}
	for n, i := range items {
		besidePrimary := i.primary != nil && !*i.primary && primary >= 0
		switch {
		case i.deleted && i.value == p.PrimaryPhone:
			p.PrimaryPhone = ""
		case i.deleted && i.value == p.MobilePhone:
			p.MobilePhone = ""
		case i.deleted, n == primary:
		case i.kind != "work" && !besidePrimary && !primaryTaken:
			p.PrimaryPhone, primaryTaken = i.value, true
		case !mobileTaken:
			p.MobilePhone, mobileTaken = i.value, true
		}
	}
	return nil
}

func addressSlots(d *draft) []slot {
	p := d.profile()
	return []slot{{"", true, map[string]*string{
		"streetaddress": &p.StreetAddress, "locality": &p.Locality, "region": &p.Region,
		"postalcode": &p.PostalCode, "country": &p.Country,
	}}}
}

func putAddress(d *draft, items []item, v verb) error {
	at := addressSlots(d)[0].at
	n := pick(items, "", true)
	for part, field := range at {
		switch {
		case n >= 0 && items[n].deleted, n < 0:
			*field = ""
		default:
			if value, ok := items[n].parts[part]; ok || v == set {
				*field = value
			}
		}
	}
	return nil
}

func roleSlots(d *draft) []slot {
	return []slot{{"", true, map[string]*string{"value": &d.profile().Role}}}
}

func putRole(d *draft, items []item, _ verb) error {
	d.profile().Role = ""
	if n := pick(items, "", true); n >= 0 && !items[n].deleted {
		d.Profile.Role = items[n].value
	}
	return nil
}

func photoSlots(d *draft) []slot {
	return []slot{{"photo", true, map[string]*string{"value": &d.Photo}}}
}

func putPhoto(d *draft, items []item, _ verb) error {
	d.Photo = ""
	if n := pick(items, "", true); n >= 0 && !items[n].deleted {
		d.Photo = items[n].value
	}
	return nil
}

// isPhoto tells a public address or a data: picture of a kind the schema names.
func isPhoto(value string) bool {
	if rest, ok := strings.CutPrefix(value, "data:image/"); ok {
		kind, data, ok := strings.Cut(rest, ";base64,")
		_, err := base64.StdEncoding.DecodeString(data)
		return ok && err == nil && data != "" && (kind == "png" || kind == "jpeg" || kind == "jpg" || kind == "gif")
	}
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
