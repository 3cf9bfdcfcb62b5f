package slackemulator

import (
	"net/http"
	"strings"
)

// isConfig: v2 answers to the singular and, as Slack's Java SDK found, to the plural; v1 only to
// the plural.
func isConfig(v version, resource string) bool {
	return resource == "ServiceProviderConfigs" || v == v2 && resource == "ServiceProviderConfig"
}

type supported struct {
	Supported bool `json:"supported"`
}

// serviceProviderConfig is the captured body: it denies filters, which work all the same.
func serviceProviderConfig() any {
	type scheme struct {
		Type        string `json:"type"`
		Name        string `json:"name"`
		Description string `json:"description"`
		SpecURL     string `json:"specUrl"`
		Primary     bool   `json:"primary"`
	}
	type bulk struct {
		Supported      bool `json:"supported"`
		MaxOperations  int  `json:"maxOperations"`
		MaxPayloadSize int  `json:"maxPayloadSize"`
	}
	type filter struct {
		Supported  bool `json:"supported"`
		MaxResults int  `json:"maxResults"`
	}
	return struct {
		AuthenticationSchemes []scheme  `json:"authenticationSchemes"`
		Patch                 supported `json:"patch"`
		Bulk                  bulk      `json:"bulk"`
		Filter                filter    `json:"filter"`
		ChangePassword        supported `json:"changePassword"`
		Sort                  supported `json:"sort"`
		ETag                  supported `json:"etag"`
		XMLDataFormat         supported `json:"xmlDataFormat"`
	}{
		AuthenticationSchemes: []scheme{{
			Type: "oauthbearertoken", Name: "OAuth Bearer Token",
			Description: "Authentication scheme using the OAuth Bearer Token standard",
			SpecURL:     "http://tools.ietf.org/html/draft-ietf-oauth-v2-bearer-01", Primary: true,
		}},
		Patch: supported{true},
	}
}

// readDescription is /ResourceTypes and /Schemas.
func (e *Emulator) readDescription(c *call) (*reply, error) {
	f := e.frame(c)
	var value any
	switch {
	case c.resource == "ResourceTypes" && c.id == "":
		value = struct {
			Schemas   []string `json:"schemas"`
			Resources []any    `json:"Resources"`
		}{[]string{listV2}, []any{userType(f), groupType(f)}}
	case c.resource == "ResourceTypes" && c.id == "User":
		value = userType(f)
	case c.resource == "ResourceTypes" && c.id == "Group":
		value = groupType(f)
	case c.resource == "Schemas" && c.id == "" && c.version == v2:
		value = listV2JSON{[]string{listV2}, []any{userSchema(v2), groupSchema(v2)}, 2, 2, 1}
	case c.resource == "Schemas" && (c.id == "Users" || strings.EqualFold(c.id, userV2)):
		value = userSchema(c.version)
	case c.resource == "Schemas" && (c.id == "Groups" || strings.EqualFold(c.id, groupV2)):
		value = groupSchema(c.version)
	default:
		return nil, refuse("bad_endpoint")
	}
	return &reply{status: http.StatusOK, value: value}, nil
}

type resourceType struct {
	Schemas          []string          `json:"schemas"`
	ID               string            `json:"id"`
	Name             string            `json:"name"`
	Endpoint         string            `json:"endpoint"`
	Description      string            `json:"description"`
	Schema           string            `json:"schema"`
	Meta             map[string]string `json:"meta"`
	SchemaExtensions []extensionUse    `json:"schemaExtensions"`
}

type extensionUse struct {
	Schema   string `json:"schema"`
	Required bool   `json:"required"`
}

func newResourceType(f frame, name, description, schema string, extensions ...string) resourceType {
	out := resourceType{
		Schemas: []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"},
		ID:      name, Name: name, Endpoint: "/" + name + "s", Description: description, Schema: schema,
		Meta:             map[string]string{"location": f.location("ResourceTypes", name), "resourceType": "ResourceType"},
		SchemaExtensions: []extensionUse{},
	}
	for _, urn := range extensions {
		out.SchemaExtensions = append(out.SchemaExtensions, extensionUse{urn, false})
	}
	return out
}

func userType(f frame) any {
	return newResourceType(f, "User", "User Account", userV2, enterpriseV2, guestV2, directoryV2, profileV2)
}

func groupType(f frame) any { return newResourceType(f, "Group", "Group", groupV2) }

// attribute is one line of a schema, in RFC 7643 §7's words.
type attribute struct {
	Name          string      `json:"name"`
	Type          string      `json:"type"`
	MultiValued   bool        `json:"multiValued"`
	Description   string      `json:"description"`
	Required      bool        `json:"required"`
	CaseExact     bool        `json:"caseExact"`
	Mutability    string      `json:"mutability"`
	Returned      string      `json:"returned"`
	Uniqueness    string      `json:"uniqueness"`
	Canonical     []string    `json:"canonicalValues,omitempty"`
	SubAttributes []attribute `json:"subAttributes,omitempty"`
}

