package mapping

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/muster-id/muster/internal/directory"
)

// expression is a checked CEL expression, safe for concurrent use.
type expression struct {
	text    string
	program cel.Program
	output  *cel.Type
	info    *ast.SourceInfo
	calls   map[string]bool // functions called, by name
	reads   []string        // attributes read, as written: "user.department", in the order of places
}

// oneAtATime guards the library that expressions run on: it keeps single error values for a timestamp
// overflow and for types that do not go together, and writes into them where they occurred, so that
// two failures at once would race. Nobody waits long: a mapping takes microseconds.
var oneAtATime sync.Mutex

// parse checks an expression. The problems have place, message and hint; Row and Field are the caller's.
func parse(kind directory.Kind, text string) (*expression, Problems) {
	if strings.TrimSpace(text) == "" {
		return nil, Problems{{Message: "the expression is empty"}}
	}
	if n := utf8.RuneCountInString(text); n > maxExpression {
		return nil, Problems{{Message: fmt.Sprintf("the expression has %d characters, at most %d are allowed", n, maxExpression)}}
	}
	env, err := environment(kind)
	if err != nil {
		return nil, Problems{{Message: "internal: " + err.Error()}}
	}
	oneAtATime.Lock()
	defer oneAtATime.Unlock()
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, problemsOf(issues, nil, kind)
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, problemsOf(issues, parsed.NativeRep(), kind)
	}
	tree := checked.NativeRep()
	e := &expression{text: text, output: checked.OutputType(), info: tree.SourceInfo()}
	pattern, problems := patterns(tree)
	if len(problems) > 0 {
		return nil, problems
	}
	aggregates := e.survey(tree)
	if e.program, err = env.Program(checked, programOptions(aggregates, pattern)...); err != nil {
		return nil, Problems{{Message: err.Error()}}
	}
	return e, nil
}

// survey notes the functions called and the attributes read, and reports whether the expression makes
// lists or maps.
func (e *expression) survey(tree *ast.AST) (aggregates bool) {
	e.calls = map[string]bool{}
	inner := map[int64]bool{} // what a selection selects on
	seen := map[string]bool{}
	read := func(x ast.Expr) {
		if path := selection(x); path != "" && !inner[x.ID()] && !seen[path] {
			seen[path] = true
			e.reads = append(e.reads, path)
		}
	}
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		switch x.Kind() {
		case ast.CallKind:
			e.calls[x.AsCall().FunctionName()] = true
			kind := tree.GetType(x.ID()).Kind()
			aggregates = aggregates || kind == types.ListKind || kind == types.MapKind || kind == types.DynKind
		case ast.ComprehensionKind, ast.ListKind, ast.MapKind:
			aggregates = true
		case ast.SelectKind:
			inner[x.AsSelect().Operand().ID()] = true
			read(x)
		case ast.IdentKind:
			read(x)
		}
	}))
	return aggregates
}

// patterns returns the size of the largest regular expression, and refuses those that are not valid,
// too large, or not constant: one made at run time would be compiled for each person, and would let a
// person's attribute decide what matches.
func patterns(tree *ast.AST) (largest int, problems Problems) {
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if x.Kind() != ast.CallKind {
			return
		}
		call := x.AsCall()
		args := call.Args()
		if call.IsMemberFunction() {
			args = append([]ast.Expr{call.Target()}, args...)
		}
		if !takesPattern[call.FunctionName()] || len(args) < 2 {
			return
		}
		at := tree.SourceInfo().GetStartLocation(args[1].ID())
		p := Problem{Line: at.Line(), Column: at.Column() + 1}
		if args[1].Kind() != ast.LiteralKind {
			p.Message, p.Hint = "a regular expression must be a text in quotes", "to compare with an attribute there are ==, contains and startsWith"
		} else if size, err := regexSize(str(args[1].AsLiteral())); err != nil {
			p.Message, p.Hint = err.Error(), "the syntax is that of RE2"
		} else {
			largest = max(largest, size)
		}
		if p.Message != "" {
			problems = append(problems, p)
		}
	}))
	return largest, problems
}

// selection writes a chain of selections on user or group back as text, "" for any other expression.
func selection(x ast.Expr) string {
	switch x.Kind() {
	case ast.IdentKind:
		if name := x.AsIdent(); name == "user" || name == "group" {
			return name
		}
	case ast.SelectKind:
		if before := selection(x.AsSelect().Operand()); before != "" {
			return before + "." + x.AsSelect().FieldName()
		}
	}
	return ""
}

