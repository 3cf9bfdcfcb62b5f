package console

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
)

type mappingsView struct {
	appPage
	Kind    directory.Kind
	Rows    []mapping.Mapping
	Objects provision.Objects
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
	err = rq.desk.EditApplication(rq.Context(), rq.PathValue("app"), nil, func(app *provision.Application) error {
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
	Tried   *admin.Tried
	Person  string
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
	return rq.ok(mappingPage(v))
}

func (rq *request) mappingView() (mappingView, error) {
	m, err := rq.mappingsView(kindOf(rq.PathValue("kind")))
	if err != nil {
		return mappingView{}, err
	}
	v := mappingView{mappingsView: m, Row: len(m.Rows), Sources: choices(m.Kind), Way: "source"}
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
func given(get func(string) string) (m mapping.Mapping, way string, err error) {
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
	return m, way, nil
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
	if v.Mapping, v.Way, err = given(get); err == nil {
		rows := v.edited(remove)
		err = rq.desk.EditApplication(rq.Context(), v.App.ID, nil, func(app *provision.Application) error {
			have, _ := rowsOf(app, v.Kind)
			*have = rows
			return nil
		})
	}
	if err != nil {
		v.Problem = admin.Explain(err)
		rq.show(422, mappingPage(v))
		return nil
	}
	said := "The mapping is saved. The next cycle looks at everybody again."
	if remove {
		said = "The mapping was removed: what the target has there stays as it is."
	}
	return rq.done(with(v.to("mappings"), "kind", string(v.Kind)), said)
}

// previewMapping shows, before anything is saved, what an edit would do.
func (c *console) previewMapping(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	v, err := rq.mappingView()
	if err != nil {
		return err
	}
	v.Person = strings.TrimSpace(get("person"))
	v.Mapping, v.Way, err = given(get)
	if err == nil && v.Kind == directory.KindUser {
		var t admin.Tried
		if t, err = rq.desk.TryMappings(rq.Context(), v.App.ID, v.edited(false), v.Person); err == nil {
			v.Tried = &t
		}
	}
	v.Problem = admin.Explain(err)
	if rq.partial("preview") {
		return rq.ok(mappingPreview(v))
	}
	return rq.ok(mappingPage(v))
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
