package slackemulator

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// object is a JSON object. SCIM's attribute names know no case, so members are found by field and
// walked by sorted, never by indexing.
type object map[string]any

// decodeBody reads a request's JSON object. Anything else is invalid_request_payload.
func decodeBody(body []byte) (object, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var o object
	if err := decoder.Decode(&o); err != nil || o == nil || decoder.More() {
		return nil, refuse("invalid_request_payload")
	}
	return o, nil
}

func (o object) field(name string) (any, bool) {
	if v, ok := o[name]; ok {
		return v, true
	}
	for key, v := range o {
		if strings.EqualFold(key, name) {
			return v, true
		}
	}
	return nil, false
}

// sorted is the member names in an order that does not change from run to run.
func (o object) sorted() []string { return slices.Sorted(maps.Keys(o)) }

func asObject(v any) (object, bool) {
	o, ok := v.(map[string]any)
	return o, ok
}

// schemas is the declared schemas, in lower case. Slack refuses a write that declares none.
func (o object) schemas() (map[string]bool, error) {
	v, _ := o.field("schemas")
	out := map[string]bool{}
	switch v := v.(type) {
	case string:
		out[strings.ToLower(v)] = v != ""
	case []any:
		for _, s := range v {
			if s, ok := s.(string); ok && s != "" {
				out[strings.ToLower(s)] = true
			}
		}
	}
	if len(out) == 0 {
		return nil, refuse("missing_schema_element")
	}
	return out, nil
}

// text reads a single value. Nothing and blanks mean "cleared": Slack documents one space as a way
// to empty a field.
func text(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return strings.TrimSpace(v), nil
	case json.Number:
		return v.String(), nil
	default:
		return "", refuse("invalid_attribute_format")
	}
}

// flag reads a boolean, also as text in any case, which several identity providers send.
func flag(v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
	}
	return false, refuse("invalid_attribute_format")
}

// item is one value of a multi-valued attribute as a request writes it.
type item struct {
	value   string
	kind    string // SCIM's type, lower case
	primary *bool
	deleted bool              // v1: "operation":"delete"
	parts   map[string]string // the other text members by lower-case name, for addresses
}

func (i item) isPrimary() bool { return i.primary != nil && *i.primary }

// parseItems reads an array, a single object or a bare string; anything else is refused with code.
func parseItems(v any, code string) ([]item, error) {
	var raw []any
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []any:
		raw = v
	default:
		raw = []any{v}
	}
	out := make([]item, 0, len(raw))
	for _, r := range raw {
		i, ok := parseItem(r)
		if !ok {
			return nil, refuse(code)
		}
		out = append(out, i)
	}
	return out, nil
}

func parseItem(v any) (item, bool) {
	if s, ok := v.(string); ok {
		return item{value: strings.TrimSpace(s)}, true
	}
	o, ok := asObject(v)
	if !ok {
		return item{}, false
	}
	out := item{parts: map[string]string{}}
	for key, v := range o {
		key = strings.ToLower(key)
		if key == "primary" {
			if v == nil {
				continue
			}
			primary, err := flag(v)
			if err != nil {
				return item{}, false
			}
			out.primary = &primary
			continue
		}
		s, err := text(v)
		if err != nil {
			return item{}, false
		}
		switch key {
		case "value":
			out.value = s
		case "type":
			out.kind = strings.ToLower(s)
		case "operation":
			out.deleted = strings.EqualFold(s, "delete")
		default:
			out.parts[key] = s
		}
	}
	return out, true
}
