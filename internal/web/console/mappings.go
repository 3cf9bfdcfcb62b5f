package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

type mappingsView struct {
	appPage
	Kind    directory.Kind
	Rows    []mapping.Mapping
	Objects provision.Objects
	Tested  *admin.MappingTests // after they were asked for
	Problem *admin.Problem
}

// kindOf reads which mappings a request is about.
func kindOf(s string) directory.Kind {
	if s == string(directory.KindGroup) {
		return directory.KindGroup
	}
	return directory.KindUser
}

// rowsOf are the mappings of a kind, and what may be done to its objects.
func rowsOf(app *provision.Application, kind directory.Kind) (*[]mapping.Mapping, *provision.Objects) {
	if kind == directory.KindGroup {
		return &app.Mappings.Groups, &app.Provisioning.Groups
	}
	return &app.Mappings.Users, &app.Provisioning.Users
}

func (rq *request) mappingsView(kind directory.Kind) (mappingsView, error) {
	a, err := rq.app("mappings", "Mappings")
	if err != nil {
		return mappingsView{}, err
	}
	v := mappingsView{appPage: a, Kind: kind}
	rows, objects := rowsOf(a.App, v.Kind)
	v.Rows, v.Objects = *rows, *objects
	return v, nil
}

func (c *console) mappings(rq *request) error {
	v, err := rq.mappingsView(kindOf(rq.FormValue("kind")))
	if err != nil {
		return err
	}
	return rq.ok(mappingsPage(v))
}

// saveMappings takes what stands above the table: whether the kind is provisioned, and how; or puts
// the template's mappings back.
func (c *console) saveMappings(rq *request) error {
	if _, err := rq.form(); err != nil {
		return err
	}
	kind := kindOf(rq.PostForm.Get("kind"))
	defaults, err := rq.desk.DefaultMappings(rq.Context(), rq.PathValue("app"))
	if err != nil {
		return err
	}
	restore := rq.PostForm.Get("restore") != ""
	err = rq.desk.EditApplication(rq.Context(), rq.PathValue("app"), rq.PostForm.Get("version"), nil, func(app *provision.Application) error {
		rows, objects := rowsOf(app, kind)
		if restore {
			*rows = defaults.Users
			if kind == directory.KindGroup {
				*rows = defaults.Groups
			}
			return nil
		}
		objects.Enabled = rq.PostForm.Get("enabled") == "yes"
		objects.Actions = rq.PostForm["action"]
		return nil
	})
	if err != nil {
		v, verr := rq.mappingsView(kind)
		if verr != nil {
			return verr
		}
		v.Problem = admin.Explain(err)
		rq.show(422, mappingsPage(v))
		return nil
	}
	said := "Saved. The next cycle looks at everybody again."
	if restore {
		said = "The template's mappings are back. The next cycle looks at everybody again."
	}
	return rq.done(with(at("applications", rq.PathValue("app"), "mappings"), "kind", string(kind)), said)
}

// mappingView is one mapping that is edited.
type mappingView struct {
	mappingsView
	Row     int // len(Rows) is a new one
	Mapping mapping.Mapping
	Way     string // source, constant, expression
	Sources []string
	Targets []string
	Tried   *admin.Tried
	Checked *admin.Checked
	Tests   []admin.MappingTest // what came of the tests of this mapping
	Failing bool                // saving was refused because tests fail
	Person  string
}

// testRow is a test as it is typed.
type testRow struct {
	Person, Given, Expect string
	Was                   bool // it is there already
	Result                *admin.MappingTest
}

// spareTests are for tests that are to come.
const spareTests = 2

// testRows are the tests of the mapping, with empty ones to fill in.
func (v mappingView) testRows() []testRow {
	var rows []testRow
	for i, t := range v.Mapping.Tests {
		row := testRow{Person: t.Person, Expect: jsonOrPlain(t.Expect), Was: true}
		for _, path := range sorted(t.Given) {
			row.Given += path + "=" + jsonOrPlain(t.Given[path]) + "\n"
		}
		for j := range v.Tests {
			if v.Tests[j].Row == v.Row && v.Tests[j].Test == i {
				row.Result = &v.Tests[j]
			}
		}
		rows = append(rows, row)
	}
	return append(rows, make([]testRow, spareTests)...)
}

