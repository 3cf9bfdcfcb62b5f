package attr

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Set is a flat set of attributes by canonical path ([Path.String]), for example
//
//	{"userName": "ada", "name.givenName": "Ada", `emails[type eq "work"].value`: "ada@example.org"}
//
// A key whose value is empty ([Empty]) says "this attribute is to be, or is, without a value"; a key
// that is missing says nothing about the attribute.
type Set map[string]any

// Edit is the change of one attribute. New is nil when the attribute loses its value.
type Edit struct {
	Path string `json:"attribute"`
	Old  any    `json:"old"`
	New  any    `json:"new"`
}

// Diff returns what must change for the attributes of want to hold, given have, sorted by path.
// Attributes that only have holds are not touched: they are not Muster's. Attributes that want holds
// empty and have does not hold at all need nothing.
func Diff(have, want Set) []Edit {
	var edits []Edit
	for path, value := range want {
		if old := have[path]; !Equal(old, value) {
			edits = append(edits, Edit{Path: path, Old: blank(old), New: blank(value)})
		}
	}
	slices.SortFunc(edits, func(a, b Edit) int { return cmp.Compare(a.Path, b.Path) })
	return edits
}

// blank makes every form of "no value" nil, so that records and requests know one.
func blank(v any) any {
	if Empty(v) {
		return nil
	}
	return v
}

// Clone returns a copy that shares no top-level entries with s; it is never nil.
func (s Set) Clone() Set {
	if s == nil {
		return Set{}
	}
	return maps.Clone(s)
}

// With returns a copy of s with the edits carried out.
func (s Set) With(edits []Edit) Set {
	c := s.Clone()
	for _, e := range edits {
		c[e.Path] = e.New
	}
	return c
}

// Empty reports whether v stands for "no value": nil, "", an empty list, a list of empties, an
// object without a value.
func Empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !Empty(e) })
	case map[string]any:
		for _, e := range v {
			if !Empty(e) {
				return false
			}
		}
		return true
	}
	return false
}

// Equal reports whether two values mean the same: every form of "no value" is equal, lists are
// compared as sets, objects without regard to members that are empty. Strings are compared exactly.
func Equal(a, b any) bool { return equal(a, b, func(x, y string) bool { return x == y }) }

// Similar is [Equal] for comparing what was sent with what a target answered: it forgives what
// targets do to a value they have in fact accepted: another case, surrounding or doubled spaces,
// a boolean or number as text, and the punctuation of phone numbers.
func Similar(a, b any) bool { return equal(fold(a), fold(b), sameText) }

func sameText(x, y string) bool {
	if strings.EqualFold(squeeze(x), squeeze(y)) {
		return true
	}
	dx, dy := digits(x), digits(y)
	return dx != "" && dx == dy
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// digits returns the digits of something written like a phone number, and "" for anything else, so
// that "+1 (555) 010-9999" equals "15550109999" and "R2D2" equals nothing but itself.
func digits(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case strings.ContainsRune("+-(). /", r):
		default:
			return ""
		}
	}
	if b.Len() < 5 {
		return ""
	}
	return b.String()
}

// fold turns the textual forms of booleans and numbers that some targets answer with into one form.
func fold(v any) any {
	switch v := v.(type) {
	case bool:
		if v {
			return "true"
		}
		return "false"
	case float64:
		return jsonText(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = fold(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = fold(e)
		}
		return out
	}
	return v
}

// jsonText writes a simple value as JSON, without the escapes that package json makes for HTML: some
// servers do not read them in a filter.
func jsonText(v any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func equal(a, b any, text func(x, y string) bool) bool {
	if Empty(a) || Empty(b) {
		return Empty(a) && Empty(b)
	}
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return ok && text(a, b)
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case float64:
		b, ok := b.(float64)
		return ok && a == b
	case []any:
		b, ok := b.([]any)
		return ok && covers(a, b, text) && covers(b, a, text)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return false
		}
		for k := range a {
			if !equal(a[k], b[k], text) {
				return false
			}
		}
		for k := range b {
			if _, known := a[k]; !known && !Empty(b[k]) {
				return false
			}
		}
		return true
	}
	return false
}

// covers reports whether every non-empty element of b has its equal in a. Long lists of plain
// strings take an index, so that two lists of thousands do not cost their product.
func covers(a, b []any, text func(x, y string) bool) bool {
	index := make(map[string]bool, len(a))
	for _, e := range a {
		if s, ok := e.(string); ok {
			index[s] = true
		}
	}
	return !slices.ContainsFunc(b, func(e any) bool {
		if s, ok := e.(string); ok && index[s] || Empty(e) {
			return false
		}
		return !slices.ContainsFunc(a, func(x any) bool { return equal(x, e, text) })
	})
}
