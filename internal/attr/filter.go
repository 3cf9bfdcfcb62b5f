package attr

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Filter is a SCIM filter (RFC 7644 §3.4.2.2) as a tree. A leaf compares one attribute; "and" and
// "or" have two branches or more, "not" has one.
type Filter struct {
	Op       string    // eq ne co sw ew pr gt ge lt le, or and, or, not
	Path     Path      // of a leaf
	Value    any       // of a leaf: string, float64, bool or nil
	Branches []*Filter // of and, or, not
}

// maxFilterDepth bounds nesting, so that a hostile filter cannot exhaust the stack.
const maxFilterDepth = 50

// ParseFilter reads a filter; operators and attribute names are case-blind.
func ParseFilter(s string) (*Filter, error) {
	p := &filterParser{text: s}
	f, err := p.or(0)
	if err == nil {
		if p.space(); p.pos < len(p.text) {
			err = fmt.Errorf("unexpected %q", p.text[p.pos:])
		}
	}
	if err != nil {
		return nil, fmt.Errorf("filter %q, position %d: %w", s, p.pos+1, err)
	}
	return f, nil
}

type filterParser struct {
	text string
	pos  int
}

func (p *filterParser) or(depth int) (*Filter, error)  { return p.joined("or", p.and, depth) }
func (p *filterParser) and(depth int) (*Filter, error) { return p.joined("and", p.term, depth) }

func (p *filterParser) joined(word string, next func(int) (*Filter, error), depth int) (*Filter, error) {
	if depth > maxFilterDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxFilterDepth)
	}
	first, err := next(depth)
	if err != nil {
		return nil, err
	}
	branches := []*Filter{first}
	for p.word(word) {
		f, err := next(depth)
		if err != nil {
			return nil, err
		}
		branches = append(branches, f)
	}
	if len(branches) == 1 {
		return first, nil
	}
	return &Filter{Op: word, Branches: branches}, nil
}

func (p *filterParser) term(depth int) (*Filter, error) {
	not := p.word("not")
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == '(' {
		p.pos++
		f, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.space(); p.pos >= len(p.text) || p.text[p.pos] != ')' {
			return nil, fmt.Errorf("a closing parenthesis is missing")
		}
		p.pos++
		if not {
			f = &Filter{Op: "not", Branches: []*Filter{f}}
		}
		return f, nil
	}
	if not {
		return nil, fmt.Errorf(`"not" wants parentheses`)
	}
	return p.comparison()
}

var comparisons = map[string]bool{
	"eq": true, "ne": true, "co": true, "sw": true, "ew": true, "pr": true, "gt": true, "ge": true, "lt": true, "le": true,
}

func (p *filterParser) comparison() (*Filter, error) {
	path, err := ParsePath(p.token())
	if err != nil {
		return nil, err
	}
	op := strings.ToLower(p.token())
	if !comparisons[op] {
		return nil, fmt.Errorf("%q is not an operator", op)
	}
	f := &Filter{Op: op, Path: path}
	if op == "pr" {
		return f, nil
	}
	f.Value, err = p.value()
	return f, err
}

func (p *filterParser) value() (any, error) {
	p.space()
	if p.pos >= len(p.text) {
		return nil, fmt.Errorf("the value is missing")
	}
	// encoding/json reads exactly the literals that RFC 7644 allows: string, number, true, false, null.
	end := p.pos
	if p.text[p.pos] == '"' {
		for end++; end < len(p.text) && p.text[end] != '"'; end++ {
			if p.text[end] == '\\' {
				end++
			}
		}
		end = min(end+1, len(p.text))
	} else {
		for end < len(p.text) && !strings.ContainsRune(" \t)", rune(p.text[end])) {
			end++
		}
	}
	var v any
	if err := json.Unmarshal([]byte(p.text[p.pos:end]), &v); err != nil {
		return nil, fmt.Errorf("%q is not a value; text stands in double quotes", p.text[p.pos:end])
	}
	switch v.(type) {
	case []any, map[string]any:
		return nil, fmt.Errorf("%q is not a simple value", p.text[p.pos:end])
	}
	p.pos = end
	return v, nil
}

func (p *filterParser) space() {
	for p.pos < len(p.text) && (p.text[p.pos] == ' ' || p.text[p.pos] == '\t') {
		p.pos++
	}
}

