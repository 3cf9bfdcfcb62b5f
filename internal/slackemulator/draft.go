package slackemulator

import (
	"strings"
	"time"
)

// form is how a request writes.
type form int

const (
	create  form = iota // POST: a new person
	replace             // PUT: what is not said becomes blank
	change              // PATCH: what is not said stays
)

// verb is what one edit does to an attribute.
type verb int

const (
	set    verb = iota // POST, PUT, v2 replace
	merge              // v1 PATCH, v2 add
	remove             // v2 remove, v1 meta.attributes
)

type edit struct {
	verb  verb
	path  path
	value any
}

// draft is a person while a request is applied to them. All ways of writing end in apply, one
// attribute at a time and in any order; finish then decides what depends on several attributes or
// on the rest of the workspace. The workspace's lock is held from newDraft until the result is stored.
//
//	POST, PUT            blank person ─▶ apply(set …)   ─┐
//	v1 PATCH             the person   ─▶ apply(merge …) ─┼─▶ finish ─▶ User
//	v2 PATCH operations  the person   ─▶ apply(any …)   ─┘
type draft struct {
	User
	ws       *workspace
	policies Policies
	version  version
	form     form
	before   *User  // nil on create
	ignored  string // an attribute that a fault makes Slack ignore

	declared                               map[string]bool // schemas, lower case; nil when paths say them
	askedName, askedNick, askedDisplayName *string
	askedActive                            *bool
	namesTouched, guestTouched             bool
	profileSpoiled                         bool // on create, one bad profile value loses all of them
}

func newDraft(ws *workspace, p Policies, v version, f form, before *User) *draft {
	d := &draft{ws: ws, policies: p, version: v, form: f, before: before}
	switch {
	case f == change:
		d.User = *before
		if before.Profile != nil {
			profile := *before.Profile
			d.Profile = &profile
		}
		if before.Guest != nil {
			guest := *before.Guest
			d.Guest = &guest
		}
	case f == replace:
		d.User = User{
			ID: before.ID, Role: before.Role, Bot: before.Bot, Created: before.Created,
		}
		if before.Profile != nil {
			d.Profile = &Profile{} // the custom fields stay, emptied
		}
	default:
		d.User = User{Role: RoleMember}
	}
	return d
}

// errUnknown is what apply answers to an attribute Slack does not have. Whole resources may carry
// such attributes (Policies.StrictAttributes); an operation's path may not.
var errUnknown = refuse("invalid_request_payload")

// inert attributes are taken and never kept: read-only ones, and those Slack says it ignores.
var inert = map[string]bool{
	"id": true, "meta": true, "schemas": true, "groups": true, "externalid": true, "profileurl": true,
	"name.formatted": true, "name.middlename": true, "name.honorificsuffix": true,
	"entitlements": true, "ims": true, "x509certificates": true, "guest.channels": true,
}

// texts are single values kept as they come.
var texts = map[string]func(*User) *string{
	"name.givenname":  func(u *User) *string { return &u.GivenName },
	"name.familyname": func(u *User) *string { return &u.FamilyName },
	"title":           func(u *User) *string { return &u.Title },
	"timezone":        func(u *User) *string { return &u.Timezone },
}

// profileTexts are single values kept in custom profile fields.
var profileTexts = map[string]func(*Profile) *string{
	"name.honorificprefix":      func(p *Profile) *string { return &p.HonorificPrefix },
	"usertype":                  func(p *Profile) *string { return &p.UserType },
	"preferredlanguage":         func(p *Profile) *string { return &p.PreferredLanguage },
	"locale":                    func(p *Profile) *string { return &p.Locale },
	"enterprise.employeenumber": func(p *Profile) *string { return &p.EmployeeNumber },
	"enterprise.costcenter":     func(p *Profile) *string { return &p.CostCenter },
	"enterprise.organization":   func(p *Profile) *string { return &p.Organization },
	"enterprise.division":       func(p *Profile) *string { return &p.Division },
	"enterprise.department":     func(p *Profile) *string { return &p.Department },
}

// rules are the attributes with a rule of their own.
var rules map[string]func(*draft, edit) error

