package ldif

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// Bounds, so that no file makes us hold more than one large group.
const (
	maxLine  = 1 << 20  // bytes of one value that we want, folded lines put together
	maxEntry = 64 << 20 // bytes of all values that we want of one entry: some 700,000 members
)

// entry is one entry, with the attributes that we want and no others (photos and certificates are never kept).
type entry struct {
	line   int
	dn     string
	name   name               // dn, taken apart
	values map[string][]value // by lower-case type without options
	size   int
	err    error // why the entry cannot be used; it is read to its end nevertheless
}

type value struct {
	text    string
	options string // lower case, "" for none: "lang-ja", "range=0-1499"
}

// reader reads entries off lines (RFC 2849: ldif-content, and the add records of ldif-changes).
type reader struct {
	lines  *source.Lines
	ahead  string // the next physical line
	whole  bool   // whether ahead is all of it
	number int    // of ahead
	err    error  // instead of ahead; io.EOF after the last line
	folded []byte // reused by logical
}

func newReader(r io.Reader) (*reader, error) {
	in, _, err := source.Input(r)
	if err != nil {
		return nil, err
	}
	l := &reader{lines: source.NewLines(in, maxLine)}
	l.advance()
	return l, nil
}

func (r *reader) advance() {
	r.ahead, r.whole, r.err = r.lines.Next()
	r.number = r.lines.Number()
}

// next returns the next entry, io.EOF after the last, or what ends the file before its end.
func (r *reader) next() (*entry, error) {
	for {
		for r.err == nil && strings.TrimSpace(r.ahead) == "" {
			r.advance()
		}
		e := &entry{line: r.number, values: map[string][]value{}}
		begun := false // whether there was more than what may stand before or between entries
		for r.err == nil && r.ahead != "" && !(begun && isName(r.ahead)) {
			text, whole, number := r.logical()
			if strings.HasPrefix(text, "#") || text == "-" {
				continue
			}
			attribute, v, err := parse(text, whole)
			switch {
			case err != nil:
				e.fail(number, err)
				begun = true
			case begun:
				e.take(attribute, v, number)
			case attribute == "dn":
				e.line, e.dn, e.name, begun = number, v.text, parseName(v.text), true
			default:
				outside, err := between(attribute, v)
				if err != nil {
					return nil, fmt.Errorf("line %d: %w", number, err)
				}
				if !outside {
					e.fail(number, fmt.Errorf("an entry begins with its dn, this one with %s", short(attribute)))
					e.take(attribute, v, number)
					begun = true
				}
			}
		}
		switch {
		case r.err != nil && !errors.Is(r.err, io.EOF):
			return nil, fmt.Errorf("reading LDIF after line %d: %w", r.number, r.err) // half an entry is none
		case begun:
			return e, nil
		case r.err != nil:
			return nil, io.EOF
		}
	}
}

// isName reports whether a line begins an entry, even where the blank line before it is missing.
func isName(line string) bool { return len(line) > 3 && strings.EqualFold(line[:3], "dn:") }

// between reads a line that stands outside of entries: the version at the file's start, and what ldapsearch without -LLL
// adds (search, ref and the server's verdict). The error ends the file.
func between(attribute string, v value) (outside bool, err error) {
	switch attribute {
	case "version":
		if v.text != "1" {
			return true, fmt.Errorf("LDIF of version %q cannot be read, only version 1", short(v.text))
		}
	case "result":
		if code, _, _ := strings.Cut(v.text, " "); code != "0" {
			return true, fmt.Errorf("the export itself broke off (the LDAP server answered %q): export again, with paging or a higher size limit", short(v.text))
		}
	case "search", "ref":
	default:
		return false, nil
	}
	return true, nil
}

// logical returns the next line with those that continue it by a leading space, and the number of its first.
func (r *reader) logical() (text string, whole bool, number int) {
	text, whole, number = r.ahead, r.whole, r.number
	folded := r.folded[:0]
	for r.advance(); r.err == nil && strings.HasPrefix(r.ahead, " "); r.advance() {
		if len(folded) == 0 {
			folded = append(folded, text...)
		}
		piece := r.ahead[1:]
		if room := max(0, maxLine-len(folded)); len(piece) > room || !r.whole {
			piece, whole = piece[:min(room, len(piece))], false
		}
		folded = append(folded, piece...)
	}
	if r.folded = folded; len(folded) > 0 {
		text = string(folded)
	}
	return text, whole, number
}

