package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"

	"github.com/muster-id/muster/internal/directory"
)

// wordings are the messages of CEL's parser and checker, in our words; $1 is what they quote.
var wordings = []struct {
	pattern *regexp.Regexp
	ours    string
}{
	{regexp.MustCompile(`^undefined field '(.*)'$`), "there is no attribute $1"},
	{regexp.MustCompile(`^undeclared reference to '([^']*)'.*$`), "the name $1 is not known"},
	{regexp.MustCompile(`^Syntax error: .* input '<EOF>'.*$`), "the expression ends too early"},
	{regexp.MustCompile(`(?s)^Syntax error: .* input '(.{1,40}?)' expecting.*$`), "$1 is not expected here"},
	{regexp.MustCompile(`(?s)^Syntax error: .* at: '(.*)'$`), "something is not closed, or not part of an expression: $1"},
	{regexp.MustCompile(`^(?:expression recursion limit exceeded|max recursion depth exceeded).*$`), "the expression is nested too deeply"},
	{regexp.MustCompile(`^expression node count exceeds limit.*$`), "the expression has too many parts"},
}

// wrongCall is CEL's message about a function or operator that does not take what it is given.
var wrongCall = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)

const maxProblemWords = 300

// problemsOf puts the issues of the parser and the checker into our words. Tree is nil before parsing
// succeeded. A long list is cut: the first mistakes are the ones that help.
func problemsOf(issues *cel.Issues, tree *ast.AST, kind directory.Kind) Problems {
	var out Problems
	for _, issue := range issues.Errors() {
		p := Problem{Message: issue.Message}
		if issue.Location.Line() > 0 {
			p.Line, p.Column = issue.Location.Line(), issue.Location.Column()+1
		}
		var name string
		for _, w := range wordings {
			if m := w.pattern.FindStringSubmatchIndex(issue.Message); m != nil {
				p.Message = string(w.pattern.ExpandString(nil, w.ours, issue.Message, m))
				if len(m) > 2 {
					name = issue.Message[m[2]:m[3]]
				}
				break
			}
		}
		at := find(tree, issue.ExprID)
		switch m := wrongCall.FindStringSubmatch(issue.Message); {
		case m != nil:
			p.Message, p.Hint = wrongCallMessage(m[1], m[2]), signatureHint(m[1])
			if op, operator := operatorOf(m[1]); !operator {
				p.Column -= len(m[1]) // CEL points at the parenthesis
			} else if op == "+" && strings.Contains(m[2], "string") {
				p.Hint = "toText makes a text of a value"
			}
		case at == nil:
		case at.Kind() == ast.SelectKind:
			p.Column++ // CEL points at the dot
			p.Hint = meant(name, namesOn(at.AsSelect().Operand()))
		case name != "":
			if at.Kind() == ast.CallKind {
				p.Column -= len(name)
			}
			p.Hint = nameHint(name, kind)
		}
		if len(p.Message) > maxProblemWords {
			p.Message = strings.ToValidUTF8(p.Message[:maxProblemWords], "") + " …"
		}
		if out = append(out, p); len(out) == 5 {
			break
		}
	}
	return out
}

// find returns the part of an expression with an id, nil when there is none.
func find(tree *ast.AST, id int64) (found ast.Expr) {
	if tree != nil {
		ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
			if x.ID() == id {
				found = x
			}
		}))
	}
	return found
}

func meant(name string, candidates []string) string {
	if near := directory.Nearest(name, candidates, 1); len(near) > 0 {
		return "did you mean " + near[0] + "?"
	}
	return ""
}

// namesOn returns the fields of what a chain of selections leads to; where that is not known, as for
// the variable of a macro, those of all complex attributes.
func namesOn(x ast.Expr) []string {
	path := strings.Split(selection(x), ".")
	r := map[string]*record{"user": userRecord, "group": groupRecord}[path[0]]
	for _, name := range path[1:] {
		if r == nil || r.fields[name] == nil {
			r = nil
			break
		}
		r = records[r.fields[name].Type.TypeName()]
	}
	if r != nil {
		return r.names
	}
	var names []string
	for _, r := range records {
		if r != userRecord && r != groupRecord {
			names = append(names, r.names...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// nameHint helps with an unknown variable or function: an attribute without "user." before it, a
// function of Entra ID, or a mistyped name.
func nameHint(name string, kind directory.Kind) string {
	r := rootOf(kind)
	if r.fields[name] != nil {
		return fmt.Sprintf("write %s.%s", kind, name)
	}
	if here := fromEntra[strings.ToLower(name)]; here != "" {
		return "Entra ID's " + name + " is " + here + " here"
	}
	if near := directory.Nearest(name, append(libraryNames(), string(kind), "app", "size", "matches", "has"), 1); len(near) > 0 {
		return "did you mean " + near[0] + "?"
	}
	if near := directory.Nearest(name, r.names, 1); len(near) > 0 {
		return fmt.Sprintf("did you mean %s.%s?", kind, near[0])
	}
	return ""
}

func rootOf(kind directory.Kind) *record {
	if kind == directory.KindGroup {
		return groupRecord
	}
	return userRecord
}
