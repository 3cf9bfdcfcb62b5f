package config

import (
	"encoding"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
)

// documented reads the tables of docs/configuration.md: the cells of each row by its key.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 4 || !strings.HasPrefix(cells[0], "| `") {
			continue
		}
		key := strings.Trim(cells[0], "| `")
		if rows[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		rows[key] = cells
	}
	return rows
}

// formKeys walks the declarative form and gives every key that holds a value; the rows of lists have
// "[]". Groups' mappings are the users' once more and left out.
func formKeys(typ reflect.Type, path string, found func(path string)) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name := keyOf(f)
		if name == "" || f.Type == reflect.TypeFor[provision.Mappings]() && path != "" {
			continue
		}
		key, ft := strings.TrimPrefix(path+"."+name, "."), f.Type
		if key == "mappings.groups" || typ == limitsType && name == "off" {
			continue
		}
		switch {
		case ft == limitsType:
			found(key)
			formKeys(ft, key, found)
		case ft.Kind() == reflect.Struct && !isText(ft):
			formKeys(ft, key, found)
		case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct:
			formKeys(ft.Elem(), key+"[]", found)
		default:
			found(key)
		}
	}
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// The page has a row for every key of the form, and none for a key that there is not.
func TestDocumentedKeys(t *testing.T) {
	t.Parallel()
	var keys []string
	formKeys(reflect.TypeFor[provision.Application](), "", func(path string) { keys = append(keys, path) })
	slices.Sort(keys)
	if diff := cmp.Diff(keys, slices.Sorted(maps.Keys(documented(t)))); diff != "" {
		t.Errorf("keys of the form (-) and rows of docs/configuration.md (+):\n%s", diff)
	}
}

// Where a rule allows certain words, the row's type names them all.
func TestDocumentedWords(t *testing.T) {
	t.Parallel()
	rows := documented(t)
	for key, words := range map[string][]string{
		"template":                      templates(),
		"connection.auth.type":          authTypes,
		"assignments[].role":            roles,
		"provisioning.status":           {"on", "off"},
		"provisioning.scope":            {"assigned", "all"},
		"provisioning.users.actions":    {"create", "update", "disable", "delete"},
		"provisioning.groups.actions":   {"create", "update", "delete"},
		"provisioning.on_unassign":      {"disable", "delete", "keep"},
		"provisioning.on_disable":       {"disable", "delete", "keep"},
		"provisioning.on_delete":        {"disable", "delete", "keep"},
		"provisioning.drift.attributes": {"repair", "report", "ignore"},
		"provisioning.drift.members":    {"repair", "report", "ignore"},
		"provisioning.drift.accounts":   {"repair", "report", "ignore"},
		"mappings.users[].when":         {"always", "create"},
	} {
		if len(rows[key]) < 2 {
			t.Errorf("%s has no row", key)
			continue
		}
		var named []string
		for i, part := range strings.Split(rows[key][1], "`") {
			if i%2 == 1 {
				named = append(named, part)
			}
		}
		slices.Sort(named)
		if diff := cmp.Diff(slices.Sorted(slices.Values(words)), named); diff != "" {
			t.Errorf("%s: allowed (-) and documented (+):\n%s", key, diff)
		}
		for _, word := range named {
			rule := rules[key]
			if rule == nil {
				rule = rules[key+"[]"]
			}
			if rule == nil {
				continue // the gallery's names
			}
			if must, _ := rule(word); must != "" {
				t.Errorf("%s: %q is documented and refused: it has to be %s", key, word, must)
			}
		}
	}
}

// The defaults of provisioning are those of every template.
func TestDocumentedDefaults(t *testing.T) {
	t.Parallel()
	rows := documented(t)
	for _, template := range gallery.All() {
		formKeys(reflect.TypeFor[provision.Provisioning](), "", func(path string) {
			v := reflect.ValueOf(template.Provisioning)
			for part := range strings.SplitSeq(path, ".") {
				v = v.Field(keysOf(v.Type())[part])
			}
			want := ""
			switch {
			case v.Kind() == reflect.Slice && v.Len() == 0, v.Kind() == reflect.String && v.Len() == 0:
				want = "none"
			case v.Kind() == reflect.Slice:
				want = fmt.Sprintf("`[%s]`", strings.Join(v.Interface().([]string), ", "))
			case isText(v.Type()):
				b, err := v.Interface().(encoding.TextMarshaler).MarshalText()
				if err != nil {
					t.Fatal(err)
				}
				want = "`" + string(b) + "`"
			default:
				want = fmt.Sprintf("`%v`", v)
			}
			row := rows["provisioning."+path]
			if len(row) < 3 || row[2] != want {
				t.Errorf("template %s: provisioning.%s is %s, the page says %q", template.Name, path, want, row)
			}
		})
	}
}
