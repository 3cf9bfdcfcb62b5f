package slackemulator

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// reply is an answer before it becomes bytes.
type reply struct {
	status int
	header http.Header
	value  any    // JSON; nil means an empty body
	raw    []byte // the body as it is, in place of value
	code   string // the error code, for the request log
}

// encode renders the body. Slack's v1 escapes slashes, as PHP does.
func (r *reply) encode(escapeSlashes bool) []byte {
	if r.value == nil {
		return r.raw
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r.value); err != nil {
		panic("slackemulator: a reply cannot be encoded: " + err.Error()) // only types of this package get here
	}
	body := bytes.TrimSuffix(out.Bytes(), []byte("\n"))
	if escapeSlashes {
		body = bytes.ReplaceAll(body, []byte("/"), []byte(`\/`)) // a slash occurs only inside strings
	}
	return body
}

// scimTime is ISO 8601 with a numeric offset, as the samples have it.
func scimTime(t time.Time) string {
	return t.In(time.FixedZone("", -8*60*60)).Format("2006-01-02T15:04:05-07:00")
}

type metaJSON struct {
	Created  string `json:"created"`
	Location string `json:"location"`
}

type nameJSON struct {
	GivenName  string `json:"givenName"`
	FamilyName string `json:"familyName"`
}

type richNameJSON struct {
	nameJSON
	HonorificPrefix *string `json:"honorificPrefix"`
}

type emailJSON struct {
	Value   string `json:"value"`
	Primary bool   `json:"primary"`
}

type typedJSON struct {
	Value *string `json:"value"`
	Type  string  `json:"type"`
}

type primaryJSON struct {
	Value   *string `json:"value"`
	Primary bool    `json:"primary"`
}

type addressJSON struct {
	StreetAddress *string `json:"streetAddress"`
	Locality      *string `json:"locality"`
	Region        *string `json:"region"`
	PostalCode    *string `json:"postalCode"`
	Country       *string `json:"country"`
	Primary       bool    `json:"primary"`
}

type managerJSON struct {
	ManagerID *string `json:"managerId"`
}

type enterpriseJSON struct {
	EmployeeNumber *string     `json:"employeeNumber"`
	CostCenter     *string     `json:"costCenter"`
	Organization   *string     `json:"organization"`
	Division       *string     `json:"division"`
	Department     *string     `json:"department"`
	Manager        managerJSON `json:"manager"`
}

type profileJSON struct {
	StartDate *string `json:"startDate"`
}

type guestJSON struct {
	Type       string    `json:"type"`
	Expiration *string   `json:"expiration,omitempty"`
	Channels   []refJSON `json:"channels,omitempty"`
}

type refJSON struct {
	Value   string `json:"value"`
	Display string `json:"display"`
}

// userJSON is a person on the wire. The short form has the first block; a person with a custom
// profile has the second as well, with null for what is not set.
type userJSON struct {
	Schemas     []string    `json:"schemas"`
	ID          string      `json:"id"`
	ExternalID  string      `json:"externalId"` // never kept
	Meta        metaJSON    `json:"meta"`
	UserName    string      `json:"userName"`
	NickName    string      `json:"nickName"`
	Name        any         `json:"name"` // nameJSON or richNameJSON
	DisplayName string      `json:"displayName"`
	ProfileURL  string      `json:"profileUrl"`
	Title       string      `json:"title"`
	Timezone    string      `json:"timezone"`
	Active      bool        `json:"active"`
	Emails      []emailJSON `json:"emails"`
	Photos      []typedJSON `json:"photos"`

	*richJSON

	GuestV1 *guestJSON `json:"urn:scim:schemas:extension:slack:guest:1.0,omitempty"`
	GuestV2 *guestJSON `json:"urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User,omitempty"`
	Groups  []refJSON  `json:"groups"`
}

type richJSON struct {
	Addresses         []addressJSON   `json:"addresses"`
	PhoneNumbers      [2]any          `json:"phoneNumbers"`
	UserType          *string         `json:"userType"`
	Roles             []primaryJSON   `json:"roles"`
	PreferredLanguage *string         `json:"preferredLanguage"`
	Locale            *string         `json:"locale"`
	EnterpriseV1      *enterpriseJSON `json:"urn:scim:schemas:extension:enterprise:1.0,omitempty"`
	EnterpriseV2      *enterpriseJSON `json:"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User,omitempty"`
	ProfileV2         *profileJSON    `json:"urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User,omitempty"`
}

// optional is null for what is not set.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// frame is what rendering needs besides the object.
type frame struct {
	version version
	base    string // scheme and host of the request
	domain  string // of the workspace, in profile addresses
	plan    Plan
	now     time.Time // emulated
}

func (f frame) location(kind, id string) string {
	return f.base + "/scim/" + map[version]string{v1: "v1", v2: "v2"}[f.version] + "/" + kind + "/" + id
}

