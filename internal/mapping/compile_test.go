package mapping_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
)

func TestCompile_Problems(t *testing.T) {
	t.Parallel()
	title := func(expression string) mapping.Mapping {
		return mapping.Mapping{Target: "title", Expression: expression}
	}
	for name, c := range map[string]struct {
		row  mapping.Mapping
		want string // the problem as it is told
	}{
		"no target":           {mapping.Mapping{Source: "title"}, `target: the target attribute is missing (for example "title" or "name.givenName")`},
		"bad target":          {mapping.Mapping{Target: "a b", Source: "title"}, `target: path "a b": "a b" is not an attribute's name`},
		"a schema":            {mapping.Mapping{Target: directory.Enterprise, Source: "title"}, "target: " + directory.Enterprise + " is a schema, not an attribute"},
		"active":              {mapping.Mapping{Target: "Active", Constant: true}, "target: Active is not set by a mapping (Muster itself says whether an account is active: from the person's state and scope)"},
		"nothing given":       {mapping.Mapping{Target: "title"}, "source: one of source, constant and expression must be given"},
		"two given":           {mapping.Mapping{Target: "title", Source: "title", Constant: "x"}, "constant: source and constant are given, and only one may be"},
		"unknown source":      {mapping.Mapping{Target: "title", Source: "titel"}, "source: unknown attribute titel; did you mean title?"},
		"part of manager":     {mapping.Mapping{Target: "title", Source: "manager.displayName"}, "source: only the manager as such can be mapped, as a reference: write manager; the name is user.manager in an expression"},
		"part of groups":      {mapping.Mapping{Target: "title", Source: "groups.value"}, "source: of groups only the names are there: write groups"},
		"constant map":        {mapping.Mapping{Target: "title", Constant: map[string]any{}}, "constant: a constant is text, a number, true, false or a list of them, not map[string]interface {}"},
		"list in list":        {mapping.Mapping{Target: "title", Constant: []any{[]any{"a"}}}, "constant: a list in a list is no constant"},
		"default of constant": {mapping.Mapping{Target: "title", Constant: "a", Default: "b"}, "default: a constant is never empty, so a default has no place beside it"},
		"default of manager":  {mapping.Mapping{Target: "manager", Source: "manager", Default: "b"}, "default: a reference to another person has no default"},
		"when":                {mapping.Mapping{Target: "title", Source: "title", When: "never"}, `when: "never" is no time for a mapping (always or create)`},
		"match":               {mapping.Mapping{Target: "title", Source: "title", Match: -1}, "match: the place among the matching attributes counts from 1"},

		"empty expression":    {title(" "), "expression: the expression is empty"},
		"unknown attribute":   {title("user.titel"), "expression, line 1, column 6: there is no attribute titel (did you mean title?)"},
		"unknown part":        {title("user.name.givenname"), "expression, line 1, column 11: there is no attribute givenname (did you mean givenName?)"},
		"unknown in a macro":  {title(`user.emails.map(e, e.vale)`), "expression, line 1, column 22: there is no attribute vale (did you mean value?)"},
		"second line":         {title("user.title +\n  user.nick"), "expression, line 2, column 8: there is no attribute nick (did you mean nickName?)"},
		"without user":        {title(`department`), "expression, line 1, column 1: the name department is not known (write user.department)"},
		"mistyped variable":   {title(`usre.title`), "expression, line 1, column 1: the name usre is not known (did you mean user?)"},
		"mistyped function":   {title(`loewr(user.title)`), "expression, line 1, column 1: the name loewr is not known (did you mean lower?)"},
		"function of Entra":   {title(`ToUpper(user.title)`), "expression, line 1, column 1: the name ToUpper is not known (Entra ID's ToUpper is upper here)"},
		"IIF":                 {title(`IIF(user.active, "a", "b")`), "expression, line 1, column 1: the name IIF is not known (Entra ID's IIF is condition ? a : b here)"},
		"wrong argument":      {title(`left(user.title, "2")`), "expression, line 1, column 1: left cannot be called with (text, text) (left(text, whole number))"},
		"wrong operand":       {title(`1 + "a"`), "expression, line 1, column 3: + cannot be used on (whole number, text) (toText makes a text of a value)"},
		"ends early":          {title(`user.title + `), "expression, line 1, column 14: the expression ends too early"},
		"not closed":          {title(`"abc`), `expression, line 1, column 1: something is not closed, or not part of an expression: "abc`},
		"unexpected":          {title(`user.title ? : "a"`), `expression, line 1, column 14: : is not expected here`},
		"regular expression":  {title(`user.title.matches("(")`), "expression, line 1, column 20: a regular expression is not valid: missing closing ) (the syntax is that of RE2)"},
		"of our own":          {title(`replaceRegex("", "[", "")`), "expression, line 1, column 18: a regular expression is not valid: missing closing ] (the syntax is that of RE2)"},
		"the whole user":      {title(`user`), "expression: the expression yields the whole user, which no attribute can hold (an attribute is text, a number, true or false, or a list or map of them)"},
		"bytes":               {title(`[b"a"]`), "expression: the expression yields bytes, which no attribute can hold (an attribute is text, a number, true or false, or a list or map of them)"},
		"chance at any time":  {title(`"a" + uuid()`), "expression: uuid() gives another value each time, so the account would never be in step (set when: create)"},
		"time at any time":    {title(`now()`), "expression: now() gives another value each time, so the account would never be in step (set when: create)"},
		"time zones":          {title(`string(timestamp("2024-01-01T00:00:00Z").getHours("Europe/Vienna"))`), "expression, line 1, column 42: getHours cannot be called with timestamp.(text)"},
		"a group's attribute": {title(`group.displayName`), "expression, line 1, column 1: the name group is not known (did you mean user.groups?)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := mapping.Mapping{Target: "userName", Source: "userName", Match: 1}
			_, err := mapping.Compile(directory.KindUser, []mapping.Mapping{good, c.row})
			var problems mapping.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			if problems[0].Row != 1 {
				t.Errorf("the row is %d, want 1", problems[0].Row)
			}
			if diff := cmp.Diff(c.want, problems[0].String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompile_Clashes(t *testing.T) {
	t.Parallel()
	_, err := mapping.Compile(directory.KindUser, []mapping.Mapping{
		{Target: "userName", Source: "userName", Match: 1},
		{Target: "USERNAME", Source: "id"},
		{Target: "name", Source: "name"},
		{Target: "name.givenName", Source: "name.givenName", Match: 1},
		{Target: "title", Source: "nothing", Match: 2, Default: map[string]any{}},
		{Target: `emails[type eq "work"].value`, Source: "userName"},
		{Target: `emails[type eq "home"].value`, Source: "userName"},
	})
	want := strings.Join([]string{
		"mapping 2: target: USERNAME is mapped twice, first by mapping 1",
		"mapping 4: target: name.givenName is part of name, which mapping 3 sets as a whole",
		"mapping 4: match: place 1 among the matching attributes is taken by mapping 1",
		"mapping 5: source: unknown attribute nothing; an attribute of your own is written custom.NAME",
		"mapping 5: default: a constant is text, a number, true, false or a list of them, not map[string]interface {}",
	}, "\n")
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCompile_Group(t *testing.T) {
	t.Parallel()
	p, err := mapping.Compile(directory.KindGroup, []mapping.Mapping{
		{Target: "displayName", Source: "displayName", Match: 1},
		{Target: "externalId", Source: "id"},
		{Target: "x", Expression: `app + "-" + group.displayName + group.custom.suffix`},
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := p.Apply(mapping.Facts{App: "slack", Group: &directory.Group{
		ID: "g1", DisplayName: "Engineering",
		Attributes: map[string]any{directory.Custom: map[string]any{"suffix": "!"}},
	}}, true)
	if err != nil {
		t.Fatal(err)
	}
	if set["displayName"] != "Engineering" || set["externalId"] != "g1" || set["x"] != "slack-Engineering!" {
		t.Error(set)
	}
	if _, err := mapping.Compile(directory.KindGroup, []mapping.Mapping{{Target: "x", Source: "members"}}); err == nil {
		t.Error("members were accepted as a source")
	}
	if _, err := mapping.Compile(directory.KindGroup, []mapping.Mapping{{Target: "members", Source: "id"}}); err == nil {
		t.Error("members were accepted as a target")
	}
}
