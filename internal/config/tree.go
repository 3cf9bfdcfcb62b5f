package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The bounds of what is read. An alias counts again every time it is used, so a few lines that
// stand for billions end here ("billion laughs").
const (
	maxFile         = 4 << 20 // bytes of one file
	maxNodes        = 1 << 20 // keys and values of all files, aliases followed
	maxDepth        = 32      // lists and mappings inside one another
	maxApplications = 1_000   // of one list
)

// longest bounds the lists whose entries are compiled.
var longest = map[string]int{"provisioning.filters": 100, "mappings.users": 1_000, "mappings.groups": 1_000}

// reader walks the tree of one file.
type reader struct {
	*report
	file    string
	lines   []string // of the source, for places inside an expression
	env     func(string) (string, bool)
	read    func(path string) ([]byte, error)
	visited *int // nodes so far, of all files
	spent   bool // the bound was reported
}

// documents parses the YAML text into one tree per document. What the parser cannot read is one
// problem, and the documents before it are still returned.
func (r *reader) documents(data []byte) []*yaml.Node {
	at := Position{File: r.file, Line: 1, Column: 1}
	if len(data) > maxFile {
		r.add(at, "split it into several files", "the file is larger than %d MiB", maxFile>>20)
		return nil
	}
	if !utf8.Valid(data) {
		r.add(r.badBytes(data), "save it as UTF-8", "the file is not UTF-8 text")
		return nil
	}
	var docs []*yaml.Node
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.syntax(err)
			return docs
		}
		if len(doc.Content) == 1 && !isNull(doc.Content[0]) {
			docs = append(docs, doc.Content[0])
		}
	}
	if len(docs) == 0 {
		r.add(at, `begin with "applications:"`, "the file names no application")
	}
	return docs
}

func (r *reader) badBytes(data []byte) Position {
	at := Position{File: r.file, Line: 1, Column: 1}
	for len(data) > 0 {
		c, size := utf8.DecodeRune(data)
		switch {
		case c == utf8.RuneError && size == 1:
			return at
		case c == '\n':
			at.Line, at.Column = at.Line+1, 1
		default:
			at.Column++
		}
		data = data[size:]
	}
	return at
}

var (
	syntaxLine    = regexp.MustCompile(`^line (\d+): `)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
)

// syntax reports what the YAML parser says. It names a line at best, and the one where it gave up;
// the column is where the text of that line begins. The two common mistakes are looked for.
func (r *reader) syntax(err error) {
	message, hint := strings.TrimPrefix(err.Error(), "yaml: "), ""
	at := Position{File: r.file, Line: 1, Column: 1}
	if m := syntaxLine.FindStringSubmatch(message); m != nil {
		message = message[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			at.Line = max(1, min(n, len(r.lines)))
		}
	}
	line := r.line(at.Line)
	at.Column = utf8.RuneCountInString(line) - utf8.RuneCountInString(strings.TrimLeft(line, " ")) + 1
	if strings.Contains(message, "tab character") || strings.Contains(message, "cannot start any token") {
		for n := at.Line; n <= len(r.lines); n++ {
			if text := strings.TrimLeft(r.line(n), " "); strings.HasPrefix(text, "\t") {
				at.Line, at.Column, hint = n, len(r.line(n))-len(text)+1, "indent with spaces, not with tabs"
				break
			}
		}
	}
	if m := unknownAnchor.FindStringSubmatch(message); m != nil {
		message, hint = "there is no anchor "+quote(m[1]), "an alias (*name) needs an anchor (&name) before it in the same document"
		for n := range r.lines {
			if i := strings.Index(r.lines[n], "*"+m[1]); i >= 0 {
				at.Line, at.Column = n+1, utf8.RuneCountInString(r.lines[n][:i])+1
				break
			}
		}
	}
	r.add(at, hint, "this is not YAML: %s", message)
}

// line returns a line of the source without its end, "" when there is none.
func (r *reader) line(n int) string {
	if n < 1 || n > len(r.lines) {
		return ""
	}
	return strings.TrimSuffix(r.lines[n-1], "\r")
}

func (r *reader) at(n *yaml.Node) Position {
	return Position{File: r.file, Line: max(1, n.Line), Column: max(1, n.Column)}
}

// follow returns what an alias stands for, and counts the node. It returns nil when a bound is
// reached, of nodes or of problems; nothing more is read then.
func (r *reader) follow(n *yaml.Node) *yaml.Node {
	if *r.visited++; *r.visited > maxNodes {
		if !r.spent {
			r.spent = true
			r.add(r.at(n), "write less, or use fewer aliases", "the configuration holds more than %d values, aliases followed", maxNodes)
		}
		return nil
	}
	if len(r.problems) >= maxProblems {
		return nil
	}
	for hops := 0; n.Kind == yaml.AliasNode && n.Alias != nil; hops++ {
		if hops > maxDepth {
			return nil
		}
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// pair is one key of a mapping with its value.
type pair struct {
	name  string
	key   *yaml.Node
	value *yaml.Node
}

// pairs returns the keys of a mapping in their order: duplicates are reported and left out, merges
// ("<<: *defaults") come in behind the mapping's own keys, which win over them.
func (r *reader) pairs(n *yaml.Node, depth int) []pair {
	var own, merged []pair
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := r.follow(n.Content[i]), n.Content[i+1]
		if key == nil {
			return nil
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, r.merge(value, depth+1)...)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			r.add(r.at(key), "", "a key has to be a word, not %s", kindOf(key))
			continue
		}
		if first := seen[key.Value]; first != nil {
			r.add(r.at(key), "keep one of them", "key %s is given twice, first in line %d", quote(key.Value), first.Line)
			continue
		}
		seen[key.Value] = key
		own = append(own, pair{name: key.Value, key: key, value: value})
	}
	for _, p := range merged {
		if seen[p.name] == nil {
			seen[p.name] = p.key
			own = append(own, p)
		}
	}
	return own
}

func (r *reader) merge(n *yaml.Node, depth int) []pair {
	n = r.follow(n)
	switch {
	case n == nil:
		return nil
	case depth > maxDepth:
		r.add(r.at(n), "", "mappings are merged more than %d deep", maxDepth)
		return nil
	case n.Kind == yaml.MappingNode:
		return r.pairs(n, depth)
	case n.Kind == yaml.SequenceNode:
		var all []pair
		for _, e := range n.Content {
			all = append(all, r.merge(e, depth+1)...)
		}
		return all
	}
	r.add(r.at(n), "write <<: *name", "only a mapping can be merged, not %s", kindOf(n))
	return nil
}

// kindOf says in words what a value is.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "a boolean"
	case "!!int", "!!float":
		return "a number"
	}
	return "a text"
}

// quote shows a text of the file in a message, cut to what a line bears.
func quote(s string) string {
	if runes := []rune(s); len(runes) > 60 {
		s = string(runes[:59]) + "…"
	}
	return strconv.Quote(s)
}
