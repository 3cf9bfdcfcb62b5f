package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Position is a place in a file: lines and columns count from 1, columns in characters.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Problem is one thing that is wrong with a file, told to whoever wrote it.
type Problem struct {
	Position
	Message string `json:"message"` // what is wrong, without a full stop
	Hint    string `json:"hint"`    // what to write, or what was perhaps meant; "" for none
}

// String is the form that editors understand: "file:line:column: message; hint".
func (p Problem) String() string {
	s := p.Position.String() + ": " + p.Message
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s
}

// Problems is the error of [Parse] and, where the directory doesn't know a name, of [Apply]:
// everything that is wrong, in order of files as given, lines and columns. It is a mistake in the
// configuration: a command ends with status 2.
type Problems []Problem

// Error tells every problem on a line of its own.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what a hopeless file is answered with.
const maxProblems = 500

// report gathers problems. What it hides never reaches a message: secrets, and what variables stand
// for, which may be secrets in a wrong place.
type report struct {
	order    map[string]int // files in the order given
	problems Problems
	hidden   []string
}

// tokenLike is the shape of Slack's tokens (xoxb-, xoxp-, xoxe.xoxp-, xapp-).
var tokenLike = regexp.MustCompile(`\b(xox[a-z](\.xox[a-z])?|xapp)-[0-9A-Za-z-]{5,}`)

func (r *report) add(at Position, hint, message string, args ...any) {
	if !r.full() {
		r.problems = append(r.problems, Problem{Position: at, Message: fmt.Sprintf(message, args...), Hint: hint})
	}
}

// full reports whether nothing more would be told.
func (r *report) full() bool { return len(r.problems) >= maxProblems }

// err returns the sorted problems without secrets, nil when there are none.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	for i := range r.problems {
		p := &r.problems[i]
		p.Message, p.Hint = r.hide(p.Message), r.hide(p.Hint)
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(r.order[a.File], r.order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(r.problems)
}

func (r *report) hide(s string) string {
	for _, secret := range r.hidden {
		s = strings.ReplaceAll(s, secret, "[hidden]")
	}
	return tokenLike.ReplaceAllString(s, "[hidden]")
}
