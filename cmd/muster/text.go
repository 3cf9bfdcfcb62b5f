package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
	wide "golang.org/x/text/width"
)

// width counts the columns that a text takes on a terminal: East Asian wide letters take two,
// combining marks none (Unicode Standard Annex 11).
func width(s string) int {
	n := 0
	for _, r := range s {
		n += columns(r)
	}
	return n
}

func columns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch wide.LookupRune(r).Kind() {
	case wide.EastAsianWide, wide.EastAsianFullwidth:
		return 2
	}
	return 1
}

// pad fills a text with spaces up to a width.
func pad(s string, to int) string { return s + strings.Repeat(" ", max(0, to-width(s))) }

// cut shortens a text to a width, with … where something is missing.
func cut(s string, to int) string {
	if width(s) <= to {
		return s
	}
	n := 0
	for i, r := range s {
		if n += columns(r); n > to-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// plain makes one line of a text that came from outside: what would move the cursor or change the
// terminal is shown instead of done.
func plain(s string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return '\uFFFD'
		}
		return r
	}, s)
	return strings.TrimSpace(clean)
}

// tame is what stands between a text of several lines and a terminal: control characters are shown
// instead of done, but for line breaks, tabs and the colours of type paint.
func tame(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) }) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\x1b' && paints.MatchString(s[i:]), r == '\n', r == '\t':
			b.WriteRune(r)
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			b.WriteRune('\uFFFD')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// paints are the sequences that type paint writes: text from outside that holds one changes the
// colour of its own line and nothing else.
var paints = regexp.MustCompile(`^\x1b\[(?:0|1|2|31|32|33)m`)

// table is rows under a heading. A column whose heading begins with "!" is never shortened; one with "*",
// which people copy from, only when the others have hardly any room left.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// gap stands between columns.
const gap = 2

// write prints the table within a width: the widest column gives way first.
func (t *table) write(w io.Writer, limit int, p paint) {
	size := make([]int, len(t.head))
	least := make([]int, len(t.head)) // how narrow a column may become before the others do
	head := make([]string, len(t.head))
	for i, h := range t.head {
		head[i], least[i] = strings.TrimLeft(h, "!*"), 10
		size[i] = width(head[i])
	}
	for _, row := range t.rows {
		for i, cell := range row {
			row[i] = plain(cell)
			size[i] = max(size[i], width(row[i]))
		}
	}
	for i, h := range t.head {
		if strings.HasPrefix(h, "!") || strings.HasPrefix(h, "*") {
			least[i] = size[i]
		}
	}
	shrink(size, least, limit)
	for i, h := range t.head {
		if !strings.HasPrefix(h, "!") {
			least[i] = 4
		}
	}
	shrink(size, least, limit)
	line := func(cells []string) string {
		var b strings.Builder
		for i, cell := range cells {
			if i > 0 {
				b.WriteString(strings.Repeat(" ", gap))
			}
			b.WriteString(pad(cut(cell, size[i]), size[i]))
		}
		return strings.TrimRight(b.String(), " ")
	}
	fmt.Fprintln(w, p.dim(line(head)))
	for _, row := range t.rows {
		fmt.Fprintln(w, line(row))
	}
}

// shrink makes the widest column narrower until the row fits, or none can give way.
func shrink(size, least []int, limit int) {
	for total(size) > limit {
		widest := -1
		for i, n := range size {
			if n > least[i] && (widest < 0 || n > size[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		size[widest]--
	}
}

func total(size []int) int {
	n := gap * (len(size) - 1)
	for _, s := range size {
		n += s
	}
	return n
}

// paint colours text on terminals that want it.
type paint bool

// paintFor decides for a stream: a terminal, unless NO_COLOR is set (https://no-color.org).
func paintFor(w io.Writer) paint {
	f, ok := w.(*os.File)
	return paint(ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func (p paint) code(code, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p paint) red(s string) string    { return p.code("31", s) }
func (p paint) green(s string) string  { return p.code("32", s) }
func (p paint) yellow(s string) string { return p.code("33", s) }
func (p paint) bold(s string) string   { return p.code("1", s) }
func (p paint) dim(s string) string    { return p.code("2", s) }

// screen is how wide a stream is: its terminal, COLUMNS, or 80.
func screen(w io.Writer) int {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n >= 40 {
			return n
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= 40 {
		return n
	}
	return 80
}

// count puts a number before the right form, with its thousands apart.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// number writes 12345 as 12,345.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// took writes a duration as people say it.
func took(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d:%02d min", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d h", int(d.Hours()), int(d.Minutes())%60)
}

// when writes a time for people, in their own zone.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
