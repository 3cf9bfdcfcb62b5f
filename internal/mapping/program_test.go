package mapping_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
)

// ada is a person with everything.
func ada() mapping.Facts {
	return mapping.Facts{
		User: &directory.User{
			ID: "0190-ada", UserName: "ada@example.org", ExternalID: "e-1", Active: true, ManagerID: "0190-grace",
			Attributes: map[string]any{
				"name":        map[string]any{"givenName": "Ada", "familyName": "Lovelace", "honorificPrefix": "Dr."},
				"displayName": "Ada Lovelace",
				"title":       "Analyst",
				"emails": []any{
					map[string]any{"value": "ada@example.org", "type": "work", "primary": true},
					map[string]any{"value": "ada@home.example", "type": "home"},
				},
				"roles":              []any{map[string]any{"value": "admin"}},
				directory.Enterprise: map[string]any{"department": "R&D", "costCenter": "4711"},
				directory.Custom:     map[string]any{"shoeSize": 38.5, "level": 3.0, "hireDate": "2024-03-01", "badge": "b-7", "tags": []any{"x", "y"}},
			},
		},
		Groups:  []string{"Engineering", "All Hands"},
		Manager: "grace@example.org",
		App:     "slack",
		Now:     time.Date(2026, 11, 22, 5, 30, 0, 0, time.UTC),
		Rand:    func(n uint64) uint64 { return 7 % n },
	}
}

// nobody is a person with nothing but a name.
func nobody() mapping.Facts {
	return mapping.Facts{User: &directory.User{ID: "0190-no", UserName: "nobody"}, App: "slack"}
}

