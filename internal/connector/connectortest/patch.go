package connectortest

import (
	"fmt"
	"net/http"
	"strings"
)

func (t *Target) patch(w http.ResponseWriter, in *collection, id string, body map[string]any) {
	if t.does.NoPatch {
		refuse(w, http.StatusNotImplemented, "", "PATCH is not supported")
		return
	}
	ops, _ := look(body, "Operations").([]any)
	if len(ops) == 0 {
		refuse(w, http.StatusBadRequest, "invalidSyntax", "Operations is missing")
		return
	}
	if why := t.bounds(ops); why != nil {
		refuse(w, why.status, why.kind, why.detail)
		return
	}
	t.change(w, in, id, enables(ops), func(e *entry) *refusal {
		for _, raw := range ops {
			op, _ := raw.(map[string]any)
			if why := t.operate(in, e, op); why != nil {
				return why
			}
		}
		return nil
	})
}

// enables reports whether one of the operations sets active.
func enables(ops []any) bool {
	for _, raw := range ops {
		op, _ := raw.(map[string]any)
		path, _ := look(op, "path").(string)
		value := look(op, "value")
		if m, ok := value.(map[string]any); ok && path == "" {
			path, value = "active", look(m, "active")
		}
		if strings.EqualFold(path, "active") && (value == true || value == "true" || value == "True") {
			return true
		}
	}
	return false
}

// bounds checks how many members one request changes.
func (t *Target) bounds(ops []any) *refusal {
	added, removed := 0, 0
	for _, raw := range ops {
		op, _ := raw.(map[string]any)
		path, _ := look(op, "path").(string)
		if !strings.HasPrefix(strings.ToLower(path), "members") {
			continue
		}
		verb, _ := look(op, "op").(string)
		n := 1
		if list, ok := look(op, "value").([]any); ok {
			n = len(list)
		}
		if strings.EqualFold(verb, "remove") {
			removed += n
		} else {
			added += n
		}
	}
	if t.does.MaxMembers > 0 && added+removed > t.does.MaxMembers {
		return &refusal{400, "tooMany", fmt.Sprintf("at most %d members in a request", t.does.MaxMembers)}
	}
	if t.does.OneRemoval && removed > 0 && (removed > 1 || added > 0 || len(ops) > 1) {
		return &refusal{400, "invalidValue", "one removal in a request, and nothing beside it"}
	}
	return nil
}

// operate carries out one operation (RFC 7644 §3.5.2).
func (t *Target) operate(in *collection, e *entry, op map[string]any) *refusal {
	verb, _ := look(op, "op").(string)
	verb = strings.ToLower(verb)
	path, _ := look(op, "path").(string)
	value := look(op, "value")
	switch {
	case verb != "add" && verb != "replace" && verb != "remove":
		return &refusal{400, "invalidSyntax", "op is none of add, replace, remove"}
	case path == "" && verb == "remove":
		return &refusal{400, "noTarget", "a removal needs a path"}
	case path == "":
		object, ok := value.(map[string]any)
		if !ok {
			return &refusal{400, "invalidValue", "without a path the value is an object"}
		}
		for name, v := range object {
			if why := t.operate(in, e, map[string]any{"op": verb, "path": name, "value": v}); why != nil {
				return why
			}
		}
		return nil
	}
	at, ok := locate(path)
	if !ok {
		return &refusal{400, "invalidPath", path + " is no path"}
	}
	if in.prefix == "G" && strings.EqualFold(at.name, "members") && at.urn == "" {
		return t.operateMembers(e, verb, at, value)
	}
	if s, ok := value.(string); ok && strings.EqualFold(at.name, "active") {
		value = strings.EqualFold(s, "true")
	}
	doc := e.doc
	if at.urn != "" {
		key := spelled(doc, at.urn)
		if at.name == "" {
			return set(doc, verb, location{name: key}, value)
		}
		inner, ok := doc[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			doc[key] = inner
		}
		doc = inner
	}
	return set(doc, verb, at, value)
}

