package csv

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/muster-id/muster/internal/source"
)

// Bounds. A quoted cell that runs over more lines is a quote that nobody closed.
const (
	maxLine  = 1 << 20 // bytes
	maxLines = 100     // of one row
)

// row is one row: the header or a person.
type row struct {
	line  int // where it begins
	cells []string
	err   error    // why it cannot be used; cells then hold what could be told of it
	notes []string // what was noticed about the file
}

// line is one physical line, as text.
type line struct {
	number int
	text   string
	err    error // why it is none
}

// reader reads rows (RFC 4180, with any end of line and any separator). When quoting is broken only the line on which the row began
// is lost: reading goes on with the line after it, whatever the quote seemed to swallow.
type reader struct {
	lines     *source.Lines
	again     []line // lines to be read again, before any other
	separator byte
	width     int // cells of the header
	encoding  encoding
	told      bool // whether a note has named the encoding
	notes     []string
}

// encoding is what is known of a file's.
type encoding string

const (
	unknown     encoding = "unknown" // only ASCII so far
	isUTF8      encoding = "UTF-8"
	windows1252 encoding = "Windows-1252"
)

func newReader(r io.Reader) (*reader, error) {
	in, marked, err := source.Input(r)
	if err != nil {
		return nil, err
	}
	c := &reader{lines: source.NewLines(in, maxLine), separator: ',', encoding: isUTF8}
	if !marked {
		start, err := in.Peek(source.InputBuffer)
		if err != nil && !errors.Is(err, io.EOF) && len(start) == 0 {
			return nil, err
		}
		c.encoding = guess(start)
	}
	return c, nil
}

// guess tells the encoding from the beginning of a file. Text in Windows-1252 is hardly ever UTF-8 by accident; a UTF-8 file
// may have a damaged row, so the majority decides.
func guess(start []byte) encoding {
	good, bad := 0, 0
	for len(start) > 0 {
		if start[0] < utf8.RuneSelf {
			start = start[1:]
			continue
		}
		if !utf8.FullRune(start) {
			break // cut by the end of what is known
		}
		r, size := utf8.DecodeRune(start)
		if r == utf8.RuneError && size == 1 {
			bad++
		} else {
			good++
		}
		start = start[size:]
	}
	switch {
	case good > bad:
		return isUTF8
	case bad > 0:
		return windows1252
	}
	return unknown
}

// next returns the next row that is not blank, io.EOF after the last.
func (r *reader) next() (row, error) {
	for {
		first, err := r.take()
		if err != nil {
			return row{}, err
		}
		if first.err == nil && strings.Trim(first.text, " \t"+string(r.separator)) == "" {
			continue // blank, or the empty rows that Excel leaves
		}
		out, err := r.row(first, parser{separator: r.separator})
		out.notes, r.notes = r.notes, nil
		return out, err
	}
}

// row reads the row that begins with a line. The error is the input's.
func (r *reader) row(first line, p parser) (row, error) {
	out := row{line: first.number, err: first.err}
	if out.err != nil {
		return out, nil
	}
	var swallowed []line
	out.err = p.feed(first.text)
	for out.err == nil && p.quoted {
		next, err := r.take()
		switch {
		case errors.Is(err, io.EOF):
			out.err = p.unclosed("to the end of the file")
			continue
		case err != nil:
			return out, err
		}
		swallowed = append(swallowed, next)
		switch {
		case next.err != nil:
			out.err = next.err
		case len(swallowed) >= maxLines:
			out.err = p.unclosed(fmt.Sprintf("over more than %d lines", maxLines))
		case r.isRow(next.text):
			out.err = p.unclosed(fmt.Sprintf("over line %d, which is a row of its own", next.number))
		default:
			out.err = p.feed("\n" + next.text)
		}
	}
	out.cells = p.cells
	if out.err != nil {
		r.again = append(swallowed, r.again...)
	}
	return out, nil
}

// isRow reports whether a line inside a quoted cell looks like a whole row: then the quote before it was never closed, and taking the
// lines for one cell would lose people without a word.
func (r *reader) isRow(text string) bool {
	p := parser{separator: r.separator}
	return r.width > 1 && p.feed(text) == nil && !p.quoted && len(p.cells) == r.width
}

