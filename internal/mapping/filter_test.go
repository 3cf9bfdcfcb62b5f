package mapping_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
)

// TestFilter_Admits holds, beside the ordinary, everything that Entra ID's scoping filters cannot ask
// for: groups, several values, the manager, userType, dates.
func TestFilter_Admits(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		ada, nobody bool
		detail      string // of ada
	}{
		`user.department == "R&D"`:                    {true, false, `user.department == "R&D" is fulfilled: user.department is "R&D"`},
		`user.department != "R&D"`:                    {false, true, `user.department != "R&D" is not fulfilled: user.department is "R&D"`},
		`"Engineering" in user.groups`:                {true, false, `"Engineering" in user.groups is fulfilled: user.groups is ["Engineering","All Hands"]`},
		`user.emails.exists(e, e.type == "home")`:     {true, false, ""},
		`user.manager.startsWith("grace")`:            {true, false, `user.manager.startsWith("grace") is fulfilled: user.manager is "grace@example.org"`},
		`user.userType == "" && user.nickName == ""`:  {true, true, `user.userType == "" && user.nickName == "" is fulfilled: user.userType is empty, user.nickName is empty`},
		`user.custom.hireDate > "2024-01-01"`:         {true, false, `user.custom.hireDate > "2024-01-01" is fulfilled: user.custom.hireDate is "2024-03-01"`},
		`user.custom.badge != "" || app == "x"`:       {true, false, `user.custom.badge != "" || app == "x" is fulfilled: user.custom.badge is "b-7"`},
		`user.active`:                                 {true, false, `user.active is fulfilled: user.active is true`},
		`user.name.givenName.matches("^A.a$")`:        {true, false, `user.name.givenName.matches("^A.a$") is fulfilled: user.name.givenName is "Ada"`},
		`cel.bind(u, user, u.title == "Analyst")`:     {true, false, `cel.bind(u, user, u.title == "Analyst") is fulfilled`},
		`app == "slack"`:                              {true, true, `app == "slack" is fulfilled`},
		`has(user.custom.badge) && user.groups != []`: {true, false, ""},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			f, err := mapping.CompileFilter(directory.KindUser, text)
			if err != nil {
				t.Fatal(err)
			}
			got, detail, err := f.Admits(ada())
			if err != nil || got != c.ada {
				t.Errorf("ada: %v, %v", got, err)
			}
			if c.detail != "" {
				if diff := cmp.Diff(c.detail, detail); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
			if got, _, err := f.Admits(nobody()); err != nil || got != c.nobody {
				t.Errorf("nobody: %v, %v", got, err)
			}
		})
	}
}

func TestFilter_Problems(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                     "filter: the expression is empty",
		`user.title`:           `filter: the expression must yield true or false, and yields text (for example user.displayName.startsWith("R"))`,
		`user.titel == "a"`:    "filter, line 1, column 6: there is no attribute titel (did you mean title?)",
		`user.title = "a"`:     "filter, line 1, column 12: something is not closed, or not part of an expression: = ",
		`now() > "2024-01-01"`: "filter: now() gives another value each time, so the scope would never be settled",
	} {
		_, err := mapping.CompileFilter(directory.KindUser, text)
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		first, _, _ := strings.Cut(err.Error(), "\n")
		if diff := cmp.Diff(want, first); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestFilter_Failure(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`int(user.title) > 3`: "the filter int(user.title) > 3 fails: a value cannot be converted to the type it asks for (line 1, column 4)",
		`user.custom.badge`:   "the filter user.custom.badge fails: it yields something other than true or false",
	} {
		f, err := mapping.CompileFilter(directory.KindUser, text)
		if err != nil {
			t.Fatal(err)
		}
		admitted, _, err := f.Admits(ada())
		if admitted || err == nil || err.Error() != want {
			t.Errorf("admitted %v, %v; want %s", admitted, err, want)
		}
	}
}
