package directory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/muster-id/muster/internal/attr"
)

// Type is what the values of an attribute are.
type Type string

// The types of attributes, by RFC 7643 §2.3 as far as people need them.
const (
	TypeString    Type = "string"
	TypeBoolean   Type = "boolean"
	TypeComplex   Type = "complex"
	TypeReference Type = "reference" // to another object of the directory
	TypeAny       Type = "any"       // of custom attributes: whatever JSON can say
)

// Attribute is one attribute that users or groups may have.
type Attribute struct {
	Name        string // canonical spelling, without schema
	URN         string // "" for the core schema
	Type        Type
	MultiValued bool
	Sub         []Attribute // of a complex attribute
	ReadOnly    bool        // kept by Muster itself; no source writes it
	// OnePrimary says that one of the values is the primary one: when a source marks none, the one of
	// type work, else the first, is marked, because mappings ask for it.
	OnePrimary bool
}

// Schema is the table of the attributes of one kind of object.
type Schema []Attribute

func text(names ...string) []Attribute {
	list := make([]Attribute, len(names))
	for i, n := range names {
		list[i] = Attribute{Name: n, Type: TypeString}
	}
	return list
}

// values are the sub-attributes of a multi-valued attribute (RFC 7643 §2.4) and what it has beside.
func values(more ...string) []Attribute {
	return append(text(append(more, "value", "display", "type", "$ref")...), Attribute{Name: "primary", Type: TypeBoolean})
}

func enterprise(a Attribute) Attribute { a.URN = Enterprise; return a }

// UserSchema are the attributes of people: the core schema (RFC 7643 §4.1, without password, which
// Muster never keeps) and the enterprise extension (§4.3). Custom attributes come on top.
var UserSchema = Schema{
	{Name: "id", Type: TypeString, ReadOnly: true},
	{Name: "externalId", Type: TypeString},
	{Name: "userName", Type: TypeString},
	{Name: "name", Type: TypeComplex, Sub: text("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")},
	{Name: "displayName", Type: TypeString},
	{Name: "nickName", Type: TypeString},
	{Name: "profileUrl", Type: TypeString},
	{Name: "title", Type: TypeString},
	{Name: "userType", Type: TypeString},
	{Name: "preferredLanguage", Type: TypeString},
	{Name: "locale", Type: TypeString},
	{Name: "timezone", Type: TypeString},
	{Name: "active", Type: TypeBoolean},
	{Name: "emails", Type: TypeComplex, MultiValued: true, Sub: values(), OnePrimary: true},
	{Name: "phoneNumbers", Type: TypeComplex, MultiValued: true, Sub: values(), OnePrimary: true},
	{Name: "ims", Type: TypeComplex, MultiValued: true, Sub: values()},
	{Name: "photos", Type: TypeComplex, MultiValued: true, Sub: values()},
	{
		Name: "addresses", Type: TypeComplex, MultiValued: true, OnePrimary: true,
		Sub: values("formatted", "streetAddress", "locality", "region", "postalCode", "country"),
	},
	{Name: "groups", Type: TypeReference, MultiValued: true, Sub: values(), ReadOnly: true},
	{Name: "entitlements", Type: TypeComplex, MultiValued: true, Sub: values()},
	{Name: "roles", Type: TypeComplex, MultiValued: true, Sub: values()},
	{Name: "x509Certificates", Type: TypeComplex, MultiValued: true, Sub: values()},
	enterprise(Attribute{Name: "employeeNumber", Type: TypeString}),
	enterprise(Attribute{Name: "costCenter", Type: TypeString}),
	enterprise(Attribute{Name: "organization", Type: TypeString}),
	enterprise(Attribute{Name: "division", Type: TypeString}),
	enterprise(Attribute{Name: "department", Type: TypeString}),
	enterprise(Attribute{Name: "manager", Type: TypeReference, Sub: text("value", "$ref", "displayName")}),
}

// GroupSchema are the attributes of groups (RFC 7643 §4.2).
var GroupSchema = Schema{
	{Name: "id", Type: TypeString, ReadOnly: true},
	{Name: "externalId", Type: TypeString},
	{Name: "displayName", Type: TypeString},
	{Name: "members", Type: TypeReference, MultiValued: true, Sub: values(), ReadOnly: true},
}

