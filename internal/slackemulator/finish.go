package slackemulator

import (
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxUserName    = 21
	maxDisplayName = 80
	maxFields      = 50 // custom profile fields of a workspace, those that SCIM makes included
	defaultZone    = "America/Los_Angeles"
)

// reservedNames cannot be userNames. Slack publishes no list; these are the words that mean
// something in a message.
var reservedNames = []string{"channel", "everyone", "group", "here", "slackbot", "slack"}

// finish judges the draft as a whole and completes it. The first complaint wins, in this order.
func (d *draft) finish() error {
	for _, step := range []func() error{
		d.finishUserName, d.finishEmails, d.finishNames, d.finishDisplayName, d.finishPhoto,
		d.finishActive, d.finishProfile,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if d.Timezone == "" {
		d.Timezone = defaultZone
	}
	return nil
}

// finishUserName settles userName and nickName, which are one value in Slack. On PUT a nickName
// that differs wins: Slack's own tests set both and call that required.
func (d *draft) finishUserName() error {
	asked, tooLong := d.askedName, d.longUserName()
	useNick := d.askedNick != nil && *d.askedNick != "" &&
		(d.form == replace || d.form == change && asked == nil)
	switch {
	case d.form != change && (asked == nil || *asked == ""):
		if d.form == replace && asked == nil {
			return refuse("username_required")
		}
		return refuse("username_empty")
	case useNick:
		asked, tooLong = d.askedNick, "long_nickname"
	case asked == nil && d.askedNick != nil && d.form == change: // cleared
		return refuse("username_empty")
	case asked == nil:
		return nil
	case *asked == "":
		return refuse("username_empty")
	}
	name := normaliseUserName(*asked)
	if d.before != nil && name == d.before.UserName {
		d.UserName = name
		return nil
	}
	if len(name) > maxUserName {
		return &scimError{code: tooLong, user: name}
	}
	if strings.Trim(name, "._-") == "" {
		return &scimError{code: "username_invalid", user: name}
	}
	if slices.Contains(reservedNames, name) || slices.Contains(d.policies.ReservedNames, name) {
		return &scimError{code: "username_not_allowed", user: name}
	}
	if _, taken := d.ws.byUserName[name]; taken || d.ws.channels[name] != "" {
		return &scimError{code: "username_taken", user: name}
	}
	d.UserName = name
	return nil
}

func (d *draft) longUserName() string {
	switch {
	case d.policies.LongUserName != "":
		return d.policies.LongUserName
	case d.version == v1:
		return "long_username"
	default:
		return "username_too_long"
	}
}

// normaliseUserName takes the local part of an e-mail address, lowers it, and turns what Slack does
// not allow into "_".
func normaliseUserName(name string) string {
	if local, _, isAddress := strings.Cut(name, "@"); isAddress && local != "" {
		name = local
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, strings.ToLower(name))
}

func (d *draft) finishEmails() error {
	if d.Email == "" {
		if d.form == create {
			return &scimError{code: "email_empty", user: d.UserName}
		}
		return &scimError{code: "missing_primary_email", user: d.UserName}
	}
	if strings.EqualFold(d.Email, d.SecondEmail) {
		d.SecondEmail = ""
	}
	for _, address := range []string{d.Email, d.SecondEmail} {
		if address == "" {
			continue
		}
		if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address || len(address) > 254 {
			return &scimError{code: "bad_email_address", user: d.UserName}
		}
		if holder, taken := d.ws.byEmail[strings.ToLower(address)]; taken && holder != d.ID {
			return &scimError{code: "email_taken", user: d.UserName, existing: holder}
		}
	}
	return nil
}

// finishNames fills an absent name from what else is known; a name that is said and blank is refused.
func (d *draft) finishNames() error {
	if d.GivenName == "" && d.FamilyName == "" {
		if d.namesTouched {
			return &scimError{code: "invalid_name_required", user: d.UserName}
		}
		d.GivenName = d.UserName
		if d.askedDisplayName != nil && *d.askedDisplayName != "" {
			d.GivenName = *d.askedDisplayName
		}
	}
	if hasEmoji(d.GivenName) || hasEmoji(d.FamilyName) {
		return &scimError{code: "invalid_emoji_not_allowed", user: d.UserName}
	}
	return nil
}

// finishDisplayName lets a display name be set on create; later it may change only where members
// do not choose their own.
func (d *draft) finishDisplayName() error {
	name := ""
	if d.askedDisplayName != nil {
		name = *d.askedDisplayName
	}
	if d.before != nil {
		if d.askedDisplayName == nil && (d.form == change || d.policies.DisplayNames != "managed") || name == d.before.DisplayName {
			d.DisplayName = d.before.DisplayName
			return nil
		}
		if d.policies.DisplayNames != "managed" {
			return &scimError{code: "invalid_display_name", user: d.UserName}
		}
	}
	if name == "" {
		name = d.UserName
	}
	code := ""
	switch {
	case strings.HasPrefix(name, "@"):
		code = "invalid_starts_with_at"
	case strings.Contains(name, "@"):
		code = "invalid_name_specials"
	case utf8.RuneCountInString(name) > maxDisplayName:
		code = "invalid_name_maxlength"
	case hasEmoji(name):
		code = "invalid_emoji_not_allowed"
	}
	if code != "" {
		return &scimError{code: code, user: d.UserName}
	}
	d.DisplayName = name
	return nil
}

func hasEmoji(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return r >= 0x1F1E6 && r <= 0x1FAFF || r >= 0x2600 && r <= 0x27BF
	})
}