// touches reports whether the expression reads an attribute, anything in it, or what it is in: a user
// as a whole, given a name by cel.bind, may have anything read of it.
func (e *expression) touches(path string) bool {
	for _, r := range e.reads {
		if r == path || strings.HasPrefix(r, path+".") || strings.HasPrefix(path, r+".") {
			return true
		}
	}
	return false
}

// impure returns the name of a function called that depends on time or chance, "" for none.
func (e *expression) impure() string {
	for _, name := range slices.Sorted(maps.Keys(impure)) {
		if e.calls[name] {
			return name
		}
	}
	return ""
}

// eval runs the expression. Its error never holds a value of the person.
func (e *expression) eval(s *surroundings) (ref.Val, error) {
	oneAtATime.Lock()
	defer oneAtATime.Unlock()
	v, _, err := e.program.Eval(s)
	if err != nil {
		return nil, e.explain(err)
	}
	return v, nil
}

// value runs the expression of a mapping.
func (e *expression) value(s *surroundings) (any, error) {
	v, err := e.eval(s)
	if err != nil {
		return nil, err
	}
	left := maxResult
	return native(v, &left)
}

// surroundings are what an expression sees: the activation of CEL.
type surroundings struct {
	facts   Facts
	subject subject
}

func newSurroundings(f Facts) *surroundings {
	s := &surroundings{facts: f}
	s.subject = subject{record: rootOf(f.Kind()), facts: &s.facts}
	return s
}

// ResolveName implements [cel.Activation].
func (s *surroundings) ResolveName(name string) (any, bool) {
	switch name {
	case "user", "group":
		return &s.subject, true
	case "app":
		return types.String(s.facts.App), true
	}
	return nil, false
}

// Parent implements [cel.Activation].
func (s *surroundings) Parent() cel.Activation { return nil }

// ResolveFunction supplies the functions that depend on time or chance, see [cel.FunctionActivation].
func (s *surroundings) ResolveFunction(name string) (functions.LateBoundOp, bool) {
	f, ok := impure[name]
	if !ok {
		return nil, false
	}
	return func(_ string, args ...ref.Val) ref.Val { return f(&s.facts, args) }, true
}

// fault is a failure of an expression whose words are ours and free of values.
type fault struct{ text string }

func (f *fault) Error() string { return f.text }

func faultf(format string, args ...any) error { return &fault{fmt.Sprintf(format, args...)} }

// errLeave is how ignoreIfEmpty says that the attribute is to be left alone.
var errLeave = errors.New("leave the attribute as it is")

// causes are the failures of CEL itself by how their text begins, in our words. CEL's own words may
// quote the value that was at fault.
var causes = []struct{ prefix, ours string }{
	{"no such key", "it looks up a key that is not there"},
	{"no such overload", "it combines values whose types do not go together"},
	{"no such attribute", "it reads an attribute that is not there"},
	{"index out of bounds", "it takes an element that the list does not have"},
	{"invalid index", "it takes an element that the list does not have"},
	{"division by zero", "it divides by zero"},
	{"modulus by zero", "it divides by zero"},
	{"integer overflow", "a number becomes too large"},
	{"unsigned integer overflow", "a number becomes too large"},
	{"timestamp overflow", "a date is beyond the years 1 to 9999"},
	{"duration overflow", "a duration becomes too large"},
	{"invalid RFC 3339 timestamp", "a text is not a time as RFC 3339 writes it, such as 2006-01-02T15:04:05Z"},
	{"NaN values", "it compares something that is not a number"},
	{"error parsing regexp", "a regular expression is not valid"},
	{"regex program size", "a regular expression is too large"},
	{"type conversion error", "a value cannot be converted to the type it asks for"},
	{"failed to convert", "a value cannot be converted to the type it asks for"},
}

// explain turns a failure at run time into a phrase that holds no value, with its place.
func (e *expression) explain(err error) error {
	if errors.Is(err, errLeave) {
		return errLeave
	}
	text := "the expression fails"
	var cancelled interpreter.EvalCancelledError
	var ours *fault
	switch {
	case errors.As(err, &cancelled) && cancelled.Cause == interpreter.CostLimitExceeded:
		return faultf("the expression was stopped: it takes more than %d steps", maxCost)
	case errors.As(err, &cancelled):
		return faultf("the expression was stopped: it makes values that are too large")
	case errors.As(err, &ours):
		text = ours.text
	default:
		for _, c := range causes {
			if strings.HasPrefix(err.Error(), c.prefix) {
				text = c.ours
				break
			}
		}
	}
	var at *types.Err
	if errors.As(err, &at) && at.NodeID() != 0 {
		if place := e.info.GetStartLocation(at.NodeID()); place.Line() > 0 {
			return faultf("%s (line %d, column %d)", text, place.Line(), place.Column()+1)
		}
	}
	return &fault{text}
}
