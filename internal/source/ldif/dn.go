package ldif

import (
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// name is a distinguished name, taken apart for comparison.
type name struct {
	// key is the same for two names that LDAP takes for the same entry (RFC 4517 §4.2.15, with the case-blind matching that people's
	// names have): case, the spaces between the parts, doubled spaces, the kind of escaping and the order within "a=1+b=2"
	// mean nothing. What is not a distinguished name compares as text.
	key   string
	parts []*ldap.RelativeDN // with folded values; none when it is not a distinguished name
}

func parseName(dn string) name {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return name{key: fold(dn)}
	}
	for _, part := range parsed.RDNs {
		for _, a := range part.Attributes {
			a.Value = fold(a.Value)
		}
	}
	return name{key: parsed.String(), parts: parsed.RDNs}
}

func fold(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// begins reports whether the first part, the entry's own, says that attribute is v.
func (n name) begins(attribute, v string) bool {
	return len(n.parts) > 0 && says(n.parts[0], attribute, v)
}

// holds reports whether any part says that attribute is v.
func (n name) holds(attribute, v string) bool {
	return slices.ContainsFunc(n.parts, func(part *ldap.RelativeDN) bool { return says(part, attribute, v) })
}

func says(part *ldap.RelativeDN, attribute, v string) bool {
	return slices.ContainsFunc(part.Attributes, func(a *ldap.AttributeTypeAndValue) bool {
		return strings.EqualFold(a.Type, attribute) && a.Value == fold(v)
	})
}
