package json

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// read returns all records, those that cannot be used among them, and the error that ended the file.
func read(r io.Reader) (all []source.Record, err error) {
	for rec, e := range New(r).Records() {
		if e != nil {
			return all, e
		}
		all = append(all, rec)
	}
	return all, nil
}

// names returns what came out, one word a record: line, name, "!" between them when the record cannot be used.
func names(all []source.Record) string {
	var out []string
	for _, rec := range all {
		mark := ":"
		if rec.Err != nil {
			mark = "!"
		}
		out = append(out, fmt.Sprint(rec.Line, mark, rec.Name))
	}
	return strings.Join(out, " ")
}

const company = `{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
  "totalResults": 3, "itemsPerPage": 3, "startIndex": 1,
  "Resources": [
    {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
     "id": "u1", "externalId": "e1", "userName": " ada ", "active": true, "title": null, "shoeSize": 38, "password": "secret",
     "name": {"givenName": "Ada", "legal": "x"}, "emails": [{"value": "ada@x.org", "type": "work", "primary": true}, {"value": "a@home", "type": "home"}],
     "groups": [{"value": "g1"}], "meta": {"resourceType": "User"},
     "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D", "manager": {"value": "u2", "displayName": "Grace"}},
     "urn:ietf:params:scim:schemas:extension:muster:2.0:User": {"badge": "7"},
     "urn:example:2.0:User": {"x": 1}},
    {"id": "u2", "USERNAME": "grace", "Active": "False", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": null}},
    {"id": "g1", "displayName": "Engineering", "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
     "members": [{"value": "u1", "$ref": "https://x/Users/u1"}, {"value": "g2", "type": "Group"}]}
  ]
}
`

func TestCompany(t *testing.T) {
	t.Parallel()
	all, err := read(strings.NewReader(company))
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	yes, no, grace, nobody := true, false, "u2", ""
	want := []source.Record{
		{
			Line: 5, Kind: directory.KindUser, Name: "ada", ID: "u1", ExternalID: "e1", Ref: "u1", Active: &yes, Manager: &grace, ManagerByRef: true,
			Attributes: map[string]any{
				"userName": "ada", "title": nil, "custom.shoeSize": 38.0, "custom.badge": "7", "department": "R&D",
				"name":   map[string]any{"givenName": "Ada"},
				"emails": []any{map[string]any{"value": "ada@x.org", "type": "work", "primary": true}, map[string]any{"value": "a@home", "type": "home"}},
			},
			Warnings: []string{
				"passwords are not kept: password is left out",
				"unknown attribute shoeSize; an attribute of your own is written custom.NAME; it becomes custom.shoeSize",
				"urn:example:2.0:User:x is of a schema that is not known, and is left out",
				`name has no part "legal" in SCIM: it is left out`,
				"the groups of a user are read-only in SCIM and left out: members stand in the groups",
			},
		},
		{Line: 12, Kind: directory.KindUser, Name: "grace", ID: "u2", Ref: "u2", Active: &no, Manager: &nobody, Attributes: map[string]any{"userName": "grace"}},
		{
			Line: 13, Kind: directory.KindGroup, Name: "Engineering", ID: "g1", Ref: "g1", Attributes: map[string]any{"displayName": "Engineering"},
			Members: &[]source.MemberRef{{Ref: "u1", ID: "u1"}, {Ref: "g2", ID: "g2"}},
		},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, _, err := (directory.User{}).Merge(all[0].Attributes); err != nil {
		t.Errorf("the directory does not take it: %v", err)
	}
}

// TestShapes has the same people in every shape, and what a file may end with.
func TestShapes(t *testing.T) {
	t.Parallel()
	const a, b = `{"userName":"a"}`, `{"userName":"b"}`
	page := func(total int, resources ...string) string {
		return fmt.Sprintf(`{"totalResults":%d,"Resources":[%s],"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]}`, total, strings.Join(resources, ","))
	}
	for _, c := range []struct{ name, in, want, says string }{
		{"list", page(2, a, b), "1:a 1:b", ""},
		{"list, its total behind", `{"resources":[` + a + "," + b + `],"totalResults":2}`, "1:a 1:b", ""},
		{"array", "[" + a + ",\n" + b + "]", "1:a 2:b", ""},
		{"one", a, "1:a", ""},
		{"lines", a + "\n" + b + "\n", "1:a 2:b", ""},
		{"pages", page(2, a) + "\n" + page(2, b), "1:a 2:b", ""},
		{"with a mark", "\uFEFF" + a, "1:a", ""},
		{"nobody", "[]", "", ""},
		{"nobody in a list", page(0), "", ""},
		{"empty", " \n", "", "the file is empty"},
		{"one page of several", page(500, a, b), "1:a 1:b", "the file says that there are 500 resources (totalResults) and holds 2"},
		{"cut off in a list", "[" + a + ",\n" + b, "1:a 2:b", "the file ends within the list that begins at line 1"},
		{"cut off in a resource", "[" + a + ",\n{\"userName\":", "1:a", "the file ends within the resource that begins at line 2"},
		{"cut off behind the list", `{"Resources":[` + a + "]", "1:a", "the file ends within the object that begins at line 1"},
		{"web page", "\n<!DOCTYPE html>", "", "line 2: this is not JSON: it begins with '<'"},
		{"broken around the list", `{"Resources":[` + a + `],"totalResults":x}`, "1:a", "line 1: the ListResponse is broken"},
		{"too deep around the list", `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `,"Resources":[` + a + `]}`, "1!", ""},
	} {
		all, err := read(strings.NewReader(c.in))
		if got := names(all); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v; want %q", c.name, err, c.says)
		}
	}
	gone := errors.New("the disk is gone")
	all, err := read(io.MultiReader(strings.NewReader("["+a+","), iotest.ErrReader(gone)))
	if !errors.Is(err, gone) || len(all) != 1 {
		t.Errorf("a reader that fails: %d records, %v", len(all), err)
	}
}

// TestBad has a bad resource between two good ones, which must come through.
func TestBad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, bad, want string }{
		{"a comma missing", "{\"userName\":\"x\"\n\"title\":\"y\"}", "line 3: invalid character"},
		{"a quote missing", "{\"userName\":\"x\n}", "line 2: invalid character"},
		{"no object", "42", "it is not an object"},
		{"no JSON", "nobody", "it is not an object"},
		{"text", `"}{["`, "it is not an object"},
		{"nothing", "null", "it is not an object"},
		{"an array", `[{"userName":"x"}]`, "it is not an object"},
		{"neither user nor group", `{"id":"x"}`, "it is neither a user nor a group"},
		{"an error", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"401"}`, "this is a SCIM error"},
		{"a user without name", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"title":"x"}`, "the user has no userName"},
		{"a group without name", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"x"}`, "the group has no displayName"},
		{"active", `{"userName":"x","active":"maybe"}`, "active: wants true or false"},
		{"a wrong type", `{"userName":{"a":1}}`, "userName wants text, not an object"},
		{"a wrong list", `{"userName":"x","addresses":[[1]]}`, "addresses wants an object"},
		{"members", `{"displayName":"x","members":[1]}`, "members wants a list"},
		{"manager", `{"userName":"x","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":[1]}}`, "manager wants an object"},
		{"NUL", `{"userName":"x\u0000"}`, "userName holds bytes that are no text"},
		{"NUL in a member", `{"displayName":"x","members":[{"value":"\u0000"}]}`, "members holds bytes"},
		{"not UTF-8", "{\"userName\":\"\xff\"}", "it holds bytes that are not UTF-8"},
		{"too deep", strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), "it is nested deeper than"},
		{"too large", `{"userName":"` + strings.Repeat("x", maxSize) + `"}`, "it is larger than"},
	} {
		in := "[{\"userName\":\"a\"},\n" + c.bad + ",\n{\"userName\":\"b\"}]"
		all, err := read(strings.NewReader(in))
		if err != nil || len(all) != 3 || all[0].Name != "a" || all[2].Name != "b" {
			t.Errorf("%s: %s, %v", c.name, names(all), err)
			continue
		}
		if bad := all[1]; bad.Line != 2 || bad.Err == nil || !strings.HasPrefix(bad.Err.Error(), c.want) {
			t.Errorf("%s: line %d: %v; want line 2: %s", c.name, bad.Line, bad.Err, c.want)
		}
	}
	// One of the lines of JSON Lines.
	all, err := read(strings.NewReader("{\"userName\":\"a\"}\n{\"userName\" \"x\"}\n{\"userName\":\"b\"}\n"))
	if got := names(all); got != "1:a 2! 3:b" || err != nil {
		t.Errorf("lines: %s, %v", got, err)
	}
}

