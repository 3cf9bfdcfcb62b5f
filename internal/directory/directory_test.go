package directory_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/directory"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	const enterprise, custom = directory.Enterprise, directory.Custom
	for _, test := range []struct {
		path, want, short string
		kind              directory.Type
		multi             bool
		err               string
	}{
		{path: "USERNAME", want: "userName", short: "userName", kind: "string"},
		{path: "Name.givenname", want: "name.givenName", short: "name.givenName", kind: "string"},
		{path: "emails", want: "emails", short: "emails", kind: "complex", multi: true},
		{path: `Emails[type eq "work"].VALUE`, want: `emails[type eq "work"].value`, short: `emails[type eq "work"].value`, kind: "string"},
		{path: `emails[primary eq true]`, want: `emails[primary eq true]`, short: `emails[primary eq true]`, kind: "complex"},
		{path: "emails.value", want: "emails.value", short: "emails.value", kind: "string", multi: true},
		{path: "Department", want: enterprise + ":department", short: "department", kind: "string"},
		{path: "enterprise.costcenter", want: enterprise + ":costCenter", short: "costCenter", kind: "string"},
		{path: strings.ToLower(enterprise) + ":employeenumber", want: enterprise + ":employeeNumber", short: "employeeNumber", kind: "string"},
		{path: "manager", want: enterprise + ":manager", short: "manager", kind: "reference"},
		{path: "manager.displayName", want: enterprise + ":manager.displayName", short: "manager.displayName", kind: "string"},
		{path: "urn:ietf:params:scim:schemas:core:2.0:User:title", want: "title", short: "title", kind: "string"},
		{path: "custom.shoeSize", want: custom + ":shoeSize", short: "custom.shoeSize", kind: "any"},
		{path: custom + ":shoeSize", want: custom + ":shoeSize", short: "custom.shoeSize", kind: "any"},
		{path: "departement", err: "did you mean department?"},
		{path: "name.givenNam", err: "no part givenNam; did you mean givenName?"},
		{path: "email", err: "did you mean emails?"},
		{path: "title.value", err: "has no parts"},
		{path: `title[type eq "work"]`, err: "has one value"},
		{path: "shoeSize", err: "custom.NAME"},
		{path: "password", err: "keeps no passwords"},
		{path: "urn:x:y:User:title", err: "unknown attribute"},
		{path: "", err: "empty"},
	} {
		p, a, err := directory.Canonical(test.path)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %q in it", test.path, err, test.err)
			}
			continue
		}
		if err != nil || p.String() != test.want || directory.Short(p) != test.short || a.Type != test.kind || a.MultiValued != test.multi {
			t.Errorf("%s: %s (%s), %s, multi %v, %v", test.path, p, directory.Short(p), a.Type, a.MultiValued, err)
		}
		if again, _, err := directory.Canonical(directory.Short(p)); err != nil || again.String() != p.String() {
			t.Errorf("%s: its short form %s reads as %s, %v", test.path, directory.Short(p), again, err)
		}
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	ada := directory.User{UserName: "ada", Active: true, Attributes: map[string]any{
		"title": "Engineer", "name": map[string]any{"givenName": "Ada"},
		"emails":             []any{map[string]any{"value": "ada@example.org", "type": "work", "primary": true}, map[string]any{"value": "a@home.test", "type": "home"}},
		directory.Enterprise: map[string]any{"department": "R&D"},
	}}
	before, _ := json.Marshal(ada)
	for _, test := range []struct {
		name    string
		edit    directory.Edit
		changed bool
		check   func(u directory.User) any
		want    any
		err     string
	}{
		{"nothing", nil, false, nil, nil, ""},
		{"the same in another spelling", directory.Edit{"TITLE": " Engineer ", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "R&D"}, false, nil, nil, ""},
		{"clearing", directory.Edit{"title": "", "department": nil}, true, func(u directory.User) any { return len(u.Attributes) }, 2, ""},
		{"a sub-attribute", directory.Edit{"name.familyName": "Lovelace"}, true, func(u directory.User) any { return u.Attributes["name"] }, map[string]any{"givenName": "Ada", "familyName": "Lovelace"}, ""},
		{"the primary address", directory.Edit{"emails.value": "new@example.org"}, true, func(u directory.User) any { return u.Email() }, "new@example.org", ""},
		{"one address of many", directory.Edit{`emails[type eq "home"].value`: ""}, true, func(u directory.User) any { return len(u.Attributes["emails"].([]any)) }, 1, ""},
		{
			"an address as text",
			directory.Edit{"emails": "x@example.org"},
			true, func(u directory.User) any { return u.Attributes["emails"] },
			[]any{map[string]any{"value": "x@example.org", "type": "work", "primary": true}},
			"",
		},
		{"the work address becomes primary", directory.Edit{"emails": []any{map[string]any{"value": "h", "type": "home"}, map[string]any{"value": "w", "type": "Work"}}}, true, primaryOf, "w", ""},
		{"two primaries", directory.Edit{"emails": []any{map[string]any{"value": "1", "primary": "true"}, map[string]any{"value": "2", "primary": true}}}, true, primaryOf, "1", ""},
		{"a number for text", directory.Edit{"employeeNumber": 123.0}, true, func(u directory.User) any { return u.Attributes[directory.Enterprise] }, map[string]any{"department": "R&D", "employeeNumber": "123"}, ""},
		{"inactive", directory.Edit{"active": "No"}, true, func(u directory.User) any { return u.Active }, false, ""},
		{"an empty active or userName says nothing", directory.Edit{"active": "", "userName": " "}, false, nil, nil, ""},
		{"custom", directory.Edit{"custom.shoe": []any{1.0, "x"}}, true, func(u directory.User) any { return u.Attributes[directory.Custom] }, map[string]any{"shoe": []any{1.0, "x"}}, ""},
		{"a list for text", directory.Edit{"title": []any{"a"}}, false, nil, nil, "title wants text, not a list"},
		{"a truth for text", directory.Edit{"name.givenName": true}, false, nil, nil, "givenName wants text"},
		{"text for a truth", directory.Edit{"active": "perhaps"}, false, nil, nil, "active: wants true or false"},
		{"text for an object", directory.Edit{"name": "Ada"}, false, nil, nil, "name wants an object with formatted"},
		{"an unknown part", directory.Edit{"emails": map[string]any{"adress": "x"}}, false, nil, nil, "emails has no part adress"},
		{"bytes", directory.Edit{"title": "a\x00b"}, false, nil, nil, "no text"},
		{"not UTF-8", directory.Edit{"custom.x": "\xff"}, false, nil, nil, "no text"},
		{"groups", directory.Edit{"groups": "x"}, false, nil, nil, "cannot be written"},
		{"the manager", directory.Edit{"manager": "x"}, false, nil, nil, "cannot be written"},
		{"the id", directory.Edit{"id": "x"}, false, nil, nil, "cannot be written"},
	} {
		u, changed, err := ada.Merge(test.edit)
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %q in it", test.name, err, test.err)
			}
			continue
		case err != nil || changed != test.changed:
			t.Errorf("%s: changed %v, %v", test.name, changed, err)
			continue
		}
		if test.check != nil {
			if diff := cmp.Diff(test.want, test.check(u)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.name, diff)
			}
		}
		if _, again, err := u.Merge(test.edit); again || err != nil {
			t.Errorf("%s: merging again changes %v, %v", test.name, again, err)
		}
	}
	if after, _ := json.Marshal(ada); string(after) != string(before) {
		t.Errorf("Merge wrote into its receiver:\n%s\n%s", before, after)
	}
}