func plain(name string, change ...func(*attribute)) attribute {
	a := attribute{Name: name, Type: "string", Description: name, Mutability: "readWrite", Returned: "default", Uniqueness: "none"}
	for _, c := range change {
		c(&a)
	}
	return a
}

func required(a *attribute)  { a.Required = true }
func unique(a *attribute)    { a.Uniqueness = "server" }
func readOnly(a *attribute)  { a.Mutability = "readOnly" }
func boolean(a *attribute)   { a.Type = "boolean" }
func always(a *attribute)    { a.Returned = "always" }
func never(a *attribute)     { a.Returned = "never" }
func writeOnly(a *attribute) { a.Mutability, a.Returned = "writeOnly", "never" }
func immutable(a *attribute) { a.Mutability = "immutable" }

func oneOf(values ...string) func(*attribute) { return func(a *attribute) { a.Canonical = values } }

func with(subs ...attribute) func(*attribute) {
	return func(a *attribute) { a.Type, a.SubAttributes = "complex", subs }
}

func many(subs ...attribute) func(*attribute) {
	return func(a *attribute) { a.Type, a.MultiValued, a.SubAttributes = "complex", true, subs }
}

func plains(names ...string) []attribute {
	out := make([]attribute, 0, len(names))
	for _, name := range names {
		out = append(out, plain(name))
	}
	return out
}

// userSchema lists what Slack keeps of a person. Two oddities of the captured v2 body are kept:
// active is typed "string", and each extension stands among the attributes as a bare array of
// values, which strict readers choke on.
func userSchema(v version) any {
	phones := oneOf("work", "home", "mobile", "pager", "fax", "other")
	address := append(plains("streetAddress", "locality", "region", "postalCode", "country"),
		plain("type", never), plain("primary", boolean, never))
	attributes := []any{
		plain("id", readOnly, always, func(a *attribute) { a.Uniqueness = "global" }),
		plain("userName", required, unique),
		plain("nickName"),
		plain("name", with(plains("familyName", "givenName", "honorificPrefix")...)),
		plain("emails", required, many(plain("value"), plain("type", oneOf("work", "home", "other")), plain("primary", boolean))),
		plain("photos", many(plain("value"), plain("type", oneOf("photo", "thumbnail")), plain("primary", boolean, never))),
		plain("groups", readOnly, many(plain("value", readOnly), plain("display", readOnly))),
		plain("active"),
		plain("addresses", many(address...)),
		plain("phoneNumbers", many(plain("value"), plain("type", phones), plain("primary", boolean))),
		plain("displayName"), plain("profileUrl"), plain("userType"), plain("title"),
		plain("preferredLanguage"), plain("locale"), plain("timezone"), plain("password", writeOnly),
		plain("roles", many(plain("value"), plain("type"), plain("primary", boolean))),
	}
	if v == v1 {
		return schemaV1(coreV1, "User", "/Users", attributes)
	}
	enterprise := append(plains("employeeNumber", "costCenter", "organization", "division", "department"),
		plain("manager", with(plain("managerId"))))
	guest := []attribute{
		plain("type", required, oneOf("multi")), plain("expiration"),
		plain("channels", many(plain("value", readOnly), plain("display", readOnly))),
	}
	for _, e := range []struct {
		urn  string
		subs []attribute
	}{{enterpriseV2, enterprise}, {guestV2, guest}, {profileV2, plains("startDate")}} {
		attributes = append(attributes, []any{e.urn, "complex", false, e.urn, false, false, "readWrite", "default", "none", e.subs})
	}
	return schemaV2(userV2, "User", "User Account", attributes)
}

func groupSchema(v version) any {
	attributes := []any{
		plain("id", readOnly, always), plain("displayName", required, unique, always),
		plain("members", required, many(plain("value", immutable), plain("display", immutable))),
	}
	if v == v1 {
		return schemaV1(coreV1, "Group", "/Groups", attributes)
	}
	return schemaV2(groupV2, "Group", "Group", attributes)
}

func schemaV1(id, name, endpoint string, attributes []any) any {
	return struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		Description string `json:"description"`
		Schema      string `json:"schema"`
		Endpoint    string `json:"endpoint"`
		Attributes  []any  `json:"attributes"`
	}{id + ":" + name, name, "SCIM 1.1 " + name, id, endpoint, attributes}
}

func schemaV2(id, name, description string, attributes []any) any {
	return struct {
		ID          string            `json:"id"`
		Name        string            `json:"name"`
		Description string            `json:"description"`
		Attributes  []any             `json:"attributes"`
		Meta        map[string]string `json:"meta"`
	}{id, name, description, attributes, map[string]string{"resourceType": "schema", "location": "/v2/Schemas/" + id}}
}
