package mapping

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a mapping or a filter, told to whoever wrote it.
type Problem struct {
	Row     int    // index of the mapping in the list, from 0; 0 for a filter
	Field   string // the key it concerns: target, source, constant, expression, default, match, when; "filter" for a filter
	Line    int    // place in the expression, from 1; 0 when the problem has none
	Column  int    // in characters, from 1; 0 when the problem has none
	Message string // what is wrong, a phrase without a full stop
	Hint    string // what to do or what was perhaps meant, "" for none
}

// String tells the problem without its row: the caller knows the file and line of that.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Field)
	if p.Line > 0 {
		fmt.Fprintf(&b, ", line %d, column %d", p.Line, p.Column)
	}
	b.WriteString(": " + p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems is the error of [Compile] and [CompileFilter]: everything that is wrong, in order of rows.
type Problems []Problem

// Error tells all problems, one to a line, rows counted from 1 as people count them.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		if lines[i] = p.String(); p.Field != filterField {
			lines[i] = fmt.Sprintf("mapping %d: %s", p.Row+1, lines[i])
		}
	}
	return strings.Join(lines, "\n")
}
