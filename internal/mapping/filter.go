package mapping

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"

	"github.com/muster-id/muster/internal/directory"
)

// filterField is the Field of the problems of a filter.
const filterField = "filter"

// Filter is a scoping filter: an expression that a user or group must fulfil. It is safe for
// concurrent use.
type Filter struct {
	kind       directory.Kind
	expression *expression
}

// CompileFilter checks a scoping filter. Its error is a [Problems].
func CompileFilter(kind directory.Kind, text string) (*Filter, error) {
	e, problems := parse(kind, text)
	if len(problems) == 0 {
		if name := e.impure(); name != "" {
			problems = Problems{{Message: fmt.Sprintf("%s() gives another value each time, so the scope would never be settled", name)}}
		} else if k := e.output.Kind(); k != types.BoolKind && k != types.DynKind {
			problems = Problems{{
				Message: "the expression must yield true or false, and yields " + typesInWords(e.output.String()),
				Hint:    fmt.Sprintf(`for example %s.displayName.startsWith("R")`, kind),
			}}
		}
	}
	if len(problems) > 0 {
		for i := range problems {
			problems[i].Field = filterField
		}
		return nil, problems
	}
	return &Filter{kind, e}, nil
}

// Admits reports whether the user or group fulfils the filter. The detail tells why, with the values
// that the filter looked at: it is for administrators and must not reach a log. The error holds no
// value; who cannot be judged is not admitted.
func (f *Filter) Admits(facts Facts) (admitted bool, detail string, err error) {
	s := newSurroundings(facts)
	v, err := f.expression.eval(s)
	if err != nil {
		return false, "", fmt.Errorf("the filter %s fails: %w", f.expression.text, err)
	}
	yes, ok := v.(types.Bool)
	if !ok {
		return false, "", fmt.Errorf("the filter %s fails: it yields something other than true or false", f.expression.text)
	}
	word := "not fulfilled"
	if yes {
		word = "fulfilled"
	}
	return bool(yes), fmt.Sprintf("%s is %s%s", f.expression.text, word, f.looked(&s.subject)), nil
}

// String returns the text of the filter.
func (f *Filter) String() string { return f.expression.text }

// UsesGroups reports whether the filter reads the user's groups, so that [Facts].Groups is needed.
func (f *Filter) UsesGroups() bool { return f.expression.touches("user.groups") }

// UsesManager reports whether the filter reads the manager's userName, so that [Facts].Manager is needed.
func (f *Filter) UsesManager() bool { return f.expression.touches("user.manager") }

// looked tells the attributes that the filter reads and their values.
func (f *Filter) looked(s *subject) string {
	var b strings.Builder
	separator := ": "
	for _, path := range f.expression.reads {
		if !strings.Contains(path, ".") {
			continue // the person as a whole
		}
		b.WriteString(separator + path + " is " + shown(s.at(path)))
		separator = ", "
	}
	return b.String()
}

// at follows a chain of selections such as "user.name.givenName".
func (s *subject) at(path string) any {
	var v any = s
	r := s.record
	for _, name := range strings.Split(path, ".")[1:] {
		if c, ok := v.(custom); ok {
			return c.Get(types.String(name)).Value()
		}
		if r == nil || r.fields[name] == nil {
			return nil
		}
		var err error
		if v, err = r.fields[name].GetFrom(v); err != nil {
			return nil
		}
		r = records[r.fields[name].Type.TypeName()]
	}
	return v
}

// shown writes a value for people, shortened.
func shown(v any) string {
	if t, ok := v.(types.String); ok {
		v = string(t)
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "something that cannot be shown"
	}
	const most = 80
	text := strings.TrimSuffix(b.String(), "\n")
	if v == "" || text == "null" || text == "[]" || text == "{}" {
		return "empty"
	}
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return text
}
