package attr

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

func TestParsePath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		urn, name, filter, sub, canonical string
	}{
		"userName":                     {"", "userName", "", "", "userName"},
		"  userName ":                  {"", "userName", "", "", "userName"},
		"name.givenName":               {"", "name", "", "givenName", "name.givenName"},
		"members.$ref":                 {"", "members", "", "$ref", "members.$ref"},
		"shoe-size_2":                  {"", "shoe-size_2", "", "", "shoe-size_2"},
		`emails[type eq "work"]`:       {"", "emails", `type eq "work"`, "", `emails[type eq "work"]`},
		`emails[type  EQ "a]b"].value`: {"", "emails", `type eq "a]b"`, "value", `emails[type eq "a]b"].value`},
		`roles[value eq "R&D"].value`:  {"", "roles", `value eq "R&D"`, "value", `roles[value eq "R&D"].value`},
		`emails[type eq "work" and primary eq true].value`: {
			"", "emails", `type eq "work" and primary eq true`, "value",
			`emails[type eq "work" and primary eq true].value`,
		},
		enterprise:                         {enterprise, "", "", "", enterprise},
		enterprise + ":department":         {enterprise, "department", "", "", enterprise + ":department"},
		enterprise + ":manager.value":      {enterprise, "manager", "", "value", enterprise + ":manager.value"},
		enterprise + `:list[a eq "x:y"].b`: {enterprise, "list", `a eq "x:y"`, "b", enterprise + `:list[a eq "x:y"].b`},
		"URN:ietf:params:scim:schemas:core:2.0:User:userName": {
			"URN:ietf:params:scim:schemas:core:2.0:User", "userName", "", "",
			"URN:ietf:params:scim:schemas:core:2.0:User:userName",
		},
		// As Entra ID's mappings for Slack write the extension of SCIM 1.
		"urn:scim:schemas:extension:enterprise:1.0":            {"urn:scim:schemas:extension:enterprise:1.0", "", "", "", "urn:scim:schemas:extension:enterprise:1.0"},
		"urn:scim:schemas:extension:enterprise:1.0:department": {"urn:scim:schemas:extension:enterprise:1.0", "department", "", "", "urn:scim:schemas:extension:enterprise:1.0:department"},
		"urn:scim:schemas:extension:enterprise:1.0.department": {"urn:scim:schemas:extension:enterprise:1.0", "department", "", "", "urn:scim:schemas:extension:enterprise:1.0:department"},
		"urn:scim:schemas:extension:enterprise:1.0.manager.managerId": {
			"urn:scim:schemas:extension:enterprise:1.0", "manager", "", "managerId",
			"urn:scim:schemas:extension:enterprise:1.0:manager.managerId",
		},
	} {
		p, err := ParsePath(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		filter := ""
		if p.Filter != nil {
			filter = p.Filter.String()
		}
		if p.URN != want.urn || p.Name != want.name || filter != want.filter || p.Sub != want.sub {
			t.Errorf("%s reads as %q %q [%s] %q", text, p.URN, p.Name, filter, p.Sub)
		}
		if p.String() != want.canonical {
			t.Errorf("%s is written %s, want %s", text, p, want.canonical)
		}
	}
}