func init() { // apply reaches the table again through complexes, which a plain initialiser may not
	rules = map[string]func(*draft, edit) error{
		"username":    func(d *draft, e edit) error { return askText(&d.askedName, e) },
		"nickname":    func(d *draft, e edit) error { return askText(&d.askedNick, e) },
		"displayname": func(d *draft, e edit) error { return askText(&d.askedDisplayName, e) },
		"active":      (*draft).applyActive,
		"password":    (*draft).applyPassword,

		"name":                         (*draft).applyMembers,
		"enterprise":                   (*draft).applyMembers,
		"enterprise.manager":           (*draft).applyManager,
		"enterprise.manager.managerid": (*draft).applyManagerID,
		"profile":                      (*draft).applyMembers,
		"profile.startdate":            (*draft).applyStartDate,
		"guest":                        (*draft).applyGuest,
		"guest.type":                   (*draft).applyGuestType,
		"guest.expiration":             (*draft).applyGuestExpiration,
	}
}

// parts are what removing a complex attribute as a whole empties.
var parts = map[string][]string{
	"name":       {"givenname", "familyname", "honorificprefix"},
	"enterprise": {"employeenumber", "costcenter", "organization", "division", "department", "manager"},
	"profile":    {"startdate"},
}

func (d *draft) apply(e edit) error {
	name := e.path.name()
	if d.ignores(name) {
		return nil
	}
	if l, ok := lists[e.path.attr]; ok {
		return d.applyList(l, e)
	}
	if e.path.filter != nil {
		return errUnknown
	}
	if e.verb == remove {
		e.value = nil
	}
	if inert[name] {
		return nil
	}
	if at, ok := texts[name]; ok {
		d.namesTouched = d.namesTouched || e.path.attr == "name"
		return putText(at(&d.User), e.value)
	}
	if at, ok := profileTexts[name]; ok {
		return d.spoils(putText(at(d.profile()), e.value))
	}
	if rule, ok := rules[name]; ok {
		return rule(d, e)
	}
	return errUnknown
}

// ignores tells whether a fault makes Slack ignore the attribute, by itself or with what it is part of.
func (d *draft) ignores(name string) bool {
	return d.ignored != "" && (name == d.ignored || strings.HasPrefix(name, d.ignored+"."))
}

// carryIgnored gives a PUT the old value of the attribute that a fault makes it ignore; every other
// form leaves it as it was anyway.
func (d *draft) carryIgnored() {
	if d.ignored == "" || d.form != replace {
		return
	}
	old := newDraft(d.ws, d.policies, d.version, change, d.before)
	for name, at := range texts {
		if d.ignores(name) {
			*at(&d.User) = *at(&old.User)
		}
	}
	for name, at := range profileTexts {
		if d.ignores(name) {
			*at(d.profile()) = *at(old.profile())
		}
	}
	if l, ok := lists[d.ignored]; ok {
		from := l.slots(old)
		for i, to := range l.slots(d) {
			for part, at := range to.at {
				*at = *from[i].at[part]
			}
		}
	}
	switch {
	case d.ignored == "username", d.ignored == "nickname":
		d.askedName, d.askedNick = &d.before.UserName, nil
	case d.ignored == "active":
		d.askedActive = &d.before.Active
	case d.ignored == "guest":
		d.Guest = old.Guest
	}
	if d.ignores("enterprise.manager") {
		d.profile().ManagerID = old.profile().ManagerID
	}
	if d.ignores("profile.startdate") {
		d.profile().StartDate = old.profile().StartDate
	}
}

func putText(at *string, v any) error {
	s, err := text(v)
	if err != nil {
		return err
	}
	*at = s
	return nil
}

func askText(at **string, e edit) error {
	s, err := text(e.value)
	if err != nil {
		return err
	}
	*at = &s
	return nil
}

// profile is the custom profile, made when first written to; finish drops one that stayed empty.
func (d *draft) profile() *Profile {
	if d.Profile == nil {
		d.Profile = &Profile{}
	}
	return d.Profile
}

// spoils turns a bad profile value on create into the silent loss of all profile fields, which
// Slack lists among its limitations (https://docs.slack.dev/admins/scim-api).
func (d *draft) spoils(err error) error {
	if err != nil && d.form == create {
		d.profileSpoiled = true
		return nil
	}
	return err
}

// applyMembers hands the members of a complex attribute on, one by one.
func (d *draft) applyMembers(e edit) error {
	if e.value == nil {
		for _, part := range parts[e.path.attr] {
			if err := d.apply(edit{remove, path{attr: e.path.attr, sub: part}, nil}); err != nil {
				return err
			}
		}
		return nil
	}
	o, ok := asObject(e.value)
	if !ok {
		return refuse("invalid_attribute_format")
	}
	for _, key := range o.sorted() {
		err := d.apply(edit{e.verb, path{attr: e.path.attr, sub: strings.ToLower(key)}, o[key]})
		if err != nil && (err != errUnknown || d.policies.StrictAttributes) {
			return err
		}
	}
	return nil
}

