package slackemulator

import (
	"encoding/json"
	"strings"
)

// condition is a parsed filter: either a comparison (attribute, operator, value) or two conditions
// joined by "and" or "or".
type condition struct {
	op          string // eq co sw pr gt ge lt le, or and, or
	attribute   string // lower case
	value       string
	left, right *condition
}

// maxFilterDepth bounds nesting in parentheses, so that no query makes the parser recurse at will.
const maxFilterDepth = 64

var comparisons = map[string]func(have, want string) bool{
	"eq": func(have, want string) bool { return have == want },
	"co": strings.Contains,
	"sw": strings.HasPrefix,
	"gt": func(have, want string) bool { return have > want },
	"ge": func(have, want string) bool { return have >= want },
	"lt": func(have, want string) bool { return have < want },
	"le": func(have, want string) bool { return have <= want },
	"pr": func(have, _ string) bool { return have != "" },
}

// parseFilter reads Slack's filter language: eq co sw pr gt ge lt le, and, or, parentheses, names
// in any case. Slack asks for JSON strings, but its own sample has 'single quotes', and clients in
// the field send bare words; all three are taken. ne, ew and not are Slack's to refuse.
func parseFilter(text string) (*condition, error) {
	p := &filterParser{rest: text}
	p.space()
	if p.rest == "" {
		return nil, refuse("no_filters")
	}
	c, err := p.or(0)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(p.rest, ")"):
		return nil, refuse("invalid_filter_group")
	case p.rest != "":
		return nil, refuse("invalid_query")
	}
	return c, nil
}

type filterParser struct{ rest string }

func (p *filterParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// keyword eats word when it comes next as a whole word.
func (p *filterParser) keyword(word string) bool {
	if len(p.rest) <= len(word) || !strings.EqualFold(p.rest[:len(word)], word) ||
		!strings.ContainsRune(" \t\r\n(", rune(p.rest[len(word)])) {
		return false
	}
	p.rest = p.rest[len(word):]
	p.space()
	return true
}

func (p *filterParser) or(depth int) (*condition, error) {
	return p.chain("or", func() (*condition, error) {
		return p.chain("and", func() (*condition, error) { return p.term(depth) })
	})
}

func (p *filterParser) chain(word string, next func() (*condition, error)) (*condition, error) {
	left, err := next()
	for err == nil && p.keyword(word) {
		var right *condition
		right, err = next()
		left = &condition{op: word, left: left, right: right}
	}
	return left, err
}

func (p *filterParser) term(depth int) (*condition, error) {
	if depth > maxFilterDepth {
		return nil, refuse("invalid_filter_group")
	}
	if !strings.HasPrefix(p.rest, "(") {
		return p.comparison()
	}
	p.rest = p.rest[1:]
	p.space()
	c, err := p.or(depth + 1)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(p.rest, ")") {
		return nil, refuse("invalid_filter_group")
	}
	p.rest = p.rest[1:]
	p.space()
	return c, nil
}

func (p *filterParser) comparison() (*condition, error) {
	attribute := p.name()
	p.space()
	op := strings.ToLower(p.word())
	p.space()
	switch {
	case attribute == "" || op == "":
		return nil, refuse("incomplete_filter")
	case comparisons[op] == nil:
		return nil, refuse("invalid_query")
	case op == "pr":
		return &condition{op: op, attribute: attribute}, nil
	}
	value, err := p.value()
	if err != nil {
		return nil, err
	}
	p.space()
	return &condition{op: op, attribute: attribute, value: value}, nil
}

// name eats an attribute, which may hold a selector as emails[type eq "work"].value does.
func (p *filterParser) name() string {
	inBrackets, quoted := false, false
	end := strings.IndexFunc(p.rest, func(r rune) bool {
		switch {
		case r == '"' && inBrackets:
			quoted = !quoted
		case r == '[' && !quoted:
			inBrackets = true
		case r == ']' && !quoted:
			inBrackets = false
		}
		return !inBrackets && strings.ContainsRune(" \t\r\n()\"'", r)
	})
	return strings.ToLower(p.cut(end))
}

func (p *filterParser) word() string {
	return p.cut(strings.IndexAny(p.rest, " \t\r\n()\"'"))
}

func (p *filterParser) cut(end int) string {
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	return word
}

func (p *filterParser) value() (string, error) {
	switch {
	case p.rest == "" || p.rest[0] == ')':
		return "", refuse("incomplete_filter")
	case p.rest[0] == '"':
		decoder := json.NewDecoder(strings.NewReader(p.rest))
		var value string
		if err := decoder.Decode(&value); err != nil {
			return "", refuse("invalid_query")
		}
		p.rest = p.rest[decoder.InputOffset():]
		return value, nil
	case p.rest[0] == '\'':
		value, rest, closed := strings.Cut(p.rest[1:], "'")
		if !closed {
			return "", refuse("invalid_query")
		}
		p.rest = rest
		return value, nil
	default:
		return p.cut(strings.IndexAny(p.rest, " \t\r\n()")), nil
	}
}

// holds evaluates c on an object that lookup knows: all values of an attribute, and whether there
// is such an attribute at all. Values compare without regard to case, as in Slack's own example.
func (c *condition) holds(lookup func(attribute string) []string) bool {
	switch c.op {
	case "and":
		return c.left.holds(lookup) && c.right.holds(lookup)
	case "or":
		return c.left.holds(lookup) || c.right.holds(lookup)
	}
	compare, want := comparisons[c.op], strings.ToLower(c.value)
	for _, have := range lookup(c.attribute) {
		if compare(strings.ToLower(have), want) {
			return true
		}
	}
	return false
}

// check refuses attributes that known does not name, and brings aliases to one name.
func (c *condition) check(known map[string]string) error {
	if c.left != nil {
		if err := c.left.check(known); err != nil {
			return err
		}
		return c.right.check(known)
	}
	name, ok := known[c.attribute]
	if !ok {
		return refuse("invalid_query")
	}
	c.attribute = name
	if name == "restricted" || name == "ultra_restricted" {
		c.value = flagText(c.value)
	}
	return nil
}

// flagText brings the ways to say true and false in a filter to "1" and "0".
func flagText(value string) string {
	switch strings.ToLower(value) {
	case "1", "true":
		return "1"
	case "0", "false":
		return "0"
	}
	return value
}

// candidates narrows the search to the ids an index knows for c; ok is false when no index helps
// and every object has to be looked at.
func (c *condition) candidates(index func(attribute, value string) (string, bool)) (ids []string, ok bool) {
	switch c.op {
	case "eq":
		id, indexed := index(c.attribute, strings.ToLower(c.value))
		if indexed && id != "" {
			return []string{id}, true
		}
		return nil, indexed
	case "and":
		if ids, ok = c.left.candidates(index); ok {
			return ids, true
		}
		return c.right.candidates(index)
	case "or":
		left, ok := c.left.candidates(index)
		if !ok {
			return nil, false
		}
		right, ok := c.right.candidates(index)
		return append(left, right...), ok
	}
	return nil, false
}
