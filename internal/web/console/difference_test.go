package console

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/store"
)

// An auditor reads what became of one mapping or one assignment, and not two lists of everything.
func TestDifferences(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after string
		want          []string
	}{
		"a value":              {`{"a":{"b":1,"c":2}}`, `{"a":{"b":1,"c":3}}`, []string{"a.c: 2 -> 3"}},
		"something new":        {`null`, `{"name":"x","active":true}`, []string{"active: – -> true", "name: – -> x"}},
		"one is assigned":      {`{"assignments":[{"id":"1","name":"Sales","role":"User"}]}`, `{"assignments":[{"id":"1","name":"Sales","role":"User"},{"id":"2","name":"Support","role":"User"}]}`, []string{"assignments:  -> Support"}},
		"another instead":      {`{"assignments":[{"id":"1","name":"Sales","role":"User"}]}`, `{"assignments":[{"id":"2","name":"Support","role":"User"}]}`, []string{"assignments: Sales -> Support"}},
		"the first ones":       {`{"assignments":null}`, `{"assignments":[{"id":"2","name":"Support","role":"User"}]}`, []string{"assignments:  -> Support"}},
		"another role":         {`{"assignments":[{"id":"1","name":"Sales","role":"User"}]}`, `{"assignments":[{"id":"1","name":"Sales","role":"Default Access"}]}`, []string{"assignments[Sales].role: User -> Default Access"}},
		"one mapping":          {`{"mappings":{"users":[{"target":"title","source":"title"},{"target":"name","source":"n"}]}}`, `{"mappings":{"users":[{"target":"title","expression":"user.title"},{"target":"name","source":"n"}]}}`, []string{"mappings.users[title].expression: – -> user.title", "mappings.users[title].source: title -> –"}},
		"their order":          {`{"m":[{"target":"a"},{"target":"b"}]}`, `{"m":[{"target":"b"},{"target":"a"}]}`, []string{"m: a, b -> b, a"}},
		"two of the same":      {`{"m":[{"target":"a"},{"target":"a"}]}`, `{"m":[{"target":"a"}]}`, []string{`m: [{"target":"a"},{"target":"a"}] -> [{"target":"a"}]`}},
		"a list of texts":      {`{"f":["x"]}`, `{"f":["x","y"]}`, []string{`f: ["x"] -> ["x","y"]`}},
		"nothing is different": {`{"f":["x"]}`, `{"f":["x"]}`, nil},
	} {
		var e store.Entry
		for _, side := range []struct {
			text string
			to   *map[string]any
		}{{c.before, &e.Before}, {c.after, &e.After}} {
			if err := json.Unmarshal([]byte(side.text), side.to); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, d := range differences(e) {
			got = append(got, d.Attribute+": "+shown(d.Old)+" -> "+shown(d.New))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