// token reads up to white space or a parenthesis; brackets of a value path stay together.
func (p *filterParser) token() string {
	p.space()
	start := p.pos
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		if c == '[' {
			j := closing(p.text, p.pos)
			if j < 0 {
				break
			}
			p.pos = j + 1
			continue
		}
		if c == ' ' || c == '\t' || c == '(' || c == ')' {
			break
		}
		_, size := utf8.DecodeRuneInString(p.text[p.pos:])
		p.pos += size
	}
	return p.text[start:p.pos]
}

// word consumes the given keyword when it stands next, alone.
func (p *filterParser) word(w string) bool {
	p.space()
	end := p.pos + len(w)
	if end > len(p.text) || !strings.EqualFold(p.text[p.pos:end], w) {
		return false
	}
	if end < len(p.text) && !strings.ContainsRune(" \t(", rune(p.text[end])) {
		return false
	}
	p.pos = end
	return true
}

// String returns the canonical text of the filter.
func (f *Filter) String() string {
	switch f.Op {
	case "and", "or":
		parts := make([]string, len(f.Branches))
		for i, b := range f.Branches {
			parts[i] = b.String()
			if b.Op == "or" || b.Op == "and" {
				parts[i] = "(" + parts[i] + ")"
			}
		}
		return strings.Join(parts, " "+f.Op+" ")
	case "not":
		return "not (" + f.Branches[0].String() + ")"
	case "pr":
		return f.Path.String() + " pr"
	}
	return f.Path.String() + " " + f.Op + " " + jsonText(f.Value)
}

// Match reports whether a value (an entry of a multi-valued attribute, or a whole resource) passes
// the filter. Text is compared without regard to case, as RFC 7643 has it for everything that is
// not marked caseExact; a plain value stands for its own "value".
func (f *Filter) Match(v any) bool {
	switch f.Op {
	case "and":
		for _, b := range f.Branches {
			if !b.Match(v) {
				return false
			}
		}
		return true
	case "or":
		for _, b := range f.Branches {
			if b.Match(v) {
				return true
			}
		}
		return false
	case "not":
		return !f.Branches[0].Match(v)
	}
	var have any
	if doc, ok := v.(map[string]any); ok {
		have = f.Path.Of(doc)
	} else if strings.EqualFold(f.Path.Name, "value") {
		have = v
	}
	if list, ok := have.([]any); ok {
		for _, e := range list {
			if doc, ok := e.(map[string]any); ok && f.Path.Sub == "" {
				e = Member(doc, "value")
			}
			if f.compare(e) {
				return true
			}
		}
		return false
	}
	return f.compare(have)
}

func (f *Filter) compare(have any) bool {
	switch f.Op {
	case "pr":
		return !Empty(have)
	case "ne":
		return !sameValue(have, f.Value)
	case "eq":
		return sameValue(have, f.Value)
	}
	if a, ok := have.(float64); ok {
		b, ok := f.Value.(float64)
		return ok && ordered(f.Op, a, b)
	}
	a, okA := have.(string)
	b, okB := f.Value.(string)
	if !okA || !okB {
		return false
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	switch f.Op {
	case "co":
		return strings.Contains(a, b)
	case "sw":
		return strings.HasPrefix(a, b)
	case "ew":
		return strings.HasSuffix(a, b)
	}
	return ordered(f.Op, a, b)
}

func ordered[T float64 | string](op string, a, b T) bool {
	switch op {
	case "gt":
		return a > b
	case "ge":
		return a >= b
	case "lt":
		return a < b
	case "le":
		return a <= b
	}
	return false
}

func sameValue(have, want any) bool {
	a, okA := have.(string)
	b, okB := want.(string)
	if okA && okB {
		return strings.EqualFold(a, b)
	}
	// A missing boolean is false: "primary eq false" hits the entries that say nothing.
	if w, ok := want.(bool); ok && have == nil {
		return !w
	}
	// Booleans are also written as text: Entra ID's mappings say roles[primary eq "True"].value, and
	// some targets answer with "true".
	if h, ok := have.(bool); ok && okB {
		return strings.EqualFold(b, strconv.FormatBool(h))
	}
	if w, ok := want.(bool); ok && okA {
		return strings.EqualFold(a, strconv.FormatBool(w))
	}
	return Equal(have, want)
}

// equalities returns the members that an entry must have to pass the filter, as far as the filter
// is made of equalities joined by "and".
func (f *Filter) equalities() map[string]any {
	out := map[string]any{}
	switch f.Op {
	case "eq":
		out[f.Path.Name] = f.Value
	case "and":
		for _, b := range f.Branches {
			for k, v := range b.equalities() {
				out[k] = v
			}
		}
	}
	return out
}
