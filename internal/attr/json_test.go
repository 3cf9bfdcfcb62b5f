package attr

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
)

// sameJSON checks that a value's JSON means what package json makes of the value.
func sameJSON(t *testing.T, v any) {
	t.Helper()
	b, err := AppendJSON([]byte("before"), v)
	if err != nil {
		t.Fatalf("%#v: %v", v, err)
	}
	theirs, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(b[len("before"):], &got); err != nil {
		t.Fatalf("%#v becomes %s: %v", v, b, err)
	}
	if err := json.Unmarshal(theirs, &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%#v becomes %s, want %s", v, b, theirs)
	}
}

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		nil, "", "Ada", "a\"b\\c\n\r\t\x00\x1f\x7f\u2028<&>", "half \xc3", true, false, 1.5, 1e30, 42, Set(nil),
		Set{},
		Set{"userName": "ada", "b": nil, "a": []any{}, "emails": []any{map[string]any{"value": "ada@example.org", "primary": true}, "x", nil}},
		map[string]any(nil), []any(nil),
		[]any{[]any{}, map[string]any{}},
		[]string{"a"},
		struct{ A string }{"b"},
		Edit{Path: `emails[type eq "work"].value`, New: []any{"a", Set{"b": true}}},
		Edit{Path: "title", Old: "Ms", New: nil},
	} {
		if list, ok := v.([]any); ok && list == nil {
			continue // a list that is not there is an empty one here
		}
		sameJSON(t, v)
	}
	if _, err := AppendJSON(nil, Set{"a": []any{math.NaN()}}); err == nil {
		t.Error("a number that is none is written")
	}
	b, _ := AppendJSON(nil, Set{"b": "1", "a": map[string]any{"d": true, "c": nil}})
	if want := `{"a":{"c":null,"d":true},"b":"1"}`; string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add(`{"a":["b",1,true,null,{"c":"\ud800"}]}`, "x")
	f.Add(`"\u0000"`, "\xff\"")
	f.Fuzz(func(t *testing.T, doc, text string) {
		sameJSON(t, text)
		sameJSON(t, map[string]any{text: text})
		var v any
		if json.Unmarshal([]byte(doc), &v) == nil {
			sameJSON(t, v)
		}
	})
}