func (f frame) profileURL(userName string) string {
	host := f.domain
	if f.plan == PlanEnterprise {
		host += ".enterprise"
	}
	return "https://" + host + ".slack.com/team/" + userName
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

func defaultPhoto(u User) string {
	return "https://secure.gravatar.com/avatar/" + digest(strings.ToLower(u.Email)) + ".jpg?s=192&d=https%3A%2F%2Fa.slack-edge.com%2Fdf10d%2Fimg%2Favatars%2Fava_0000-192.png"
}

// photoURL is the address of Slack's own copy of the picture.
func photoURL(u User) string {
	if u.Photo == "" {
		return defaultPhoto(u)
	}
	return "https://avatars.slack-edge.com/" + digest(u.Photo) + "_192.jpg"
}

// renderUser renders u; groups are the ones u is in.
func renderUser(u *User, groups []refJSON, f frame) userJSON {
	out := userJSON{
		ID: u.ID, Meta: metaJSON{scimTime(u.Created), f.location("Users", u.ID)},
		UserName: u.UserName, NickName: u.UserName, Name: nameJSON{u.GivenName, u.FamilyName},
		DisplayName: u.DisplayName, ProfileURL: f.profileURL(u.UserName), Title: u.Title,
		Timezone: u.Timezone, Active: u.Active, Groups: groups,
		Emails: []emailJSON{{u.Email, true}},
	}
	core, enterprise, guest := userV2, enterpriseV2, guestV2
	if f.version == v1 {
		core, enterprise, guest = coreV1, enterpriseV1, guestV1
	}
	out.Schemas = []string{core}
	photo := photoURL(*u)
	if f.now.Before(u.photoSeen) {
		photo = defaultPhoto(*u)
	}
	out.Photos = []typedJSON{{&photo, "photo"}}
	if u.SecondEmail != "" || u.Profile != nil && f.version == v1 { // v1 shows an empty second address
		out.Emails = append(out.Emails, emailJSON{u.SecondEmail, false})
	}
	if u.Profile != nil {
		out.Schemas = append(out.Schemas, enterprise)
		if f.version == v2 {
			out.Schemas = append(out.Schemas, profileV2)
		}
		out.Name = richNameJSON{nameJSON{u.GivenName, u.FamilyName}, optional(u.Profile.HonorificPrefix)}
		out.richJSON = renderProfile(u.Profile, f.version)
	}
	if u.Guest != nil && u.Guest.Type == "multi" {
		out.Schemas = append(out.Schemas, guest)
		rendered := &guestJSON{Type: "multi", Expiration: optional(u.Guest.Expiration)}
		for _, c := range u.Guest.Channels {
			rendered.Channels = append(rendered.Channels, refJSON{c.ID, c.Name})
		}
		if f.version == v1 {
			out.GuestV1 = rendered
		} else {
			out.GuestV2 = rendered
		}
	}
	return out
}

func renderProfile(p *Profile, v version) *richJSON {
	out := &richJSON{
		Addresses: []addressJSON{{
			optional(p.StreetAddress), optional(p.Locality), optional(p.Region),
			optional(p.PostalCode), optional(p.Country), true,
		}},
		PhoneNumbers: [2]any{
			typedJSON{optional(p.MobilePhone), "mobile"},
			primaryJSON{optional(p.PrimaryPhone), true},
		},
		UserType:          optional(p.UserType),
		Roles:             []primaryJSON{{optional(p.Role), true}},
		PreferredLanguage: optional(p.PreferredLanguage),
		Locale:            optional(p.Locale),
	}
	enterprise := &enterpriseJSON{
		optional(p.EmployeeNumber), optional(p.CostCenter), optional(p.Organization),
		optional(p.Division), optional(p.Department),
		managerJSON{optional(p.ManagerID)},
	}
	if v == v1 {
		out.EnterpriseV1 = enterprise
	} else {
		out.EnterpriseV2 = enterprise
		out.ProfileV2 = &profileJSON{optional(p.StartDate)}
	}
	return out
}

type groupV1JSON struct {
	Schemas     []string  `json:"schemas"`
	ID          string    `json:"id"`
	DisplayName string    `json:"displayName"`
	Members     []refJSON `json:"members"`
	Meta        metaJSON  `json:"meta"`
}

type groupV2JSON struct {
	Schemas     []string  `json:"schemas"`
	ID          string    `json:"id"`
	Meta        metaJSON  `json:"meta"`
	DisplayName string    `json:"displayName"`
	Members     []refJSON `json:"members"`
}

// renderGroup renders g with its members' names in the order of each version.
func renderGroup(g *Group, members []refJSON, f frame) any {
	meta := metaJSON{scimTime(g.Created), f.location("Groups", g.ID)}
	if f.version == v1 {
		return groupV1JSON{[]string{coreV1}, g.ID, g.DisplayName, members, meta}
	}
	return groupV2JSON{[]string{groupV2}, g.ID, meta, g.DisplayName, members}
}
