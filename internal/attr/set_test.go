package attr

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEqual(t *testing.T) {
	t.Parallel()
	entry := func(value, kind string) any { return map[string]any{"value": value, "type": kind} }
	for name, c := range map[string]struct {
		a, b           any
		equal, similar bool
	}{
		"no value":               {nil, "", true, true},
		"no value, lists":        {[]any{"", nil, map[string]any{}}, map[string]any{"a": nil}, true, true},
		"false is a value":       {nil, false, false, false},
		"zero is a value":        {nil, 0.0, false, false},
		"text":                   {"a", "a", true, true},
		"case":                   {"Ada", "ADA", false, true},
		"spaces":                 {"Ada  L ", " Ada L", false, true},
		"a number as text":       {1.0, "1", false, true},
		"a boolean as text":      {true, "True", false, true},
		"another boolean":        {true, "false", false, false},
		"a phone":                {"+43 (1) 234-567", "431234567", false, true},
		"another phone":          {"+43 1 234567", "+43 1 234568", false, false},
		"short numbers":          {"1-2", "12", false, false},
		"names with digits":      {"R2-D2", "R2D2", false, false},
		"order":                  {[]any{"a", "b"}, []any{"b", "a"}, true, true},
		"repeats":                {[]any{"a", "a", "b"}, []any{"b", "a"}, true, true},
		"one more":               {[]any{"a"}, []any{"a", "b"}, false, false},
		"one less":               {[]any{"a", "b"}, []any{"a"}, false, false},
		"empties in a list":      {[]any{"a", ""}, []any{"a"}, true, true},
		"a list and a text":      {[]any{"a"}, "a", false, false},
		"entries":                {[]any{entry("a", "work"), entry("b", "home")}, []any{entry("b", "home"), entry("a", "work")}, true, true},
		"entries, other case":    {[]any{entry("a", "work")}, []any{entry("A", "Work")}, false, true},
		"entries, other type":    {[]any{entry("a", "work")}, []any{entry("a", "home")}, false, false},
		"objects":                {map[string]any{"a": "1", "b": nil}, map[string]any{"a": "1", "c": ""}, true, true},
		"objects, more":          {map[string]any{"a": "1"}, map[string]any{"a": "1", "c": "x"}, false, false},
		"objects, less":          {map[string]any{"a": "1", "c": "x"}, map[string]any{"a": "1"}, false, false},
		"an object and its text": {map[string]any{"value": "a"}, "a", false, false},
	} {
		for _, pair := range [][2]any{{c.a, c.b}, {c.b, c.a}} {
			if got := Equal(pair[0], pair[1]); got != c.equal {
				t.Errorf("%s: equal %v, want %v", name, got, c.equal)
			}
			if got := Similar(pair[0], pair[1]); got != c.similar {
				t.Errorf("%s: similar %v, want %v", name, got, c.similar)
			}
		}
		if !Equal(c.a, c.a) || !Similar(c.b, c.b) {
			t.Errorf("%s: not equal to itself", name)
		}
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	have := Set{"title": "Analyst", "nickName": "A", "tags": []any{"a", "b"}, "theirs": "x", "locale": ""}
	want := Set{"title": "Lead", "nickName": "", "tags": []any{"b", "a"}, "department": "R&D", "locale": nil, "division": nil}
	edits := Diff(have, want)
	expected := []Edit{
		{Path: "department", Old: nil, New: "R&D"},
		{Path: "nickName", Old: "A", New: nil},
		{Path: "title", Old: "Analyst", New: "Lead"},
	}
	if diff := cmp.Diff(expected, edits); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	after := have.With(edits)
	if left := Diff(after, want); left != nil {
		t.Errorf("after the edits there is still %v", left)
	}
	if after["theirs"] != "x" || have["title"] != "Analyst" {
		t.Errorf("With changed what it should not: %v %v", after, have)
	}
	if c := Set(nil).Clone(); c == nil {
		t.Error("a clone of nothing is nil")
	}
}

// FuzzEqual wants the laws of equality for whatever JSON can say: to oneself, in both directions, and
// equal values similar.
func FuzzEqual(f *testing.F) {
	for _, s := range []string{`["a","A",null]`, `{"a":[1,true,"1"]}`, `"+1 (555) 010-9999"`, `[[],{}]`, `[{"value":"a","type":null}]`} {
		f.Add(s, `["a"]`)
	}
	f.Fuzz(func(t *testing.T, x, y string) {
		var a, b any
		if json.Unmarshal([]byte(x), &a) != nil || json.Unmarshal([]byte(y), &b) != nil {
			return
		}
		if !Equal(a, a) || !Similar(a, a) {
			t.Fatalf("%s is not equal to itself", x)
		}
		if Equal(a, b) != Equal(b, a) || Similar(a, b) != Similar(b, a) {
			t.Fatalf("%s and %s are equal in one direction", x, y)
		}
		if Equal(a, b) && !Similar(a, b) {
			t.Fatalf("%s and %s are equal and not similar", x, y)
		}
		if (Diff(Set{"p": a}, Set{"p": b}) == nil) != Equal(a, b) {
			t.Fatalf("%s and %s: an edit between equals, or none between others", x, y)
		}
	})
}

// BenchmarkEqualLists compares two lists of 5,000 texts in opposite order: their sum, not their product.
func BenchmarkEqualLists(b *testing.B) {
	const n = 5000
	x, y := make([]any, n), make([]any, n)
	for i := range n {
		x[i], y[n-1-i] = fmt.Sprint("group ", i), fmt.Sprint("group ", i)
	}
	for b.Loop() {
		if !Equal(x, y) {
			b.Fatal("not equal")
		}
	}
}
