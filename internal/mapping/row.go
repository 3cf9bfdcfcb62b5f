package mapping

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

// kept are the target attributes that no mapping sets, and why.
var kept = map[string]string{
	"active":  "Muster itself says whether an account is active: from the person's state and scope",
	"id":      "the target gives its own id",
	"meta":    "the target keeps it",
	"schemas": "Muster lists the schemas of what it sends",
	"groups":  "the target derives it from the members of its groups",
	"members": "Muster keeps the members of groups from the directory's",
}

// compileRow checks one mapping by itself.
func compileRow(kind directory.Kind, m Mapping) (row, Problems) {
	var r row
	var problems Problems
	wrong := func(field, hint, format string, args ...any) {
		problems = append(problems, Problem{Field: field, Message: fmt.Sprintf(format, args...), Hint: hint})
	}

	path, err := attr.ParsePath(m.Target)
	switch {
	case strings.TrimSpace(m.Target) == "":
		wrong("target", `for example "title" or "name.givenName"`, "the target attribute is missing")
	case err != nil:
		wrong("target", "", "%s", err)
	case path.Name == "":
		wrong("target", "", "%s is a schema, not an attribute", m.Target)
	case path.URN == "" && kept[strings.ToLower(path.Name)] != "":
		wrong("target", kept[strings.ToLower(path.Name)], "%s is not set by a mapping", m.Target)
	default:
		r.path, r.target = path, path.String()
	}

	switch m.When {
	case "", Always, OnCreate:
	default:
		wrong("when", "always or create", "%q is no time for a mapping", m.When)
	}
	r.create, r.sensitive = m.When == OnCreate, m.Sensitive

	given := givenOf(m)
	switch {
	case len(given) == 0:
		wrong("source", "", "one of source, constant and expression must be given")
	case len(given) > 1:
		wrong(given[1], "", "%s are given, and only one may be", strings.Join(given, " and "))
	default:
		problems = append(problems, r.compileValue(kind, given[0], m)...)
	}

	if m.Default != nil {
		if r.fallback, err = literal(m.Default); err != nil {
			wrong("default", "", "%s", err)
		} else if m.Constant != nil {
			wrong("default", "", "a constant is never empty, so a default has no place beside it")
		} else if r.reference {
			wrong("default", "", "a reference to another person has no default")
		}
	}
	return r, problems
}

func givenOf(m Mapping) []string {
	var given []string
	if m.Source != "" {
		given = append(given, "source")
	}
	if m.Constant != nil {
		given = append(given, "constant")
	}
	if m.Expression != "" {
		given = append(given, "expression")
	}
	return given
}

func (r *row) compileValue(kind directory.Kind, field string, m Mapping) Problems {
	switch field {
	case "source":
		return r.compileSource(kind, m.Source)
	case "constant":
		var err error
		if r.value, err = literal(m.Constant); err != nil {
			return Problems{{Field: field, Message: err.Error()}}
		}
		return nil
	}
	e, problems := parse(kind, m.Expression)
	for i := range problems {
		problems[i].Field = field
	}
	if len(problems) > 0 {
		return problems
	}
	r.expression = e
	r.groups, r.manager = e.touches("user.groups"), e.touches("user.manager")
	if name := e.impure(); name != "" && m.When != OnCreate {
		return Problems{{
			Field: field, Message: fmt.Sprintf("%s() gives another value each time, so the account would never be in step", name),
			Hint: "set when: create",
		}}
	}
	if word := unusable(e.output); word != "" {
		return Problems{{
			Field: field, Message: "the expression yields " + word + ", which no attribute can hold",
			Hint: "an attribute is text, a number, true or false, or a list or map of them",
		}}
	}
	return nil
}

// unusable says what a type is when no attribute can hold it, "" when one can.
func unusable(t *cel.Type) string {
	switch t.Kind() {
	case types.StringKind, types.BoolKind, types.IntKind, types.UintKind, types.DoubleKind, types.NullTypeKind,
		types.DynKind, types.TimestampKind, types.TypeParamKind:
		return ""
	case types.ListKind:
		return unusable(t.Parameters()[0])
	case types.MapKind:
		return unusable(t.Parameters()[1])
	case types.StructKind:
		if r := records[t.TypeName()]; r != nil && r != userRecord && r != groupRecord {
			return ""
		}
		return "the whole " + strings.Trim(t.TypeName(), "<>")
	case types.BytesKind:
		return "bytes"
	case types.DurationKind:
		return "a duration"
	}
	return "a " + t.TypeName()
}

// compileSource finds the reader of a directory attribute.
func (r *row) compileSource(kind directory.Kind, source string) Problems {
	wrong := func(format string, args ...any) Problems {
		return Problems{{Field: "source", Message: fmt.Sprintf(format, args...)}}
	}
	schema := directory.UserSchema
	if kind == directory.KindGroup {
		schema = directory.GroupSchema
	}
	path, _, err := schema.Canonical(withoutVariable(kind, source))
	if err != nil {
		return wrong("%s", err)
	}
	if path.Name == "" {
		return wrong("%s is a schema, not an attribute", source)
	}
	plain := path.Filter == nil && (path.Sub == "" || path.Sub == "value")
	switch path.Name {
	case "manager":
		if !plain {
			return wrong("only the manager as such can be mapped, as a reference: write manager; the name is user.manager in an expression")
		}
		r.reference = true
		r.read = func(f *Facts) any { return f.User.ManagerID }
		return nil
	case "groups":
		if path.Filter != nil || path.Sub != "" && path.Sub != "display" {
			return wrong("of groups only the names are there: write groups")
		}
		r.groups = true
		r.read = func(f *Facts) any { return list(f.Groups) }
		return nil
	case "members":
		return wrong("%s", kept["members"])
	}
	if path.URN == "" {
		beside := userOwn
		if kind == directory.KindGroup {
			beside = groupOwn
		}
		if o, ok := beside[path.Name]; ok {
			r.read = o.read
			return nil
		}
	}
	r.read = func(f *Facts) any { return path.Of(f.attributes()) }
	return nil
}

// withoutVariable takes "user.department" for "department": people copy from expressions.
func withoutVariable(kind directory.Kind, source string) string {
	s := strings.TrimSpace(source)
	if rest, ok := strings.CutPrefix(s, string(kind)+"."); ok {
		return rest
	}
	return s
}

func list(texts []string) any {
	if len(texts) == 0 {
		return nil
	}
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

// literal turns a constant of the configuration into a value of package attr: YAML's whole numbers
// become float64.
func literal(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if len(v) > maxText {
			return nil, fmt.Errorf("a text of more than 64 KiB is no constant")
		}
		return v, nil
	case bool, float64:
		return v, nil
	case int:
		return float64(v), nil
	case int64:
		return float64(v), nil
	case uint64:
		return float64(v), nil
	case []string:
		return list(slices.Clone(v)), nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			if _, nested := e.([]any); nested {
				return nil, fmt.Errorf("a list in a list is no constant")
			}
			var err error
			if out[i], err = literal(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("a constant is text, a number, true, false or a list of them, not %T", v)
}
