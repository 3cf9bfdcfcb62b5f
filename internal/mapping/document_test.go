package mapping

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/muster-id/muster/internal/directory"
)

// document is docs/mapping.md, whose examples are run here so that they stay true.
func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block returns the code blocks of a language.
func blocks(text, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// example is a row of a table with the columns Example and Result.
type example struct{ first, expression, result string }

func examples(text string) []example {
	var out []example
	inside := false
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.ReplaceAll(strings.TrimSpace(line), `\|`, "\x00"), "|")
		if len(cells) != 5 {
			inside = false
			continue
		}
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "\x00", "|")
		}
		switch {
		case cells[2] == "Example" && cells[3] == "Result":
			inside = true
		case inside && !strings.HasPrefix(cells[1], "--"):
			out = append(out, example{cells[1], strings.Trim(cells[2], "`"), cells[3]})
		}
	}
	return out
}

// person reads the person of the document.
func person(t *testing.T, text string) Facts {
	t.Helper()
	var doc struct {
		User         map[string]any
		Groups       []string
		Manager, App string
		Now          time.Time
	}
	all := blocks(text, "json")
	if len(all) != 1 {
		t.Fatalf("the document has %d JSON blocks, want the person alone", len(all))
	}
	if err := json.Unmarshal([]byte(all[0]), &doc); err != nil {
		t.Fatal(err)
	}
	u := &directory.User{Active: true, Attributes: doc.User}
	u.ID, u.UserName, u.ExternalID = doc.User["id"].(string), doc.User["userName"].(string), doc.User["externalId"].(string)
	for _, beside := range []string{"id", "userName", "externalId", "active"} {
		delete(doc.User, beside)
	}
	return Facts{User: u, Groups: doc.Groups, Manager: doc.Manager, App: doc.App, Now: doc.Now, Rand: func(n uint64) uint64 { return n / 2 }}
}

func TestDocument_Examples(t *testing.T) {
	t.Parallel()
	text := document(t)
	facts := person(t, text)
	all := examples(text)
	if len(all) < 100 {
		t.Fatalf("only %d examples were found", len(all))
	}
	for _, e := range all {
		t.Run(e.expression, func(t *testing.T) {
			t.Parallel()
			p, err := Compile(directory.KindUser, []Mapping{{Target: "x", Expression: e.expression, When: OnCreate}})
			if err != nil {
				t.Fatal(err)
			}
			set, err := p.Apply(facts, true)
			if err != nil {
				t.Fatal(err)
			}
			quoted := regexp.MustCompile("^`([^`]*)`").FindStringSubmatch(e.result)
			if quoted == nil {
				if set["x"] == nil {
					t.Errorf("gives nothing, want %s", e.result)
				}
				return
			}
			var want any
			if err := json.Unmarshal([]byte(quoted[1]), &want); err != nil {
				t.Fatalf("the result %s: %v", e.result, err)
			}
			if diff := cmp.Diff(want, set["x"]); diff != "" {
				t.Errorf("(-document +real):\n%s", diff)
			}
		})
	}
}

// TestDocument_Complete wants every function, every attribute and every function of Entra ID in the
// document.
func TestDocument_Complete(t *testing.T) {
	t.Parallel()
	text := document(t)
	for _, name := range libraryNames() {
		if !strings.Contains(text, "| `"+name+"(") {
			t.Errorf("the function %s is not in a table", name)
		}
	}
	for _, a := range directory.UserSchema {
		if !regexp.MustCompile("(?m)^\\| .*`" + a.Name + "[`.]").MatchString(text) {
			t.Errorf("the attribute %s is not in the table", a.Name)
		}
	}
	if len(fromEntra) != 44 {
		t.Errorf("%d functions of Entra ID are known, want 44", len(fromEntra))
	}
	var listed []string
	_, after, _ := strings.Cut(text, "### From Entra ID")
	for _, e := range examples(after) {
		if name := strings.ToLower(strings.Trim(e.first, "`")); fromEntra[name] != "" {
			listed = append(listed, name)
		}
	}
	slices.Sort(listed)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(fromEntra)), listed); diff != "" {
		t.Errorf("functions of Entra ID (-known +listed):\n%s", diff)
	}
}

func TestDocument_Mappings(t *testing.T) {
	t.Parallel()
	text := document(t)
	all := blocks(text, "yaml")
	if len(all) == 0 {
		t.Fatal("the document has no mappings")
	}
	for _, block := range all {
		var raw any
		if err := yaml.Unmarshal([]byte(block), &raw); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		var rows []Mapping
		if err := json.Unmarshal(b, &rows); err != nil {
			t.Fatal(err)
		}
		p, err := Compile(directory.KindUser, rows)
		if err != nil {
			t.Fatalf("%v\n%s", err, block)
		}
		if _, err := p.Apply(person(t, text), true); err != nil {
			t.Error(err)
		}
	}
}
