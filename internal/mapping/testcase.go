package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

// Test is a case that is kept with a mapping: what it gives for somebody. It is run whenever the mapping
// changes. Exactly one of Person and Given says for whom.
type Test struct {
	Person string         `json:"person,omitempty"` // userName, e-mail or id of a user, or display name or id of a group, as they are then
	Given  map[string]any `json:"given,omitzero"`   // attributes of nobody in particular, by path; groups and manager among them
	Expect any            `json:"expect"`           // the value; null is none
}

// Facts are those of the given attributes, for a test without a person.
func (t Test) Facts(kind directory.Kind, app string) (Facts, error) {
	f := Facts{App: app}
	edit := directory.Edit{}
	manager := ""
	for path, value := range t.Given {
		switch directory.Key(path) {
		case "manager":
			name, ok := value.(string)
			if !ok {
				return f, errors.New("manager is a userName")
			}
			manager = name
		case "groups":
			names, ok := value.([]any)
			if !ok {
				return f, errors.New("groups is a list of names")
			}
			for _, n := range names {
				f.Groups = append(f.Groups, fmt.Sprint(n))
			}
		default:
			edit[path] = value
		}
	}
	var err error
	if kind == directory.KindGroup {
		g, _, merr := directory.Group{ID: "test"}.Merge(edit)
		f.Group, err = &g, merr
		return f, err
	}
	u, _, err := directory.User{ID: "test", Active: true}.Merge(edit)
	u.ManagerID, f.Manager = manager, manager
	f.User = &u
	return f, err
}

// Run carries a test out on the facts of its person, or on those of its given attributes, and returns
// what the mapping gives. An error says why it gives nothing, and never holds a value.
func (t Test) Run(m Mapping, f Facts) (got any, passed bool, err error) {
	p, err := Compile(f.Kind(), []Mapping{{Target: m.Target, Source: m.Source, Constant: m.Constant, Expression: m.Expression, Default: m.Default, When: m.When}})
	if err != nil {
		return nil, false, err
	}
	if e := p.rows[0].expression; e != nil && e.impure() != "" {
		return nil, false, fmt.Errorf("%s() gives another value each time, which no test can expect", e.impure())
	}
	set, err := p.Apply(f, true)
	if err != nil {
		return nil, false, err
	}
	if got = set[p.rows[0].target]; p.rows[0].reference && !attr.Empty(got) {
		got = f.Manager
	}
	got, want := plainJSON(got), plainJSON(t.Expect)
	return got, attr.Equal(got, want), nil
}

// plainJSON brings a value into the types that encoding/json reads.
func plainJSON(v any) (out any) {
	b, err := json.Marshal(v)
	if err != nil || json.Unmarshal(b, &out) != nil {
		return v
	}
	return out
}

// Check tells what is wrong with the test itself, "" when nothing is.
func (t Test) Check() string {
	switch {
	case strings.TrimSpace(t.Person) != "" && len(t.Given) > 0:
		return "a test is of a person or of given attributes, not of both"
	case strings.TrimSpace(t.Person) == "" && t.Given == nil:
		return "a test needs a person, or given attributes ({} for none at all)"
	}
	return ""
}

// WithoutTests returns mappings as they decide: tests change nothing for anybody.
func WithoutTests(rows []Mapping) []Mapping {
	if len(rows) == 0 {
		return rows
	}
	out := make([]Mapping, len(rows))
	for i, m := range rows {
		m.Tests = nil
		out[i] = m
	}
	return out
}