// testsOf reads tests out of a form. A new one that says of nobody and expects nothing is none.
func testsOf(form url.Values) ([]mapping.Test, error) {
	var tests []mapping.Test
	for i, person := range form["test_person"] {
		if i >= len(form["test_given"]) || i >= len(form["test_expect"]) || i >= len(form["test_was"]) {
			break
		}
		t := mapping.Test{Person: strings.TrimSpace(person), Expect: plainOrJSON(form["test_expect"][i])}
		given, err := admin.Attributes(nonEmpty(form["test_given"][i]))
		if err != nil {
			return nil, err
		}
		empty := t.Person == "" && len(given) == 0 && t.Expect == nil && form["test_was"][i] == ""
		if empty || slices.Contains(form["test_remove"], strconv.Itoa(i)) {
			continue
		}
		if len(given) > 0 || t.Person == "" {
			t.Given = given
		}
		tests = append(tests, t)
	}
	return tests, nil
}

// problems are what is wrong with the mappings as they are edited.
func (v mappingView) problems() mapping.Problems {
	switch {
	case v.Checked != nil:
		return v.Checked.Problems
	case v.Tried != nil:
		return v.Tried.Problems
	}
	return nil
}

// wrong is what is wrong with a field of this mapping.
func (v mappingView) wrong(field string) (list mapping.Problems) {
	for _, p := range v.problems() {
		if p.Row == v.Row && p.Field == field {
			list = append(list, p)
		}
	}
	return list
}

// elsewhere is what this edit makes wrong with other mappings.
func (v mappingView) elsewhere() (list mapping.Problems) {
	for _, p := range v.problems() {
		if p.Row != v.Row {
			list = append(list, p)
		}
	}
	return list
}

// checkedFields are the fields of the editor that have a place for what is wrong with them.
var checkedFields = []string{"target", "source", "constant", "expression", "default", "match", "when"}

// spot is the line of an expression that a problem is in, with a mark below its column; "" where it has no place.
func (v mappingView) spot(p mapping.Problem) string {
	lines := strings.Split(strings.ReplaceAll(v.Mapping.Expression, "\r\n", "\n"), "\n")
	if p.Field != "expression" || p.Line < 1 || p.Line > len(lines) {
		return ""
	}
	line := []rune(lines[p.Line-1])
	at := min(max(p.Column-1, 0), len(line))
	pad := strings.Map(func(r rune) rune { // a tab is as wide below as above
		if r == '\t' {
			return r
		}
		return ' '
	}, string(line[:at]))
	return string(line) + "\n" + pad + "^"
}

func (v mappingView) testsFail() bool {
	return slices.ContainsFunc(v.Tests, func(t admin.MappingTest) bool { return !t.Passed })
}

// hasTests reports whether any mapping of the application has one.
func (v mappingsView) hasTests() bool {
	return slices.ContainsFunc(slices.Concat(v.App.Mappings.Users, v.App.Mappings.Groups), func(m mapping.Mapping) bool { return len(m.Tests) > 0 })
}

