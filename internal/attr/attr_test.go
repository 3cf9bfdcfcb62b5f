package attr

import "testing"

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"userName", `emails[type eq "work"].value`, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", "urn:scim:schemas:extension:enterprise:1.0.department", "a[b eq \"]\"].c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		again, err := ParsePath(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q reads as %q, which reads as %q, %v", s, p, again, err)
		}
		doc := map[string]any{}
		p.Put(doc, "x")
		p.Of(doc)
	})
}

// TestPutClearsOnePart has addresses, whose other parts must survive when a source empties one.
func TestPutClearsOnePart(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]any{
		`addresses[primary eq true].postalCode`: []any{map[string]any{"type": "work", "primary": true, "locality": "Bonn"}},
		`addresses[type eq "home"].postalCode`:  []any{map[string]any{"type": "work", "primary": true, "locality": "Bonn", "postalCode": "1"}},
		`addresses[type eq "work"]`:             nil,
		`emails[type eq "work"].value`:          nil,
	} {
		doc := map[string]any{
			"addresses": []any{map[string]any{"type": "work", "primary": true, "locality": "Bonn", "postalCode": "1"}},
			"emails":    []any{map[string]any{"type": "work", "primary": true, "value": "a@x"}},
		}
		p := MustPath(path)
		p.Put(doc, nil)
		if got := doc[p.Name]; !Equal(got, want) {
			t.Errorf("without %s there is %v, want %v", path, got, want)
		}
	}
}
