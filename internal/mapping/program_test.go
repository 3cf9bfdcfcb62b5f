package mapping_test

import (
	"fmt"
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