// Canonical reads a path into the attributes of people. See [Schema.Canonical].
func Canonical(path string) (attr.Path, Attribute, error) { return UserSchema.Canonical(path) }

// Canonical reads a path and returns it in canonical spelling with the attribute that it ends at (the
// sub-attribute, where it names one; one value, where it picks one by a filter). Names are case-blind.
// Beside full paths it takes enterprise attributes by short name ("department",
// "enterprise.department") and custom ones as "custom.NAME". The error of an unknown name offers a near one.
func (s Schema) Canonical(path string) (attr.Path, Attribute, error) {
	p, err := attr.ParsePath(path)
	if err != nil {
		return p, Attribute{}, err
	}
	switch {
	case p.URN == "" && strings.EqualFold(p.Name, "custom") && p.Sub != "" && p.Filter == nil,
		strings.EqualFold(p.URN, Custom) && p.Name != "":
		if p.URN == "" {
			p = attr.Path{Name: p.Sub}
		}
		p.URN = Custom
		return p, Attribute{Name: p.Name, URN: Custom, Type: TypeAny}, nil
	case p.URN == "" && strings.EqualFold(p.Name, "enterprise") && p.Sub != "" && p.Filter == nil:
		p = attr.Path{URN: Enterprise, Name: p.Sub}
	}
	a, ok := s.find(p)
	if !ok {
		return p, a, s.unknown(path)
	}
	p.URN, p.Name = a.URN, a.Name
	if p.Filter != nil {
		if !a.MultiValued {
			return p, a, fmt.Errorf("attribute %s has one value, so %s cannot pick one of them", a.Name, path)
		}
		a.MultiValued = false
	}
	if p.Sub == "" {
		return p, a, nil
	}
	for _, sub := range a.Sub {
		if strings.EqualFold(sub.Name, p.Sub) {
			p.Sub, sub.URN, sub.ReadOnly = sub.Name, a.URN, a.ReadOnly
			sub.MultiValued = a.MultiValued
			return p, sub, nil
		}
	}
	if len(a.Sub) == 0 {
		return p, a, fmt.Errorf("attribute %s has no parts, so there is no %s", a.Name, path)
	}
	return p, a, fmt.Errorf("attribute %s has no part %s%s", a.Name, p.Sub, mean(p.Sub, names(a.Sub)))
}

// find returns the attribute that a path begins with: of its own schema when it names one, of any
// when it does not.
func (s Schema) find(p attr.Path) (Attribute, bool) {
	urn := p.URN
	if strings.HasPrefix(strings.ToLower(urn), "urn:ietf:params:scim:schemas:core:2.0") {
		urn = ""
	}
	for _, a := range s {
		if strings.EqualFold(a.Name, p.Name) && (p.URN == "" || strings.EqualFold(a.URN, urn)) {
			return a, true
		}
	}
	return Attribute{}, false
}

func (s Schema) unknown(path string) error {
	if strings.EqualFold(path, "password") {
		return errors.New("a password cannot be kept: Muster keeps no passwords")
	}
	candidates := names(s)
	for _, a := range s {
		for _, sub := range a.Sub {
			candidates = append(candidates, a.Name+"."+sub.Name)
		}
	}
	hint := mean(path, candidates)
	if hint == "" {
		hint = "; an attribute of your own is written custom.NAME"
	}
	return fmt.Errorf("unknown attribute %s%s", path, hint)
}

// Short returns the spelling that people write for a canonical path: enterprise attributes by their
// name alone, custom ones as "custom.NAME".
func Short(p attr.Path) string {
	switch p.URN {
	case Custom:
		p.URN = ""
		return "custom." + p.String()
	case Enterprise:
		p.URN = ""
	}
	return p.String()
}

func names(list []Attribute) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.Name
	}
	return out
}

func mean(name string, candidates []string) string {
	if near := Nearest(name, candidates, 1); len(near) > 0 {
		return "; did you mean " + near[0] + "?"
	}
	return ""
}