func TestSCIMRoundTrip(t *testing.T) {
	t.Parallel()
	u := directory.User{ID: "u1", UserName: "ada", ExternalID: "7", Active: true, Created: time.Unix(1, 0), Modified: time.Unix(2, 0), Attributes: map[string]any{
		"title": "Engineer", directory.Enterprise: map[string]any{"department": "R&D"}, directory.Custom: map[string]any{"shoe": 42.0},
	}}
	doc := u.SCIM(&directory.Member{ID: "m", Name: "grace"}, []directory.Member{{Kind: directory.KindGroup, ID: "g", Name: "Engineering"}})
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"active":true,"externalId":"7","groups":[{"display":"Engineering","type":"Group","value":"g"}],"id":"u1",` +
		`"meta":{"created":"1970-01-01T00:00:01Z","lastModified":"1970-01-01T00:00:02Z","resourceType":"User","version":"\"` + strings.Trim(u.Version(), `"`) + `\""},` +
		`"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","urn:ietf:params:scim:schemas:extension:muster:2.0:User"],"title":"Engineer",` +
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R\u0026D","manager":{"displayName":"grace","value":"m"}},"urn:ietf:params:scim:schemas:extension:muster:2.0:User":{"shoe":42},"userName":"ada"}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	if _, has := u.Attributes[directory.Enterprise].(map[string]any)["manager"]; has {
		t.Error("rendering wrote into the user")
	}
	edit, unknown := directory.FromSCIM(directory.KindUser, doc)
	if len(unknown) > 0 {
		t.Errorf("unknown: %v", unknown)
	}
	back, _, err := directory.User{}.Merge(edit)
	if err != nil {
		t.Fatal(err)
	}
	if _, changed, err := u.Merge(edit); changed || err != nil {
		t.Errorf("a resource read back changes its user: %v, %v", changed, err)
	}
	if diff := cmp.Diff(u.Attributes, back.Attributes); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"departement": "department", "givenNmae": "givenName", "phone": "phoneNumbers", "zzz": "", "": "", "x": ""} {
		got := strings.Join(directory.Nearest(name, []string{"department", "givenName", "phoneNumbers", "title"}, 1), "")
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Whatever JSON says, merging it ends, and merging it twice is merging it once.
func FuzzFromSCIM(f *testing.F) {
	for _, s := range []string{
		`{"userName":"ada","emails":[{"value":"a@b.c","primary":true},"x"],"name":{"givenName":"A"}}`,
		`{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":1,"manager":{"value":"x"}},"Active":"no","ACTIVE":true}`,
		`{"custom.x":[[1]],"addresses":{"locality":""},"emails[type eq \"work\"].value":"x","emails.value":"y","userName":null}`,
		`{"displayName":"G","members":[{"value":"1"}],"meta":{},"schemas":[]}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var doc map[string]any
		if json.Unmarshal([]byte(s), &doc) != nil {
			return
		}
		edit, _ := directory.FromSCIM(directory.KindUser, doc)
		u, _, err := directory.User{Active: true}.Merge(edit)
		if err == nil {
			again, changed, err := u.Merge(edit)
			if err != nil || changed {
				t.Fatalf("%s: the second merge changed %v, %v\n%v\n%v", s, changed, err, u, again)
			}
		}
		edit, _ = directory.FromSCIM(directory.KindGroup, doc)
		g, _, err := directory.Group{}.Merge(edit)
		if err == nil {
			if _, changed, err := g.Merge(edit); err != nil || changed {
				t.Fatalf("%s: the second merge of a group changed %v, %v", s, changed, err)
			}
		}
	})
}

func primaryOf(u directory.User) any { return u.Email() }