func (d *draft) applyActive(e edit) error {
	if e.value == nil {
		return nil
	}
	active, err := flag(e.value)
	if err != nil {
		return err
	}
	d.askedActive = &active
	return nil
}

// applyPassword takes an initial password and forgets it; a later one is refused.
func (d *draft) applyPassword(e edit) error {
	if d.form == create || e.value == nil {
		return nil
	}
	return refuse("password_change_not_allowed")
}

func (d *draft) applyManager(e edit) error {
	if e.value == nil {
		return d.applyManagerID(e)
	}
	o, _ := asObject(e.value)
	id, ok := o.field("managerId")
	if !ok {
		return d.spoils(refuse("improper_enterprise_schema_format"))
	}
	return d.applyManagerID(edit{set, e.path, id})
}

// applyManagerID finds the manager by Slack id, e-mail address or userName.
func (d *draft) applyManagerID(e edit) error {
	ref, err := text(e.value)
	if err != nil {
		return d.spoils(err)
	}
	id := ""
	if ref != "" {
		manager := d.ws.findUser(ref)
		if manager == nil {
			return d.spoils(refuse("unknown_user"))
		}
		id = manager.ID
	}
	d.profile().ManagerID = id
	return nil
}

// startDateLayouts are the ways to write ISO 8601 that are taken; the first is the documentation's.
var startDateLayouts = []string{"2006-01-02T15:04:05-0700", time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"}

func isDate(s string) bool {
	for _, layout := range startDateLayouts {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

// applyStartDate keeps the date only when the profile schema is declared, as Slack asks.
func (d *draft) applyStartDate(e edit) error {
	urn := map[version]string{v1: profileV1, v2: profileV2}[d.version]
	if d.declared != nil && !d.declared[strings.ToLower(urn)] {
		return nil
	}
	date, err := text(e.value)
	if err == nil && date != "" && !isDate(date) {
		err = refuse("invalid_attribute_format")
	}
	if err != nil {
		return d.spoils(err)
	}
	d.profile().StartDate = date
	return nil
}

// applyGuest turns the person into a guest, changes their stay, or (without a value) turns them
// into a full member.
func (d *draft) applyGuest(e edit) error {
	if e.value == nil {
		d.guestTouched = d.guestTouched || d.Guest != nil
		d.Guest = nil
		return nil
	}
	o, ok := asObject(e.value)
	if !ok {
		return refuse("invalid_attribute_format")
	}
	for _, name := range []string{"type", "expiration"} {
		if v, ok := o.field(name); ok {
			if err := d.apply(edit{e.verb, path{attr: "guest", sub: name}, v}); err != nil {
				return err
			}
		}
	}
	if d.Guest == nil || d.Guest.Type == "" {
		return refuse("invalid_attribute_format") // type is required
	}
	return nil
}

func (d *draft) guest() (*Guest, error) {
	switch {
	case d.policies.Plan != PlanEnterprise:
		return nil, refuse("invalid_request_payload")
	case d.Role.rank() >= RoleAdmin.rank():
		return nil, refuse("cannot_make_user_guest")
	}
	d.guestTouched = true
	if d.Guest == nil {
		d.Guest = &Guest{}
		if d.before != nil && d.before.Guest != nil {
			d.Guest.Channels = d.before.Guest.Channels
		}
	}
	return d.Guest, nil
}

func (d *draft) applyGuestType(e edit) error {
	if e.value == nil {
		return d.applyGuest(e)
	}
	guest, err := d.guest()
	if err != nil {
		return err
	}
	kind, err := text(e.value)
	if err != nil || !strings.EqualFold(kind, "multi") {
		return refuse("invalid_attribute_format") // single-channel guests cannot be made through SCIM
	}
	guest.Type = "multi"
	return nil
}

func (d *draft) applyGuestExpiration(e edit) error {
	if e.value == nil && d.Guest == nil {
		return nil
	}
	guest, err := d.guest()
	if err != nil {
		return err
	}
	date, err := text(e.value)
	if err != nil || date != "" && !isDate(date) {
		return refuse("invalid_attribute_format")
	}
	guest.Expiration = date
	return nil
}
