package scim

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/gallery"
)

// docs/connectors.md has a row for every option, with its default, every word that it takes, and whether connection.options
// may give it: those that template scim2 lists.
func TestOptionsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/connectors.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Options of scim2")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string][]string{}
	for line := range strings.Lines(section) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | "); len(cells) == 4 && strings.HasPrefix(cells[0], "`") {
			rows[strings.Trim(cells[0], "`")] = cells
		}
	}
	template, err := gallery.Lookup("scim2")
	if err != nil {
		t.Fatal(err)
	}
	var given map[string]any
	if err := json.Unmarshal(template.Quirks, &given); err != nil {
		t.Fatal(err)
	}
	var names []string
	values := reflect.ValueOf(defaults())
	for i := range values.NumField() {
		name := values.Type().Field(i).Tag.Get("json")
		names = append(names, name)
		row := rows[name]
		if row == nil {
			continue
		}
		standard := fmt.Sprintf("`%v`", values.Field(i))
		if values.Field(i).Kind() == reflect.Slice {
			standard = "none"
		}
		if row[1] != standard {
			t.Errorf("%s: the default is %s, the page says %s", name, standard, row[1])
		}
		for _, word := range allowed[name] {
			if !strings.Contains(row[1]+row[2], "`"+word+"`") {
				t.Errorf("%s: the page does not name %s", name, word)
			}
		}
		if _, ok := given[name]; ok == strings.HasPrefix(row[3], "templates only") {
			t.Errorf("%s: in template scim2 is %t, the page says %q", name, ok, row[3])
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(rows))); diff != "" {
		t.Errorf("options (-) and rows of docs/connectors.md (+):\n%s", diff)
	}
}