func TestParsePath_Refused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                     "an attribute path is empty",
		"a b":                  `path "a b": "a b" is not an attribute's name`,
		"a.b.c":                `path "a.b.c": "b.c" is not a sub-attribute's name`,
		".a":                   `path ".a": "" is not an attribute's name`,
		"1a":                   `path "1a": "1a" is not an attribute's name`,
		`a[b eq "c"`:           `path "a[b eq \"c\"": the bracket is not closed`,
		`a[b eq "c"]d`:         `path "a[b eq \"c\"]d": "d" after the bracket is not a sub-attribute`,
		`a[b eq c]`:            `"c" is not a value; text stands in double quotes`,
		`a[b is "c"]`:          `"is" is not an operator`,
		`a[]`:                  "an attribute path is empty",
		enterprise + ":":       `"" is not an attribute's name`,
		"urn:x:1.0.":           `is not a sub-attribute's name`,
		strings.Repeat("ä", 9): "is not an attribute's name",
	} {
		p, err := ParsePath(text)
		if err == nil {
			t.Errorf("%s reads as %s", text, p)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func grace() map[string]any {
	return map[string]any{
		"userName": "grace",
		"name":     map[string]any{"givenName": "Grace"},
		"emails": []any{
			map[string]any{"value": "g@work", "type": "work", "primary": true},
			map[string]any{"value": "g@home", "type": "HOME"},
		},
		"tags":     []any{"a", "b"},
		enterprise: map[string]any{"department": "Navy"},
	}
}

func TestPath_Of(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]any{
		"userName":                           "grace",
		"USERNAME":                           "grace",
		"nickName":                           nil,
		"name.givenName":                     "Grace",
		"name.familyName":                    nil,
		"userName.x":                         nil,
		"userName.value":                     "grace",
		"emails.value":                       []any{"g@work", "g@home"},
		`emails[type eq "work"].value`:       "g@work",
		`emails[type eq "home"].value`:       "g@home",
		`emails[type eq "other"].value`:      nil,
		`emails[primary eq true].value`:      "g@work",
		`emails[primary eq "True"].value`:    "g@work",
		`emails[primary eq false].value`:     "g@home",
		`emails[not (type eq "work")].value`: "g@home",
		`emails[value co "@"].type`:          []any{"work", "HOME"},
		"tags":                               []any{"a", "b"},
		`tags[value eq "b"]`:                 "b",
		`tags[value eq "b"].value`:           "b",
		enterprise + ":department":           "Navy",
		enterprise + ":division":             nil,
		enterprise:                           map[string]any{"department": "Navy"},
		"urn:ietf:params:scim:schemas:core:2.0:User:name.givenName": "Grace",
		"urn:example:other:2.0:User:department":                     nil,
	} {
		if diff := cmp.Diff(want, MustPath(path).Of(grace())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestPath_Put(t *testing.T) {
	t.Parallel()
	type step struct {
		path  string
		value any
	}
	for name, c := range map[string]struct {
		steps []step
		want  map[string]any
	}{
		"from nothing": {
			[]step{
				{"userName", "ada"},
				{"name.givenName", "Ada"},
				{`emails[type eq "work" and primary eq true].value`, "a@w"},
				{`emails[type eq "home"].value`, "a@h"},
				{enterprise + ":department", "R&D"},
				{`phoneNumbers[type eq "work"]`, "1"},
			},
			map[string]any{
				"userName": "ada", "name": map[string]any{"givenName": "Ada"},
				"emails": []any{
					map[string]any{"type": "work", "primary": true, "value": "a@w"},
					map[string]any{"type": "home", "value": "a@h"},
				},
				enterprise:     map[string]any{"department": "R&D"},
				"phoneNumbers": []any{map[string]any{"type": "work", "value": "1"}},
			},
		},
		"over what is there": {
			[]step{{"USERNAME", "ada"}, {"Name.GIVENNAME", "Ada"}, {"name.familyName", "L"}, {`emails[type eq "WORK"].value`, "a@w"}},
			map[string]any{
				"USERNAME": "ada", "Name": map[string]any{"GIVENNAME": "Ada", "familyName": "L"},
			},
		},
		"two parts of one entry": {
			[]step{{`addresses[type eq "work"].locality`, "Wien"}, {`addresses[type eq "work"].country`, "AT"}},
			map[string]any{"addresses": []any{map[string]any{"type": "work", "locality": "Wien", "country": "AT"}}},
		},
		"set and cleared": {
			[]step{
				{"userName", "ada"},
				{"userName", ""},
				{"name.givenName", "Ada"},
				{"name.givenName", nil},
				{`emails[type eq "work"].value`, "a@w"},
				{`emails[type eq "work"].value`, nil},
				{enterprise + ":department", nil},
				{"name.x", nil},
				{"tags", []any{}},
			},
			map[string]any{},
		},
		"a whole extension": {
			[]step{{enterprise, map[string]any{"department": "x"}}, {enterprise + ":department", "y"}},
			map[string]any{enterprise: map[string]any{"department": "y"}},
		},
	} {
		doc := map[string]any{}
		for _, s := range c.steps {
			MustPath(s.path).Put(doc, s.value)
		}
		if name == "over what is there" {
			if got := MustPath("userName").Of(doc); got != "ada" {
				t.Errorf("%s: userName is %v", name, got)
			}
			if got := MustPath("name").Of(doc); !Equal(got, map[string]any{"GIVENNAME": "Ada", "familyName": "L"}) {
				t.Errorf("%s: name is %v", name, got)
			}
			continue
		}
		if diff := cmp.Diff(c.want, doc); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// FuzzPutOf wants every value that was put to be found again, and a second Put of it to change nothing.
func FuzzPutOf(f *testing.F) {
	for _, s := range []string{
		"userName", "name.givenName", `emails[type eq "work"].value`, enterprise + ":manager.value",
		`emails[type eq "work" and primary eq true].value`, `roles[primary eq "True"].value`, `a[value eq "x"]`, `a[b eq null].c`, `a[b eq "x"].b`,
	} {
		f.Add(s, "v")
	}
	f.Fuzz(func(t *testing.T, s, value string) {
		p, err := ParsePath(s)
		if err != nil || Empty(value) || p.Name == "" {
			return
		}
		if p.Filter != nil && (p.Filter.Op != "eq" || p.Filter.Path.Name == "" || p.Filter.Path.Sub != "" || p.Filter.Path.Filter != nil ||
			p.Filter.Path.URN != "" || p.Filter.Value == nil || p.Filter.Value == "" ||
			strings.EqualFold(p.Filter.Path.Name, p.Sub) || p.Sub == "" && strings.EqualFold(p.Filter.Path.Name, "value")) {
			return // such a filter does not describe an entry to make, or contradicts the value
		}
		doc := map[string]any{}
		p.Put(doc, value)
		got := p.Of(doc)
		if entry, ok := got.(map[string]any); ok && p.Filter != nil && p.Sub == "" {
			got = entry["value"]
		}
		if got != value {
			t.Fatalf("%s: put %q, found %v in %v", p, value, got, doc)
		}
		p.Put(doc, nil)
		if !Empty(p.Of(doc)) {
			t.Fatalf("%s: cleared, and %v is left in %v", p, p.Of(doc), doc)
		}
	})
}