// take returns the next line in UTF-8.
func (r *reader) take() (line, error) {
	if len(r.again) > 0 {
		next := r.again[0]
		r.again = r.again[1:]
		return next, nil
	}
	text, whole, err := r.lines.Next()
	if err != nil {
		return line{}, err
	}
	out := line{number: r.lines.Number(), text: text}
	switch {
	case !whole:
		out.err = fmt.Errorf("line %d is longer than %d bytes", out.number, maxLine)
	case strings.IndexByte(text, 0) >= 0:
		out.err = fmt.Errorf("line %d holds a NUL byte, which no text has; if this is UTF-16, save the file as \"CSV UTF-8\"", out.number)
	default:
		r.decode(&out)
	}
	return out, nil
}

// decode makes UTF-8 of a line. A file that has shown UTF-8 is UTF-8, and a line that is not is damaged; a file whose first
// letters beyond ASCII are not UTF-8 is taken for what Excel means by "CSV" in the west, Windows-1252. Text in Windows-1252 is
// hardly ever UTF-8 by accident, so a line of such a file that is UTF-8 stays.
func (r *reader) decode(l *line) {
	if utf8.ValidString(l.text) {
		if r.encoding == unknown && strings.ContainsFunc(l.text, func(c rune) bool { return c >= utf8.RuneSelf }) {
			r.encoding = isUTF8
		}
		return
	}
	if r.encoding == isUTF8 {
		l.err = fmt.Errorf("line %d holds bytes that are not UTF-8, in a file that otherwise is", l.number)
		return
	}
	text, err := charmap.Windows1252.NewDecoder().String(l.text)
	if err != nil || strings.ContainsRune(text, utf8.RuneError) {
		l.err = fmt.Errorf("line %d holds bytes that are neither UTF-8 nor Windows-1252: save the file as \"CSV UTF-8\"", l.number)
		return
	}
	if !r.told {
		r.notes = append(r.notes, fmt.Sprintf("line %d: the file is not UTF-8 and is read as Windows-1252; save it as \"CSV UTF-8\" if letters come out wrong", l.number))
	}
	r.encoding, r.told, l.text = windows1252, true, text
}

// parser takes the lines of one row apart.
type parser struct {
	separator byte
	lenient   bool // a quote inside of an unquoted cell stands for itself, as in the header emails[type eq "work"].value
	cells     []string
	quoted    bool // a quoted cell goes on with the next line
	cell      []byte
}

// feed takes one line more, with the line break before it from the second on. The error says what is wrong with the quoting.
func (p *parser) feed(s string) error {
	blanks := " \t"
	if p.separator == '\t' {
		blanks = " "
	}
	for {
		if !p.quoted {
			if rest := strings.TrimLeft(s, blanks); strings.HasPrefix(rest, `"`) {
				p.quoted, p.cell, s = true, p.cell[:0], rest[1:]
				continue
			}
			text, rest, more := strings.Cut(s, string(p.separator))
			if !p.lenient && strings.IndexByte(text, '"') >= 0 {
				return fmt.Errorf("broken quoting: cell %d has a quote but does not begin with one; a cell with quotes is written \"like \"\"this\"\"\"", len(p.cells)+1)
			}
			p.add(text)
			if !more {
				return nil
			}
			s = rest
			continue
		}
		before, rest, closed := strings.Cut(s, `"`)
		p.cell = append(p.cell, before...)
		if !closed {
			return nil
		}
		if strings.HasPrefix(rest, `"`) {
			p.cell, s = append(p.cell, '"'), rest[1:]
			continue
		}
		p.quoted = false
		rest = strings.TrimLeft(rest, blanks)
		if rest != "" && rest[0] != p.separator {
			return fmt.Errorf("broken quoting: cell %d goes on after its closing quote; a quote inside a cell is written twice", len(p.cells)+1)
		}
		p.add(string(p.cell))
		if rest == "" {
			return nil
		}
		s = rest[1:]
	}
}

func (p *parser) add(cell string) { p.cells = append(p.cells, strings.TrimSpace(cell)) }

func (p *parser) unclosed(where string) error {
	return fmt.Errorf("broken quoting: the quote that opens cell %d is not closed and would run %s", len(p.cells)+1, where)
}