// TestExport shows that what Muster prints of a person is what it reads.
func TestExport(t *testing.T) {
	t.Parallel()
	u := directory.User{ID: "u1", UserName: "ada", Active: true, Attributes: map[string]any{
		"name":               map[string]any{"givenName": "Ada"},
		directory.Enterprise: map[string]any{"department": "R&D"},
		directory.Custom:     map[string]any{"badge": "7"},
	}}
	out, err := json.Marshal(u.SCIM(&directory.Member{ID: "u2", Name: "grace"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	all, err := read(strings.NewReader(string(out)))
	if err != nil || len(all) != 1 || all[0].Err != nil || len(all[0].Warnings) > 0 {
		t.Fatalf("%+v, %v", all, err)
	}
	if _, changed, err := u.Merge(all[0].Attributes); changed || err != nil || all[0].ID != "u1" || *all[0].Manager != "u2" {
		t.Errorf("%+v: changed %v, %v", all[0], changed, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(company))
	f.Add([]byte("{\"userName\":\"a\"}\n{\"displayName\":\"g\",\"members\":[{\"value\":\"a\"}]}\n[1,\"}\",{\"a\\\"\":[]},null"))
	f.Add([]byte(`{"Resources":[{"Resources":[{}]}],"totalResults":-1}{"resources":{"userName":"x"}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		for rec, err := range New(strings.NewReader(string(in))).Records() {
			if err != nil {
				break
			}
			if rec.Line < 1 || rec.Err == nil && rec.Name == "" {
				t.Fatalf("%+v", rec)
			}
			if rec.Err == nil && rec.Kind == directory.KindUser {
				if _, _, err := (directory.User{}).Merge(rec.Attributes); err != nil {
					t.Fatalf("the directory does not take %v: %v", rec.Attributes, err)
				}
			}
		}
		// As long as it is JSON that stands before it, whatever it says, the good resource after it is there.
		if json.Valid(in) {
			all, err := read(strings.NewReader("[" + string(in) + `,{"userName":"last"}]`))
			if err != nil || len(all) != 2 || all[1].Name != "last" || all[1].Err != nil {
				t.Fatalf("%s, %v", names(all), err)
			}
		}
	})
}
