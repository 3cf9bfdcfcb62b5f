package slackemulator

import "strings"

// version of the SCIM dialect: /scim/v1 or /scim/v2.
type version int

const (
	v1 version = 1
	v2 version = 2
)

const (
	coreV1       = "urn:scim:schemas:core:1.0"
	enterpriseV1 = "urn:scim:schemas:extension:enterprise:1.0"
	guestV1      = "urn:scim:schemas:extension:slack:guest:1.0"
	profileV1    = "urn:scim:schemas:extension:slack:profile:1.0"

	userV2       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupV2      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseV2 = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	guestV2      = "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User"
	directoryV2  = "urn:ietf:params:scim:schemas:extension:slack:directory:2.0:User"
	profileV2    = "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User"
	listV2       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	patchOpV2    = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// extensions gives a schema's short name in this package; the core schemas have none.
var extensions = map[version]map[string]string{
	v1: {coreV1: "", enterpriseV1: "enterprise", guestV1: "guest", profileV1: "profile"},
	v2: {userV2: "", groupV2: "", enterpriseV2: "enterprise", guestV2: "guest", profileV2: "profile"},
}

// path says which attribute is meant: attr is a core attribute or an extension's short name, sub
// what lies below it ("givenname", "manager.managerid"), both in lower case.
type path struct {
	attr, sub string
	filter    *condition // emails[filter].sub
}

// name is attr and sub as the tables of draft.go write them.
func (p path) name() string {
	if p.sub == "" {
		return p.attr
	}
	return p.attr + "." + p.sub
}

// parsePath reads an attribute path. An extension's URN may be followed by ":" or "." (Slack's
// documentation uses both), or by nothing. A path it cannot read is invalid_request_payload.
func parsePath(v version, text string) (path, error) {
	text = strings.TrimSpace(text)
	lower := strings.ToLower(text)
	for urn, short := range extensions[v] {
		if !strings.HasPrefix(lower, strings.ToLower(urn)) {
			continue
		}
		rest := text[len(urn):]
		switch {
		case rest == "" && short != "":
			return path{attr: short}, nil
		case rest != "" && (rest[0] == ':' || rest[0] == '.') && short != "":
			return path{attr: short, sub: strings.ToLower(rest[1:])}, nil
		case rest != "" && (rest[0] == ':' || rest[0] == '.'):
			return parseCorePath(rest[1:])
		}
	}
	return parseCorePath(text)
}

func parseCorePath(text string) (path, error) {
	bad := refuse("invalid_request_payload")
	end := strings.IndexAny(text, ".[")
	if end < 0 {
		end = len(text)
	}
	p := path{attr: strings.ToLower(text[:end])}
	if p.attr == "" {
		return path{}, bad
	}
	rest := text[end:]
	if strings.HasPrefix(rest, "[") {
		closing := closingBracket(rest)
		if closing < 0 {
			return path{}, bad
		}
		filter, err := parseFilter(rest[1:closing])
		if err != nil {
			return path{}, err
		}
		p.filter, rest = filter, rest[closing+1:]
	}
	if rest == "" {
		return p, nil
	}
	if rest[0] != '.' || len(rest) == 1 {
		return path{}, bad
	}
	p.sub = strings.ToLower(rest[1:])
	return p, nil
}

// closingBracket finds the "]" that ends the filter text begins with, minding quoted ones.
func closingBracket(text string) int {
	quote := byte(0)
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == ']':
			return i
		}
	}
	return -1
}