func (t *Target) operateMembers(e *entry, verb string, at location, value any) *refusal {
	list, isList := value.([]any)
	if value != nil && !isList {
		list = []any{value}
	}
	switch {
	case verb == "remove" && at.where != nil:
		if !t.does.LoseRemoval {
			id, _ := at.where["value"].(string)
			if !e.in[id] && t.does.Strict {
				return &refusal{400, "noTarget", "no such member"}
			}
			e.leave(id)
		}
		return nil
	case verb == "remove" && list == nil, verb == "remove" && t.does.ValueEmpties:
		e.members, e.in = nil, map[string]bool{}
		return nil
	}
	var ids []string
	for _, v := range list {
		if m, ok := v.(map[string]any); verb == "remove" && ok {
			id, _ := look(m, "value").(string)
			e.leave(id)
			continue
		}
		id, why := t.member(v)
		if why != nil {
			return why
		}
		ids = append(ids, id)
	}
	if verb == "replace" {
		e.members, e.in = nil, map[string]bool{}
	}
	e.join(ids)
	return nil
}

// set carries out an operation on one object.
func set(doc map[string]any, verb string, at location, value any) *refusal {
	key := spelled(doc, at.name)
	list, multi := doc[key].([]any)
	switch {
	case at.where != nil:
		return setEntries(doc, key, verb, at, value)
	case at.sub != "" && !multi:
		inner, ok := doc[key].(map[string]any)
		if !ok {
			if verb == "remove" {
				return nil
			}
			inner = map[string]any{}
			doc[key] = inner
		}
		return set(inner, verb, location{name: at.sub}, value)
	case verb == "remove":
		delete(doc, key)
	case verb == "add" && (multi || isMulti(at.name)):
		more, ok := value.([]any)
		if !ok {
			more = []any{value}
		}
		doc[key] = append(list, more...)
	default:
		doc[key] = value
	}
	return nil
}

// setEntries carries out an operation on the entries that a filter picks.
func setEntries(doc map[string]any, key, verb string, at location, value any) *refusal {
	list, _ := doc[key].([]any)
	var kept []any
	hits := 0
	for _, v := range list {
		m, _ := v.(map[string]any)
		if !picks(at.where, m) {
			kept = append(kept, v)
			continue
		}
		hits++
		switch {
		case at.sub != "":
			if why := set(m, verb, location{name: at.sub}, value); why != nil {
				return why
			}
			kept = append(kept, m)
		case verb != "remove":
			if more, ok := value.(map[string]any); ok {
				for k, v := range more {
					m[spelled(m, k)] = v
				}
			}
			kept = append(kept, m)
		}
	}
	if hits == 0 {
		return &refusal{400, "noTarget", "the filter picks nothing"}
	}
	if len(kept) == 0 {
		delete(doc, key)
	} else {
		doc[key] = kept
	}
	return nil
}

func isMulti(name string) bool {
	switch strings.ToLower(name) {
	case "emails", "phonenumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509certificates":
		return true
	}
	return false
}

// location is a path of RFC 7644, figure 7, as far as equalities joined by "and" go.
type location struct {
	urn, name, sub string
	where          map[string]any
}

func locate(path string) (location, bool) {
	var at location
	rest := path
	if i := strings.IndexByte(rest, '['); i >= 0 {
		j := strings.LastIndexByte(rest, ']')
		if j < i {
			return at, false
		}
		at.where = conditions(rest[i+1 : j])
		if at.where == nil {
			return at, false
		}
		at.sub = strings.TrimPrefix(rest[j+1:], ".")
		rest = rest[:i]
	}
	if strings.HasPrefix(strings.ToLower(rest), "urn:") {
		i := strings.LastIndexByte(rest, ':')
		at.urn, rest = rest[:i], rest[i+1:]
		if rest == "User" || rest == "Group" {
			at.urn, rest = at.urn+":"+rest, ""
		}
		if strings.Contains(strings.ToLower(at.urn), "schemas:core:2.0") {
			at.urn = ""
		}
	}
	if at.where == nil {
		rest, at.sub, _ = strings.Cut(rest, ".")
	}
	at.name = rest
	return at, at.name != "" || at.urn != ""
}