func (d *draft) finishPhoto() error {
	before := User{}
	if d.before != nil {
		before = *d.before
	}
	switch {
	case d.Photo == before.Photo, d.Photo == "":
	case d.Photo == photoURL(before), d.Photo == defaultPhoto(before):
		d.Photo = before.Photo // a client sends back what it read
	case !isPhoto(d.Photo):
		return &scimError{code: "photos_invalid", user: d.UserName}
	default:
		d.photoSeen = d.ws.clock.now().Add(time.Duration(d.policies.PhotoDelay))
	}
	return nil
}

// finishActive applies what was asked; else making or unmaking a guest reactivates; else a PUT that
// does not say active deactivates (Policies.PutWithoutActive).
func (d *draft) finishActive() error {
	switch {
	case d.askedActive != nil:
		d.Active = *d.askedActive
	case d.form == create:
		d.Active = true
	case d.guestTouched, d.form == replace && d.Guest == nil && d.before.Guest != nil:
		d.Active = true
	case d.form == replace:
		d.Active = d.before.Active && d.policies.PutWithoutActive == "keep"
	}
	if d.before != nil && d.before.Active && !d.Active {
		return mayDeactivate(d.before, d.policies)
	}
	return nil
}

// mayDeactivate says who cannot be deactivated through SCIM, and in which words.
func mayDeactivate(u *User, p Policies) error {
	code := ""
	switch {
	case u.Bot:
		code = "cannot_disable_bot_user_with_scim"
	case u.Role == RolePrimaryOwner && p.Plan == PlanEnterprise:
		code = "primary_owner_check_failure"
	case u.Role == RolePrimaryOwner:
		code = "cannot_disable_primary_owner"
	case u.Role == RoleOwner:
		code = "cannot_modify_owner"
	default:
		return nil
	}
	return &scimError{code: code, user: u.UserName}
}

// finishProfile drops a profile that a bad value spoiled, and counts the custom fields it needs.
func (d *draft) finishProfile() error {
	if d.profileSpoiled || d.Profile != nil && *d.Profile == (Profile{}) && (d.before == nil || d.before.Profile == nil) {
		d.Profile = nil
	}
	if d.Profile == nil {
		return nil
	}
	needed := 0
	for _, field := range fieldsOf(d.Profile) {
		if !d.ws.fields[field] {
			needed++
		}
	}
	if len(d.ws.fields)+needed+d.policies.CustomFieldsInUse > maxFields && needed > 0 {
		return &scimError{code: "unable_to_create_team_profile_fields", user: d.UserName}
	}
	return nil
}

// fieldsOf names the custom profile fields that hold something.
func fieldsOf(p *Profile) []string {
	values := map[string]string{
		"address": p.StreetAddress, "city": p.Locality, "region": p.Region, "zip": p.PostalCode, "country": p.Country,
		"phone": p.PrimaryPhone, "mobile": p.MobilePhone, "role": p.Role, "manager": p.ManagerID, "start date": p.StartDate,
	}
	out := []string{}
	for name, at := range profileTexts {
		values[name] = *at(p)
	}
	for name, value := range values {
		if value != "" {
			out = append(out, name)
		}
	}
	return out
}