// targets are attributes that targets have: those of the template, and what a person or a group has in SCIM.
func targets(kind directory.Kind, rows []mapping.Mapping) []string {
	out := choices(kind)
	for _, m := range rows {
		out = append(out, m.Target)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// try runs the tests of the mapping as it stands in the form.
func (v *mappingView) try(rq *request) (err error) {
	if len(v.Mapping.Tests) > 0 {
		v.Tests, err = rq.desk.TestRows(rq.Context(), v.App, v.Kind, v.edited(false))
	}
	return err
}

// words says what may be written next in an expression.
func (c *console) words(rq *request) error {
	replace, list := mapping.Complete(kindOf(rq.FormValue("kind")), rq.FormValue("before"))
	if list == nil {
		list = []mapping.Suggestion{}
	}
	rq.w.Header().Set("Content-Type", "application/json")
	rq.w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(rq.w).Encode(map[string]any{"replace": replace, "words": list})
}

// testMappings runs all tests that are kept with the mappings, and shows what came of each.
func (c *console) testMappings(rq *request) error {
	v, err := rq.mappingsView(kindOf(rq.FormValue("kind")))
	if err != nil {
		return err
	}
	tested, err := rq.desk.TestMappings(rq.Context(), v.App.ID)
	if err != nil {
		return err
	}
	v.Tested = &tested
	return rq.ok(mappingsPage(v))
}

// choices are the attributes that an editor offers.
func choices(kind directory.Kind) []string {
	if kind == directory.KindGroup {
		return []string{"displayName", "externalId", "id"}
	}
	out := []string{"manager"}
	for _, a := range directory.UserSchema {
		switch {
		case a.MultiValued && a.Name != "groups":
			out = append(out, a.Name+"[primary eq true].value", a.Name+`[type eq "work"].value`)
		case len(a.Sub) > 0 && !a.MultiValued && a.Type == directory.TypeComplex:
			for _, s := range a.Sub {
				out = append(out, a.Name+"."+s.Name)
			}
		case a.Type == directory.TypeString || a.Type == directory.TypeBoolean:
			out = append(out, a.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (c *console) mapping(rq *request) error {
	v, err := rq.mappingView()
	if err != nil {
		return err
	}
	if err := v.try(rq); err != nil {
		return err
	}
	return rq.ok(mappingPage(v))
}

func (rq *request) mappingView() (mappingView, error) {
	m, err := rq.mappingsView(kindOf(rq.PathValue("kind")))
	if err != nil {
		return mappingView{}, err
	}
	v := mappingView{mappingsView: m, Row: len(m.Rows), Sources: choices(m.Kind), Targets: targets(m.Kind, m.Rows), Way: "source"}
	if n, err := strconv.Atoi(rq.PathValue("row")); err == nil && n >= 0 && n < len(m.Rows) {
		v.Row, v.Mapping = n, m.Rows[n]
		v.Way = wayOf(v.Mapping)
	}
	v.page.Crumbs = append(v.page.Crumbs, crumb{"Mappings", with(v.to("mappings"), "kind", string(v.Kind))})
	return v, nil
}

func wayOf(m mapping.Mapping) string {
	switch {
	case m.Expression != "":
		return "expression"
	case m.Constant != nil:
		return "constant"
	}
	return "source"
}

// given reads a mapping out of its form.
func given(form url.Values) (m mapping.Mapping, way string, err error) {
	get := form.Get
	way = get("way")
	m = mapping.Mapping{Target: strings.TrimSpace(get("target")), Default: plainOrJSON(get("default")), Sensitive: get("sensitive") != "", When: mapping.When(get("when"))}
	if m.When == mapping.Always {
		m.When = ""
	}
	switch way {
	case "expression":
		m.Expression = strings.TrimSpace(get("expression"))
	case "constant":
		m.Constant = plainOrJSON(get("constant"))
	default:
		m.Source = strings.TrimSpace(get("source"))
	}
	if place := strings.TrimSpace(get("match")); place != "" {
		if m.Match, err = strconv.Atoi(place); err != nil {
			return m, way, &admin.Problem{Exit: admin.ExitUsage, Message: "The place among the matching attributes is a whole number from 1"}
		}
	}
	m.Tests, err = testsOf(form)
	return m, way, err
}

// plainOrJSON takes text as it is, and a list, number or boolean where it is written as JSON.
func plainOrJSON(s string) any {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil
	}
	var v any
	if json.Unmarshal([]byte(s), &v) == nil {
		return v
	}
	return s
}

// edited returns the rows with the mapping in its place, or without it.
func (v mappingView) edited(remove bool) []mapping.Mapping {
	rows := slices.Clone(v.Rows)
	switch {
	case remove && v.Row < len(rows):
		return slices.Delete(rows, v.Row, v.Row+1)
	case v.Row < len(rows):
		rows[v.Row] = v.Mapping
	default:
		rows = append(rows, v.Mapping)
	}
	return rows
}

func (c *console) saveMapping(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	v, err := rq.mappingView()
	if err != nil {
		return err
	}
	remove := get("remove") != ""
	if v.Mapping, v.Way, err = given(rq.PostForm); err == nil {
		err = rq.desk.EditMappings(rq.Context(), v.App.ID, get("version"), v.Kind, v.edited(remove), get("ignore_tests") != "")
	}
	if p := admin.Explain(err); p != nil && p.Code == string(store.ErrChanged) {
		return err // the row may be another one by now
	}
	if err != nil {
		v.Problem = admin.Explain(err)
		if v.Failing = v.Problem.Code == "mapping_tests"; v.Failing {
			v.Problem.Next = "correct the mapping or the test, or save it all the same; nothing was changed"
			if err := v.try(rq); err != nil {
				return err
			}
		}
		rq.show(422, mappingPage(v))
		return nil
	}
	said := "The mapping is saved. The next cycle looks at everybody again."
	if remove {
		said = "The mapping was removed: what the target has there stays as it is."
	}
	return rq.done(with(v.to("mappings"), "kind", string(v.Kind)), said)
}

// typedMapping is a mapping as it stands in the form, with what cannot be read of it.
func (rq *request) typedMapping() (mappingView, error) {
	get, err := rq.form()
	if err != nil {
		return mappingView{}, err
	}
	v, err := rq.mappingView()
	if err != nil {
		return v, err
	}
	v.Person = strings.TrimSpace(get("person"))
	v.Mapping, v.Way, err = given(rq.PostForm)
	v.Problem = admin.Explain(err)
	return v, nil
}

// previewMapping shows, before anything is saved, what an edit would do.
func (c *console) previewMapping(rq *request) error {
	v, err := rq.typedMapping()
	if err != nil {
		return err
	}
	if v.Problem == nil {
		v.Problem = admin.Explain(v.try(rq))
	}
	if v.Problem == nil {
		t, err := rq.desk.TryMappings(rq.Context(), v.App.ID, v.Kind, v.edited(false), v.Person)
		if v.Problem = admin.Explain(err); err == nil {
			v.Tried = &t
		}
	}
	if rq.partial("preview") {
		return rq.ok(mappingPreview(v))
	}
	return rq.ok(mappingPage(v))
}

// checkMapping says what is wrong with a mapping while it is typed, below the fields, and what it gives for the
// person who is picked.
func (c *console) checkMapping(rq *request) error {
	v, err := rq.typedMapping()
	if err != nil {
		return err
	}
	v.Checked = &admin.Checked{}
	if v.Problem == nil {
		*v.Checked, err = rq.desk.CheckMapping(rq.Context(), v.App.ID, v.Kind, v.edited(false), v.Row, v.Person)
		v.Problem = admin.Explain(err)
	}
	return rq.ok(mappingChecked(v))
}

// shownValues are the values of a preview, those that change first, without those that are empty before and after.
func shownValues(all []provision.Change) []provision.Change {
	list := slices.DeleteFunc(slices.Clone(all), func(c provision.Change) bool { return nothing(c.Old) && nothing(c.New) })
	slices.SortStableFunc(list, func(a, b provision.Change) int {
		same := func(c provision.Change) int {
			if value(c.Old) == value(c.New) {
				return 1
			}
			return 0
		}
		return same(a) - same(b)
	})
	return list
}

// from tells where a mapping's value comes from.
func from(m mapping.Mapping) (way, what string) {
	switch {
	case m.Expression != "":
		return "expression", m.Expression
	case m.Constant != nil:
		return "constant", value(m.Constant)
	}
	return "direct", m.Source
}

func place(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// jsonOrPlain writes a value for an input as it would be typed.
func jsonOrPlain(v any) string {
	if v == nil {
		return ""
	}
	if s, ok := v.(string); ok {
		return s
	}
	b, _ := json.Marshal(v) // it came from JSON
	return string(b)
}
