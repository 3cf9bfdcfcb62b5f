package json

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// record takes a resource apart. The record's kind and name are there beside an error, as far as they could be told.
func (p *pass) record(raw []byte, line int) (source.Record, error) {
	rec := source.Record{Kind: directory.KindUser}
	doc, members, err := decode(raw, line)
	if err != nil {
		return rec, err
	}
	if rec.Kind, err = kindOf(doc, members != nil); err != nil {
		return rec, err
	}
	schema, naming := directory.UserSchema, "userName"
	if rec.Kind == directory.KindGroup {
		schema, naming = directory.GroupSchema, "displayName"
	}
	edit, unknown := directory.FromSCIM(rec.Kind, doc)
	for _, name := range unknown {
		p.unknown(&rec, schema, edit, name, attr.Member(doc, name))
	}
	edit["id"] = attr.Member(doc, "id")
	rec.Attributes = make(map[string]any, len(edit))
	for _, key := range slices.Sorted(maps.Keys(edit)) {
		_, a, err := schema.Canonical(key)
		if err != nil {
			return rec, err
		}
		value, err := a.Value(p.knownParts(&rec, a, edit[key]))
		if err != nil {
			return rec, err
		}
		switch text, _ := value.(string); {
		case key == "id":
			rec.ID, rec.Ref = text, text
		case key == "externalId":
			rec.ExternalID = text
		case key == "active":
			if on, told := value.(bool); told {
				rec.Active = &on
			}
		case key == naming && text != "":
			rec.Name = text
			fallthrough
		case key != naming:
			rec.Attributes[key] = value
		}
	}
	if rec.Name == "" && (rec.Kind == directory.KindGroup || rec.ID == "" && rec.ExternalID == "") {
		return rec, fmt.Errorf("the %s has no %s", rec.Kind, naming)
	}
	for _, name := range []string{rec.ExternalID, rec.ID} {
		if rec.Name == "" {
			rec.Name = name
		}
	}
	if rec.Kind == directory.KindGroup {
		return rec, p.members(&rec, members)
	}
	if groups, _ := attr.Member(doc, "groups").([]any); len(groups) > 0 {
		p.warn(&rec, "groups", "the groups of a user are read-only in SCIM and left out: members stand in the groups")
	}
	return rec, manager(&rec, doc)
}

// decode returns the resource, and its members apart and unread: they may be many.
func decode(raw []byte, line int) (doc map[string]any, members json.RawMessage, err error) {
	if !utf8.Valid(raw) {
		return nil, nil, errors.New("it holds bytes that are not UTF-8")
	}
	if raw[0] != '{' {
		return nil, nil, errors.New("it is not an object")
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		if at := (*json.SyntaxError)(nil); errors.As(err, &at) {
			line += bytes.Count(raw[:max(0, min(int(at.Offset)-1, len(raw)))], []byte("\n"))
		}
		return nil, nil, fmt.Errorf("line %d: %w", line, err)
	}
	doc = make(map[string]any, len(parts))
	for name, part := range parts {
		if strings.EqualFold(name, "members") {
			members = part
			continue
		}
		var v any
		if err := json.Unmarshal(part, &v); err != nil {
			return nil, nil, fmt.Errorf("line %d: %s: %w", line, name, err)
		}
		doc[name] = v
	}
	return doc, members, nil
}

// kindOf tells users from groups: by their schemas, else by meta.resourceType, else by what they have.
func kindOf(doc map[string]any, hasMembers bool) (directory.Kind, error) {
	schemas, _ := attr.Member(doc, "schemas").([]any)
	for _, s := range schemas {
		urn, _ := s.(string)
		switch {
		case strings.EqualFold(urn, directory.CoreUser):
			return directory.KindUser, nil
		case strings.EqualFold(urn, directory.CoreGroup):
			return directory.KindGroup, nil
		case strings.HasSuffix(strings.ToLower(urn), ":error"):
			return directory.KindUser, errors.New("this is a SCIM error, the answer to a request that failed, and no resource")
		}
	}
	meta, _ := attr.Member(doc, "meta").(map[string]any)
	resource, _ := attr.Member(meta, "resourceType").(string)
	switch {
	case strings.EqualFold(resource, "User"), resource == "" && attr.Member(doc, "userName") != nil:
		return directory.KindUser, nil
	case strings.EqualFold(resource, "Group"), resource == "" && (hasMembers || attr.Member(doc, "displayName") != nil):
		return directory.KindGroup, nil
	}
	return directory.KindUser, errors.New("it is neither a user nor a group: schemas does not say so, and it has no userName or displayName")
}

// unknown makes a custom attribute of one that the schema does not know, or leaves it out, and says so.
func (p *pass) unknown(rec *source.Record, schema directory.Schema, edit directory.Edit, name string, v any) {
	_, _, err := schema.Canonical(name)
	switch path, _, wrong := schema.Canonical("custom." + name); {
	case strings.EqualFold(name, "password"):
		p.warn(rec, name, "passwords are not kept: password is left out")
	case strings.Contains(name, ":"):
		p.warn(rec, name, "%s is of a schema that is not known, and is left out", name)
	case wrong != nil || path.Filter != nil || path.Sub != "":
		p.warn(rec, name, "%q is no attribute's name, and is left out", name)
	default:
		edit[directory.Short(path)] = v
		p.warn(rec, name, "%v; it becomes %s", err, directory.Short(path))
	}
}

// knownParts leaves out the parts of a complex value that SCIM does not know, and says so: servers add their own.
func (p *pass) knownParts(rec *source.Record, a directory.Attribute, v any) any {
	if a.Type != directory.TypeComplex {
		return v
	}
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			v[i] = p.knownParts(rec, a, e)
		}
	case map[string]any:
		maps.DeleteFunc(v, func(name string, _ any) bool {
			known := slices.ContainsFunc(a.Sub, func(s directory.Attribute) bool { return strings.EqualFold(s.Name, name) })
			if !known {
				p.warn(rec, a.Name+"."+name, "%s has no part %q in SCIM: it is left out", a.Name, name)
			}
			return !known
		})
	}
	return v
}

// members reads the whole membership of a group; without members the membership stays as it is.
func (p *pass) members(rec *source.Record, raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	var list []struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return errors.New("members wants a list of objects with a text as value")
	}
	refs := make([]source.MemberRef, 0, len(list))
	for _, m := range list {
		switch {
		case !directory.CleanText(m.Value):
			return errors.New("members holds bytes that are no text")
		case m.Value == "":
			p.warn(rec, "members without value", "a member without a value points at nobody and is left out")
		default:
			refs = append(refs, source.MemberRef{Ref: m.Value, ID: m.Value})
		}
	}
	rec.Members = &refs
	return nil
}

// manager reads the enterprise extension's manager (RFC 7643 §4.3), which points at a user by id.
func manager(rec *source.Record, doc map[string]any) error {
	extension, _ := attr.Member(doc, directory.Enterprise).(map[string]any)
	for name, v := range extension {
		if !strings.EqualFold(name, "manager") {
			continue
		}
		id := ""
		switch v := v.(type) {
		case string:
			id = v
		case map[string]any:
			if id, _ = attr.Member(v, "value").(string); id == "" && !attr.Empty(v) {
				return nil // a name alone says nothing
			}
		case nil:
		default:
			return errors.New("manager wants an object with the manager's id as value")
		}
		if !directory.CleanText(id) {
			return errors.New("manager holds bytes that are no text")
		}
		rec.Manager, rec.ManagerByRef = &id, id != ""
	}
	return nil
}
