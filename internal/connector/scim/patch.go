package scim

import (
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

// Schemas of RFC 7643 §8.7 and RFC 7644 §3.5.2.
const (
	schemaUser  = "urn:ietf:params:scim:schemas:core:2.0:User"
	schemaGroup = "urn:ietf:params:scim:schemas:core:2.0:Group"
	schemaPatch = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// operation is one of a PATCH request (RFC 7644 §3.5.2).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
}

// resource makes the body of a new account.
func (c *Connector) resource(kind directory.Kind, want attr.Set) map[string]any {
	doc := map[string]any{}
	c.apply(doc, want)
	schemas := []any{schemaGroup}
	if kind == directory.KindUser {
		schemas = []any{schemaUser}
		doc["active"] = true
		if c.quirks.PrimaryEmail {
			markPrimary(doc)
		}
	}
	for _, name := range sortedKeys(doc) {
		if strings.HasPrefix(strings.ToLower(name), "urn:") {
			schemas = append(schemas, name)
		}
	}
	doc["schemas"] = schemas
	return doc
}

// apply puts a set into a document, shorter paths first, so that a whole attribute comes before
// parts of it.
func (c *Connector) apply(doc map[string]any, set attr.Set) {
	for _, text := range sortedKeys(set) {
		if p, err := c.path(text); err == nil {
			p.Put(doc, clone(set[text]))
		}
	}
}

// markPrimary marks the e-mail address of an account that has only one.
func markPrimary(doc map[string]any) {
	list, _ := attr.Member(doc, "emails").([]any)
	if len(list) != 1 {
		return
	}
	if entry, ok := list[0].(map[string]any); ok && attr.Member(entry, "primary") == nil {
		entry["primary"] = true
	}
}

// operations makes the PATCH that carries out edits of an account that is to be as want says.
func (c *Connector) operations(edits []attr.Edit, want attr.Set) []operation {
	var ops []operation
	plain := map[string]any{} // for the pathless style
	entries := map[string]bool{}
	for _, e := range edits {
		p, err := c.path(e.Path)
		if err != nil {
			continue // mappings were checked when they were saved
		}
		if p.Filter != nil {
			// What belongs to one entry of a multi-valued attribute is changed together.
			if key := entryOf(p); !entries[key] {
				entries[key] = true
				ops = append(ops, c.entry(p, edits, want)...)
			}
			continue
		}
		switch {
		case attr.Empty(e.New):
			if refers(p) {
				p.Sub = "" // a reference without its value is none: the manager goes, not a part of it
			}
			ops = append(ops, operation{Op: "remove", Path: p.String()})
		case c.quirks.PatchStyle == "pathless":
			plain[p.String()] = e.New
		case p.Sub != "" && (refers(p) || !exists(p, edits, want)):
			// Some targets have no place for a part of what is not there, and SCIMMY finds none of an extension's
			// at all: the manager is written as a whole, as it is removed.
			if key := entryOf(p); !entries[key] {
				entries[key] = true
				op := map[bool]string{true: "replace", false: "add"}[exists(p, edits, want)]
				ops = append(ops, operation{Op: op, Path: key, Value: whole(p, want)})
			}
		default:
			ops = append(ops, operation{Op: "replace", Path: p.String(), Value: e.New})
		}
	}
	if len(plain) > 0 {
		ops = append([]operation{{Op: "replace", Value: plain}}, ops...)
	}
	return ops
}

// exists reports whether an account has something of the complex attribute that a path names a part of, as far
// as it is known.
func exists(p attr.Path, edits []attr.Edit, want attr.Set) bool {
	key, edited := entryOf(p), map[string]bool{}
	for _, e := range edits {
		edited[e.Path] = true
		if q, err := attr.ParsePath(e.Path); err == nil && entryOf(q) == key && !attr.Empty(e.Old) {
			return true
		}
	}
	for text, v := range want {
		if q, err := attr.ParsePath(text); err == nil && entryOf(q) == key && !edited[text] && !attr.Empty(v) {
			return true
		}
	}
	return false
}

// refers reports whether a path is the value of a reference in an extension, such as the manager's.
func refers(p attr.Path) bool { return p.URN != "" && strings.EqualFold(p.Sub, "value") }

// whole is the complex attribute that a path names a part of, as it is to be.
func whole(p attr.Path, want attr.Set) any {
	doc, at := map[string]any{}, p
	at.Sub = ""
	for _, text := range sortedKeys(want) {
		if q, err := attr.ParsePath(text); err == nil && entryOf(q) == at.String() && !attr.Empty(want[text]) {
			q.Put(doc, clone(want[text]))
		}
	}
	return at.Of(doc)
}

// entry makes the operations for the entry of a multi-valued attribute that path p names, such as
// the address of type work:
//
//	nothing of it is to be left        remove the entry
//	the target has it                  replace, add or remove its parts one by one
//	the target does not have it        add it as a whole: a filter that hits nothing is an error
//	                                   (noTarget, RFC 7644 §3.5.2.3)
func (c *Connector) entry(p attr.Path, edits []attr.Edit, want attr.Set) []operation {
	key := entryOf(p)
	mine := map[string]attr.Edit{}
	exists, remains := false, false
	for _, e := range edits {
		if q, err := c.path(e.Path); err == nil && entryOf(q) == key {
			mine[q.String()] = e
			exists = exists || !attr.Empty(e.Old)
			remains = remains || !attr.Empty(e.New)
		}
	}
	for text, v := range want {
		if _, edited := mine[text]; edited || attr.Empty(v) {
			continue
		}
		if q, err := c.path(text); err == nil && entryOf(q) == key {
			exists, remains = true, true
		}
	}
	whole := p
	whole.Sub = ""
	switch {
	case !remains:
		return []operation{{Op: "remove", Path: whole.String()}}
	case !exists:
		doc := map[string]any{}
		for _, text := range sortedKeys(mine) {
			q, _ := c.path(text)
			q.Put(doc, clone(mine[text].New))
		}
		if c.quirks.PrimaryEmail && c.onlyEmail(p, want) {
			markPrimary(doc)
		}
		whole.Filter = nil
		return []operation{{Op: "add", Path: whole.String(), Value: whole.Of(doc)}}
	}
	var ops []operation
	for _, text := range sortedKeys(mine) {
		switch e := mine[text]; {
		case attr.Empty(e.New):
			ops = append(ops, operation{Op: "remove", Path: text})
		case attr.Empty(e.Old):
			ops = append(ops, operation{Op: "add", Path: text, Value: e.New})
		default:
			ops = append(ops, operation{Op: "replace", Path: text, Value: e.New})
		}
	}
	return ops
}

// onlyEmail reports whether the entry is the only e-mail address that the account is to have.
func (c *Connector) onlyEmail(p attr.Path, want attr.Set) bool {
	if !strings.EqualFold(p.Name, "emails") {
		return false
	}
	for text, v := range want {
		if q, err := c.path(text); err == nil && strings.EqualFold(q.Name, "emails") && entryOf(q) != entryOf(p) && !attr.Empty(v) {
			return false
		}
	}
	return true
}

// entryOf names the entry that a path is in, without the part of it.
func entryOf(p attr.Path) string {
	p.Sub = ""
	return p.String()
}

// patchBody wraps operations for sending.
func patchBody(ops []operation) map[string]any {
	return map[string]any{"schemas": []any{schemaPatch}, "Operations": ops}
}

// clone copies a value, so that what is built from it can be changed.
func clone(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	}
	return v
}

func sortedKeys[M ~map[string]V, V any](m M) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// encode writes a body. All it gets is made of JSON values, which always encode, save numbers that
// are none.
func encode(v any) ([]byte, error) { return attr.AppendJSON(make([]byte, 0, 1024), v) }