func compile(t *testing.T, rows ...mapping.Mapping) *mapping.Program {
	t.Helper()
	p, err := mapping.Compile(directory.KindUser, rows)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func apply(t *testing.T, p *mapping.Program, f mapping.Facts, creating bool) attr.Set {
	t.Helper()
	set, err := p.Apply(f, creating)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestProgram_Apply(t *testing.T) {
	t.Parallel()
	p := compile(t,
		mapping.Mapping{Target: "userName", Source: "userName", Match: 2},
		mapping.Mapping{Target: `emails[type eq "work"].value`, Source: "emails[primary eq true].value", Match: 1},
		mapping.Mapping{Target: "name.givenName", Source: "NAME.givenname"},
		mapping.Mapping{Target: "title", Source: "user.title", Default: "Colleague"},
		mapping.Mapping{Target: "userType", Constant: "Employee"},
		mapping.Mapping{Target: "entitlements", Constant: []any{"a", 1}},
		mapping.Mapping{Target: "department", Source: "department", Sensitive: true},
		mapping.Mapping{Target: "nickName", Source: "nickName"},
		mapping.Mapping{Target: "groups2", Source: "groups"},
		mapping.Mapping{Target: "manager.value", Source: "manager"},
		mapping.Mapping{Target: "badge", Source: "custom.badge"},
		mapping.Mapping{Target: "displayName", Expression: `user.name.givenName + " " + user.name.familyName`, When: mapping.OnCreate},
		mapping.Mapping{Target: "locale", Expression: `user.groups.exists(g, g == "Engineering") ? "en" : ""`, Default: "de"},
	)
	want := attr.Set{
		"userName": "ada@example.org", `emails[type eq "work"].value`: "ada@example.org", "name.givenName": "Ada",
		"title": "Analyst", "userType": "Employee", "entitlements": []any{"a", 1.0}, "department": "R&D", "nickName": nil,
		"groups2": []any{"Engineering", "All Hands"}, "manager.value": "0190-grace", "badge": "b-7",
		"displayName": "Ada Lovelace", "locale": "en",
	}
	if diff := cmp.Diff(want, apply(t, p, ada(), true)); diff != "" {
		t.Errorf("creating (-want +got):\n%s", diff)
	}
	delete(want, "displayName")
	if diff := cmp.Diff(want, apply(t, p, ada(), false)); diff != "" {
		t.Errorf("updating (-want +got):\n%s", diff)
	}
	empty := attr.Set{
		"userName": "nobody", `emails[type eq "work"].value`: nil, "name.givenName": nil, "title": "Colleague",
		"userType": "Employee", "entitlements": []any{"a", 1.0}, "department": nil, "nickName": nil, "groups2": nil,
		"manager.value": nil, "badge": nil, "locale": "de", "displayName": " ",
	}
	got := apply(t, p, nobody(), true)
	if got["manager.value"] == "" {
		got["manager.value"] = nil
	}
	if diff := cmp.Diff(empty, got); diff != "" {
		t.Errorf("someone with nothing (-want +got):\n%s", diff)
	}
	if got, want := fmt.Sprint(p.Matching()), `[emails[type eq "work"].value userName]`; got != want {
		t.Errorf("matching attributes are %s, want %s", got, want)
	}
	if diff := cmp.Diff([]string{"manager.value"}, p.References()); diff != "" {
		t.Error(diff)
	}
	if !p.UsesGroups() || p.UsesManager() {
		t.Errorf("uses groups %v, manager's name %v; want true, false", p.UsesGroups(), p.UsesManager())
	}
}

// TestApply_AbsentIsEmpty wants that no attribute is an error for somebody who has nothing.
func TestApply_AbsentIsEmpty(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]any{
		`user.title`:                             nil,
		`user.title == ""`:                       true,
		`user.active`:                            false,
		`user.name.givenName + "x"`:              "x",
		`user.emails`:                            nil,
		`size(user.emails) + size(user.groups)`:  0.0,
		`user.emails.map(e, e.value)`:            nil,
		`user.emails.exists(e, e.primary)`:       false,
		`user.addresses.filter(a, a.type == "")`: nil,
		`user.department + user.manager`:         nil,
		`user.custom.anything == ""`:             true,
		`user.custom["any thing"]`:               nil,
		`has(user.custom.anything)`:              false,
		`has(user.title)`:                        false,
		`has(user.name)`:                         false,
		`has(user.name.givenName)`:               false,
		`user.custom`:                            nil,
		`size(user.custom)`:                      0.0,
		`"a" in user.custom`:                     false,
		`user.name`:                              nil,
		`user.groups`:                            nil,
		`[user][0].title`:                        nil,
		`toInt(user.custom.level)`:               0.0,
		`toBool(user.custom.level)`:              false,
		`toText(user.custom.level)`:              nil,
		`formatDate(user.custom.day, "yyyy")`:    nil,
		`dateAdd(user.custom.day, 1, "day")`:     nil,
		`dateDiff(user.custom.day, "", "day")`:   0.0,
		`parseDate(user.title, "yyyy")`:          nil,
		`fromADTicks(user.custom.expires)`:       nil,
		`toADTicks(user.title)`:                  nil,
		`split(user.title, ",")`:                 nil,
		`word(user.title, 3)`:                    nil,
		`right(user.title, 3) + left("", -1)`:    nil,
		`switch(user.title, {"a": "b"}, "c")`:    "c",
		`coalesce([user.title, user.nickName])`:  nil,
		`coalesce([])`:                           nil,
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			got := apply(t, compile(t, mapping.Mapping{Target: "x", Expression: expression}), nobody(), false)
			if diff := cmp.Diff(attr.Set{"x": want}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestApply_FaultsOfEntra holds what goes wrong in Entra ID's expressions and must not here: no AND
// and OR in IIF, an error on an empty attribute in a condition, Switch around IsPresent, a mapping
// that blanks its target because another attribute changed, a value that the source lost and the
// target keeps (functions-for-customizing-application-data and known-issues of its documentation).
func TestApply_FaultsOfEntra(t *testing.T) {
	t.Parallel()
	p := compile(t,
		mapping.Mapping{Target: "and", Expression: `user.department == "R&D" && user.title != "" || user.active ? "yes" : "no"`},
		mapping.Mapping{Target: "empty", Expression: `user.costCenter == "" ? "none" : user.costCenter`},
		mapping.Mapping{Target: "switch", Expression: `switch(isPresent(user.nickName), {true: user.nickName}, "nobody")`},
		mapping.Mapping{Target: "blanked", Expression: `switch(user.department, {"R&D": "lab"}, "office")`},
		mapping.Mapping{Target: "title", Source: "title"},
		mapping.Mapping{Target: "left", Expression: `ignoreIfEmpty(user.nickName)`},
	)
	before := apply(t, p, ada(), false)
	changed := ada()
	delete(changed.User.Attributes, "title")
	after := apply(t, p, changed, false)
	if diff := cmp.Diff([]attr.Edit{{Path: "title", Old: "Analyst", New: nil}}, attr.Diff(before, after)); diff != "" {
		t.Errorf("when only the title goes (-want +got):\n%s", diff)
	}
	want := attr.Set{"and": "yes", "empty": "4711", "switch": "nobody", "blanked": "lab", "title": nil}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestApply_Failures(t *testing.T) {
	t.Parallel()
	f := ada()
	f.User.Attributes["title"] = "Secret-Title"
	f.User.Attributes["nickName"] = strings.Repeat("Secret", 20_000)
	f.User.Attributes[directory.Custom].(map[string]any)["long"] = strings.Repeat("Secret", 20_000)
	f.User.Attributes[directory.Custom].(map[string]any)["title"] = "Secret-Title"
	for expression, want := range map[string]string{
		`int(user.title)`:                                "a value cannot be converted to the type it asks for (line 1, column 4)",
		`{"a": 1}[user.title]`:                           "it looks up a key that is not there (line 1, column 9)",
		`user.emails[7].value`:                           "it takes an element that the list does not have (line 1, column 15)",
		`1 / size(user.photos)`:                          "it divides by zero (line 1, column 3)",
		`user.custom.title + 1`:                          "it combines values whose types do not go together (line 1, column 19)",
		`timestamp(user.title) == timestamp(user.title)`: "a text is not a time as RFC 3339 writes it, such as 2006-01-02T15:04:05Z (line 1, column 10)",
		`duration(user.title) == duration("1s")`:         "a value cannot be converted to the type it asks for (line 1, column 9)",
		`toInt(user.title)`:                              "toInt is given something that is not a whole number (line 1, column 6)",
		`toBool(user.title)`:                             "toBool is given something other than true, false, 1, 0, yes or no (line 1, column 7)",
		`user.nickName`:                                  "nickName is longer than 64 KiB (line 1, column 5)",
		`user.custom.long`:                               "custom.long is longer than 64 KiB (line 1, column 12)",
		`dateAdd(user.title, 1, "day")`:                  "a date is not written as 2006-01-02, 2006-01-02T15:04:05Z or 20060102150405Z (line 1, column 8)",
		`dateAdd("2024-01-01", 1, "days")`:               "a unit is year, month, week, day, hour, minute or second (line 1, column 8)",
		`formatDate("2024-01-01", "YYYY")`:               `a date pattern has "Y", which is none of yyyy yy MMMM MMM MM M dddd ddd dd d HH hh h mm m ss s .fff tt zzz K (line 1, column 11)`,
		`9007199254740993`:                               "the result is a whole number beyond 2^53, make it text with toText",
		`0.0 / 0.0`:                                      "the result is not a number",
		`dyn(duration("1s"))`:                            "the result is a google.protobuf.Duration, which is no attribute's value",
		`user.custom.badge ? "a" : "b"`:                  "it combines values whose types do not go together (line 1, column 19)",
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			_, err := compile(t, mapping.Mapping{Target: "x", Expression: expression}).Apply(f, true)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff("the mapping of x fails: "+want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), "Secret") {
				t.Error("the error holds a value of the person")
			}
		})
	}
}

// TestApply_Chance wants functions of chance and time to follow the facts alone, and to refuse when
// these are not there.
func TestApply_Chance(t *testing.T) {
	t.Parallel()
	p := compile(t,
		mapping.Mapping{Target: "key", Expression: `uuid()`, When: mapping.OnCreate},
		mapping.Mapping{Target: "word", Expression: `randomString(5, "abcdefghij")`, When: mapping.OnCreate},
		mapping.Mapping{Target: "day", Expression: `now()`, When: mapping.OnCreate},
	)
	want := attr.Set{"key": "07070707-0707-4707-8707-070707070707", "word": "hhhhh", "day": "2026-11-22T05:30:00Z"}
	if diff := cmp.Diff(want, apply(t, p, ada(), true)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := apply(t, p, ada(), false); len(got) != 0 {
		t.Errorf("updating gives %v, want nothing", got)
	}
	if diff := cmp.Diff([]string{"key", "word", "day"}, p.CreateOnly()); diff != "" {
		t.Error(diff)
	}
	if _, err := p.Apply(nobody(), true); err == nil {
		t.Error("chance came from nowhere")
	}
	for _, expression := range []string{`randomString(0)`, `randomString(257)`, `randomString(3, "")`} {
		p := compile(t, mapping.Mapping{Target: "x", Expression: expression, When: mapping.OnCreate})
		if _, err := p.Apply(ada(), true); err == nil {
			t.Errorf("%s: no error", expression)
		}
	}
}

func TestProgram_Sensitive(t *testing.T) {
	t.Parallel()
	p := compile(t,
		mapping.Mapping{Target: "name", Source: "name", Sensitive: true},
		mapping.Mapping{Target: `emails[type eq "work"].value`, Source: "userName", Sensitive: true},
		mapping.Mapping{Target: `emails[type eq "home"].value`, Source: "userName"},
		mapping.Mapping{Target: "title", Source: "title"},
	)
	for target, want := range map[string]bool{
		"name": true, "NAME": true, "name.givenName": true, "title": false, `emails[type eq "work"].value`: true,
		`emails[type eq "home"].value`: false, "emails": true, "nickName": false, "": false,
	} {
		if got := p.Sensitive(target); got != want {
			t.Errorf("sensitive %s: %v, want %v", target, got, want)
		}
	}
}

func TestProgram_Uses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		row             mapping.Mapping
		groups, manager bool
	}{
		"source":         {mapping.Mapping{Source: "groups"}, true, false},
		"expression":     {mapping.Mapping{Expression: `user.groups.exists(g, g == user.manager)`}, true, true},
		"in a macro":     {mapping.Mapping{Expression: `["a"].filter(g, g in user.groups)`}, true, false},
		"in a function":  {mapping.Mapping{Expression: `user.groups.join(",")`}, true, false},
		"presence":       {mapping.Mapping{Expression: `has(user.manager)`}, false, true},
		"a reference":    {mapping.Mapping{Source: "manager"}, false, false},
		"through a bind": {mapping.Mapping{Expression: `cel.bind(u, user, u.groups.join(u.manager))`}, true, true},
		"through a list": {mapping.Mapping{Expression: `[user].map(u, u.manager)[0]`}, true, true},
		"neither":        {mapping.Mapping{Expression: `user.title`}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.row.Target = "x"
			p := compile(t, c.row)
			if p.UsesGroups() != c.groups || p.UsesManager() != c.manager {
				t.Errorf("groups %v, manager %v; want %v, %v", p.UsesGroups(), p.UsesManager(), c.groups, c.manager)
			}
		})
	}
}

// TestProgram_Concurrent is for the race detector.
func TestProgram_Concurrent(t *testing.T) {
	t.Parallel()
	p := compile(t, usual...)
	filter, err := mapping.CompileFilter(directory.KindUser, `user.emails[0].value == "" || int(user.title) > 0`)
	if err != nil {
		t.Fatal(err)
	}
	want := apply(t, p, ada(), true)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				got, err := p.Apply(ada(), true)
				if err != nil || !cmp.Equal(want, got) {
					t.Errorf("%v %v", got, err)
				}
				if _, _, err := filter.Admits(nobody()); err == nil {
					t.Error("no error")
				}
			}
		})
	}
	wg.Wait()
}
