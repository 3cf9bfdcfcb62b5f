package admin

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
)

// MappingTest is what came of one test that is kept with a mapping.
type MappingTest struct {
	Type    directory.Kind `json:"type"`
	Target  string         `json:"target"`
	Row     int            `json:"row"`  // index of the mapping among those of its type
	Test    int            `json:"test"` // index of the test among those of its mapping
	Person  string         `json:"person,omitempty"`
	Given   map[string]any `json:"given,omitempty"`
	Expect  any            `json:"expect"`
	Got     any            `json:"got"`
	Passed  bool           `json:"passed"`
	Problem string         `json:"problem,omitempty"` // why there is no value to compare
}

// MappingTests are what came of all tests of an application.
type MappingTests struct {
	Application string        `json:"application"`
	Tests       []MappingTest `json:"tests"`
	Failed      int           `json:"failed"`
}

// TestMappings runs the tests that are kept with the mappings of an application. The target is not asked.
func (d *Desk) TestMappings(ctx context.Context, name string) (MappingTests, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return MappingTests{}, err
	}
	users, err := d.TestRows(ctx, app, directory.KindUser, app.Mappings.Users)
	if err != nil {
		return MappingTests{}, err
	}
	groups, err := d.TestRows(ctx, app, directory.KindGroup, app.Mappings.Groups)
	out := MappingTests{Application: app.Name, Tests: append(users, groups...)}
	for _, t := range out.Tests {
		if !t.Passed {
			out.Failed++
		}
	}
	return out, err
}

// TestRows runs the tests of mappings that need not be saved.
func (d *Desk) TestRows(ctx context.Context, app *provision.Application, kind directory.Kind, rows []mapping.Mapping) ([]MappingTest, error) {
	out := []MappingTest{}
	for i, m := range rows {
		for j, t := range m.Tests {
			r := MappingTest{Type: kind, Target: m.Target, Row: i, Test: j, Person: t.Person, Given: t.Given, Expect: t.Expect}
			f, err := d.factsOf(ctx, app, kind, t)
			if ctx.Err() != nil {
				return out, ctx.Err()
			}
			if err == nil {
				r.Got, r.Passed, err = t.Run(m, f)
			}
			if err != nil {
				r.Problem = Explain(err).Message
				if _, known := err.(mapping.Problems); known || Explain(err).Exit == ExitInternal {
					r.Problem = err.Error()
				}
			}
			if m.Sensitive {
				r.Given, r.Expect, r.Got = nil, hiddenValue, hiddenValue
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// hiddenValue stands for the values of sensitive mappings.
const hiddenValue = "(hidden)"

// factsOf are the facts of a test: of the person as they are now, or of the given attributes.
func (d *Desk) factsOf(ctx context.Context, app *provision.Application, kind directory.Kind, t mapping.Test) (mapping.Facts, error) {
	if strings.TrimSpace(t.Person) == "" {
		return t.Facts(kind, app.Name)
	}
	f := mapping.Facts{App: app.Name}
	if kind == directory.KindGroup {
		g, err := d.store.GroupByName(ctx, t.Person)
		f.Group = &g
		return f, err
	}
	p, err := d.Person(ctx, t.Person)
	if err != nil {
		return f, err
	}
	f.User, f.Manager = &p.User, p.Manager
	for _, g := range p.Groups {
		f.Groups = append(f.Groups, g.Name)
	}
	return f, nil
}

// passing refuses a document whose mappings fail tests of theirs. Only mappings that it changes are
// looked at: a person whom a test is about may have changed since, and nothing else waits for that.
func (d *Desk) passing(ctx context.Context, doc config.Document) error {
	var failed []string
	for i := range doc.Applications {
		app := &doc.Applications[i].Application
		before, err := d.store.Application(ctx, app.Name)
		if err != nil {
			before = &provision.Application{} // it is new
		}
		for kind, rows := range map[directory.Kind][2][]mapping.Mapping{
			directory.KindUser:  {before.Mappings.Users, app.Mappings.Users},
			directory.KindGroup: {before.Mappings.Groups, app.Mappings.Groups},
		} {
			if reflect.DeepEqual(rows[0], rows[1]) {
				continue
			}
			results, err := d.TestRows(ctx, app, kind, rows[1])
			if err != nil {
				return err
			}
			for _, r := range results {
				if !r.Passed {
					failed = append(failed, r.Says())
				}
			}
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return usage("mapping_tests", "correct the mapping or the test, or apply it all the same with --ignore-tests; nothing was changed", "%s", strings.Join(failed, "\n"))
}

// Says tells what came of a test in one line.
func (t MappingTest) Says() string {
	whom := t.Person
	if whom == "" {
		whom = "the given attributes"
	}
	if t.Passed {
		return fmt.Sprintf("passed  %s %s: %s", t.Type, t.Target, shownValue(t.Expect))
	}
	if t.Problem != "" {
		return fmt.Sprintf("test %d of the mapping of %s fails for %s: %s", t.Test+1, t.Target, whom, t.Problem)
	}
	return fmt.Sprintf("test %d of the mapping of %s expects %s for %s, and it gives %s", t.Test+1, t.Target, shownValue(t.Expect), whom, shownValue(t.Got))
}

func shownValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}