// parse takes a line apart. Of attributes that nobody wants the value is left out, whatever it is.
func parse(line string, whole bool) (attribute string, v value, err error) {
	description, rest, found := strings.Cut(line, ":")
	if !found {
		return "", v, fmt.Errorf("%q is not an attribute: a colon is missing", short(line))
	}
	attribute, v.options, _ = strings.Cut(strings.ToLower(description), ";")
	if !wanted[attribute] && !structural[attribute] {
		return attribute, v, nil
	}
	if !whole {
		return "", v, fmt.Errorf("the value of %s is longer than %d bytes", attribute, maxLine)
	}
	if v.text, err = decode(rest); err != nil {
		return "", v, fmt.Errorf("%s: %w", attribute, err)
	}
	if !binary[attribute] && !directory.CleanText(v.text) {
		return "", v, fmt.Errorf("the value of %s is not text in UTF-8", attribute)
	}
	return attribute, v, nil
}

// decode reads what follows the first colon: ":" base64, "<" a URL, or the value itself.
func decode(rest string) (string, error) {
	switch {
	case strings.HasPrefix(rest, ":"):
		raw, err := base64.StdEncoding.DecodeString(strings.Trim(rest[1:], " "))
		if err != nil {
			return "", errors.New("the base64 after \"::\" is broken")
		}
		return string(raw), nil
	case strings.HasPrefix(rest, "<"):
		return "", errors.New("the value stands in another file or at a URL, which is not read")
	}
	return strings.Trim(rest, " "), nil
}

// take puts one value into the entry. Of an entry that cannot be used the classes are still of interest.
func (e *entry) take(attribute string, v value, line int) {
	if attribute == "changetype" {
		if !strings.EqualFold(v.text, "add") {
			e.fail(line, fmt.Errorf("this is a change (%s), and changes are not applied: export the entries themselves", short(v.text)))
		}
		return
	}
	if !wanted[attribute] || e.err != nil && attribute != "objectclass" {
		return
	}
	if e.size += len(v.text); e.size > maxEntry {
		e.fail(line, fmt.Errorf("the entry is larger than %d bytes", maxEntry))
		e.values = map[string][]value{"objectclass": e.values["objectclass"]}
		return
	}
	e.values[attribute] = append(e.values[attribute], v)
}

// fail marks the entry as unusable; the first reason is the one that counts.
func (e *entry) fail(line int, err error) {
	if e.err == nil {
		e.err = fmt.Errorf("line %d: %w", line, err)
	}
}

// short is text that goes into a message.
func short(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}

// all returns the values of an attribute that are not empty: those without a language, or else those in the language that comes first.
func (e *entry) all(attribute string) []string {
	have := e.values[attribute]
	if len(have) == 0 {
		return nil
	}
	language := func(v value) string {
		if strings.Contains(v.options, "lang-") {
			return v.options
		}
		return ""
	}
	choice := language(have[0])
	if slices.ContainsFunc(have, func(v value) bool { return language(v) == "" }) {
		choice = ""
	}
	var out []string
	for _, v := range have {
		if text := strings.TrimSpace(v.text); text != "" && language(v) == choice {
			out = append(out, text)
		}
	}
	return out
}

// first returns a value of the first attribute that has one. Of several values it takes the one that the entry's own name is made
// of, else the first: a server returns values in any order, and nobody's userName may change with it.
func (e *entry) first(attributes ...string) string {
	for _, a := range attributes {
		list := e.all(a)
		if len(list) > 1 {
			if i := slices.IndexFunc(list, func(v string) bool { return e.name.begins(a, v) }); i >= 0 {
				return list[i]
			}
		}
		if len(list) > 0 {
			return list[0]
		}
	}
	return ""
}
