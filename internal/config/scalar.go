package config

import (
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// scalar is a value of the file with its variables replaced.
type scalar struct {
	node     *yaml.Node
	text     string
	replaced bool // a variable stood in it: what it stands for is never shown, and may be of any type
}

var variable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// scalar reads a single value: "${NAME}" is replaced by the variable, "$${" is a literal "${".
// Only text can hold a variable, and what a variable holds is never read as YAML.
func (r *reader) scalar(n *yaml.Node, what string) (scalar, bool) {
	if n.Kind != yaml.ScalarNode {
		r.add(r.at(n), "", "%s has to be a single value, not %s", what, kindOf(n))
		return scalar{}, false
	}
	if isNull(n) {
		r.add(r.at(n), "leave the key out for what the template says", "%s has no value", what)
		return scalar{}, false
	}
	switch n.ShortTag() {
	case "!!str", "!!bool", "!!int", "!!float", "!!timestamp", "!!merge":
	default:
		r.add(r.at(n), "leave the tag out", "%s has the tag %s, which means nothing here", what, quote(n.Tag))
		return scalar{}, false
	}
	s := scalar{node: n, text: n.Value}
	if strings.Contains(n.Value, "${") {
		text, ok := r.expand(n, what)
		if !ok {
			return s, false
		}
		s.text, s.replaced = text, true
	}
	if !legible(s.text) {
		r.add(r.at(n), "", "%s holds a control character", what)
		return s, false
	}
	return s, true
}

// legible reports whether a text is UTF-8 without control characters other than line breaks and tabs.
func legible(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c == 0x7f })
}

func (r *reader) expand(n *yaml.Node, what string) (string, bool) {
	const hint = "write ${NAME} for a variable and $${ for a plain ${"
	var b strings.Builder
	ok := true
	for rest := n.Value; rest != ""; {
		i := strings.Index(rest, "${")
		if i < 0 {
			b.WriteString(rest)
			break
		}
		if i > 0 && rest[i-1] == '$' {
			b.WriteString(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		b.WriteString(rest[:i])
		m := variable.FindStringSubmatch(rest[i:])
		if m == nil {
			r.add(r.at(n), hint, "%s holds ${ without a variable's name and a closing brace", what)
			return "", false
		}
		value, set := r.env(m[1])
		if !set {
			r.add(r.at(n), "set it for this command; "+hint, "variable %s of %s is not set", m[1], what)
			ok = false
		}
		if len(value) >= 8 {
			r.hidden = append(r.hidden, value)
		}
		b.WriteString(value)
		rest = rest[i+len(m[0]):]
	}
	return b.String(), ok
}

// variables reports whether a text of the file holds variables, and not only escapes of them.
func variables(text string) bool {
	return strings.Contains(strings.ReplaceAll(text, "$${", ""), "${")
}

// escape is the inverse of expansion, for [Export].
func escape(s string) string { return strings.ReplaceAll(s, "${", "$${") }

// shown quotes the value as the file writes it: never what a variable stands for.
func (s scalar) shown() string { return quote(s.node.Value) }

// str is the value as a text; numbers and booleans have to be quoted in the file, so that 007 and
// yes stay what they are.
func (r *reader) str(s scalar, what string) (string, bool) {
	switch s.node.ShortTag() {
	case "!!bool", "!!int", "!!float":
		r.add(r.at(s.node), "write "+strconv.Quote(s.node.Value)+" with its quotes", "%s has to be a text, not %s", what, kindOf(s.node))
		return "", false
	}
	return s.text, true
}

func (r *reader) boolean(s scalar, what string) (bool, bool) {
	if s.node.ShortTag() == "!!bool" || s.replaced {
		if b, err := strconv.ParseBool(strings.ToLower(s.text)); err == nil && len(s.text) > 1 {
			return b, true
		}
	}
	hint := "write true or false"
	switch strings.ToLower(s.node.Value) {
	case "yes", "on", "y", "1":
		hint = "write true"
	case "no", "off", "n", "0":
		hint = "write false"
	}
	r.add(r.at(s.node), hint, "%s has to be true or false, not %s", what, s.shown())
	return false, false
}

func (r *reader) integer(s scalar, what string) (int, bool) {
	if s.node.ShortTag() == "!!int" || s.replaced {
		if n, err := strconv.ParseInt(s.text, 10, 32); err == nil {
			return int(n), true
		}
	}
	r.add(r.at(s.node), "", "%s has to be a whole number, not %s", what, s.shown())
	return 0, false
}

func (r *reader) number(s scalar, what string) (float64, bool) {
	switch tag := s.node.ShortTag(); {
	case tag == "!!int", tag == "!!float", s.replaced:
		if f, err := strconv.ParseFloat(s.text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f, true
		}
	}
	r.add(r.at(s.node), "", "%s has to be a number, not %s", what, s.shown())
	return 0, false
}

// value reads what may be of any type, in the types of encoding/json: a constant or a default.
func (r *reader) value(n *yaml.Node, what string, depth int) (any, bool) {
	if n = r.follow(n); n == nil {
		return nil, false
	}
	if depth > maxDepth {
		r.add(r.at(n), "", "%s is nested more than %d deep", what, maxDepth)
		return nil, false
	}
	ok := true
	switch n.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for _, e := range n.Content {
			v, good := r.value(e, what, depth+1)
			list, ok = append(list, v), ok && good
		}
		return list, ok
	case yaml.MappingNode:
		object := map[string]any{}
		for _, p := range r.pairs(n, depth) {
			v, good := r.value(p.value, what, depth+1)
			object[p.name], ok = v, ok && good
		}
		return object, ok
	}
	s, ok := r.scalar(n, what)
	if !ok {
		return nil, false
	}
	switch n.ShortTag() {
	case "!!bool":
		return r.boolean(s, what)
	case "!!int", "!!float":
		f, ok := r.number(s, what)
		if ok && n.ShortTag() == "!!int" && math.Abs(f) > 1<<53 {
			r.add(r.at(n), "write "+strconv.Quote(n.Value)+" with its quotes", "%s is a number too large to stay exact", what)
			return nil, false
		}
		return f, ok
	}
	return s.text, true
}

// beside resolves a path that the file names, relative to the file itself.
func (r *reader) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(r.file), path)
}
