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
