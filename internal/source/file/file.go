// Package file opens a file of people and groups in whichever format it has: CSV, LDIF or JSON. The formats are packages of their
// own and know nothing of each other; only the table here knows them all. Start at [Open].
package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/source/csv"
	"github.com/muster-id/muster/internal/source/json"
	"github.com/muster-id/muster/internal/source/ldif"
)

// format is one format, with what tells it.
type format struct {
	name       string
	extensions []string
	begins     func(start []byte) bool // start is the beginning, without mark, blanks and lines of comment
	open       func(io.Reader) source.Source
}

// formats are in the order in which they are tried; everything may be CSV.
var formats = []format{
	{"json", []string{".json", ".jsonl", ".ndjson"}, begins("{", "["), json.New},
	{"ldif", []string{".ldif", ".ldi"}, begins("dn:", "version:"), ldif.New},
	{"csv", []string{".csv", ".tsv", ".tab"}, begins(""), csv.New},
}

func begins(with ...string) func([]byte) bool {
	return func(start []byte) bool {
		return slices.ContainsFunc(with, func(w string) bool { return len(start) >= len(w) && strings.EqualFold(string(start[:len(w)]), w) })
	}
}

// Formats are the names that [Open] takes.
func Formats() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	slices.Sort(names)
	return names
}

// others are files that people mistake for one of ours, by their first bytes.
var others = []struct{ magic, what string }{
	{"PK\x03\x04", "an Excel workbook or another archive: save the sheet as \"CSV UTF-8\""},
	{"\xD0\xCF\x11\xE0", "an old Excel workbook: save the sheet as \"CSV UTF-8\""},
	{"\x1F\x8B", "compressed: unpack it first"},
	{"%PDF", "a PDF"},
}

// Open returns the people and groups of a file. With format "" the extension of name decides, else what r begins with. The
// error says what is wrong with the format; what is wrong inside comes with the records. is is the name of the format that
// the file has.
func Open(name, format string, r io.Reader) (src source.Source, is string, err error) {
	start, r, err := look(r)
	if err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", name, err)
	}
	for _, o := range others {
		if bytes.HasPrefix(start, []byte(o.magic)) {
			return nil, "", fmt.Errorf("%s is %s", name, o.what)
		}
	}
	text, err := beginning(start)
	if err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", name, err)
	}
	f, err := choose(format, strings.ToLower(filepath.Ext(name)), text)
	if err != nil {
		return nil, "", err
	}
	return f.open(r), f.name, nil
}

// choose returns the format of the given name, or else of the extension, or else of what the text begins with.
func choose(name, extension string, text []byte) (format, error) {
	fits := func(f format) bool { return strings.EqualFold(f.name, name) }
	if name == "" {
		fits = func(f format) bool { return slices.Contains(f.extensions, extension) }
		if !slices.ContainsFunc(formats, fits) {
			fits = func(f format) bool { return f.begins(text) }
		}
	}
	if i := slices.IndexFunc(formats, fits); i >= 0 {
		return formats[i], nil
	}
	return format{}, fmt.Errorf("%q is no format of files; there are %s", name, strings.Join(Formats(), ", "))
}

// look returns the first bytes of r, and r as it was before: rewound where that is possible, for formats that read twice.
func look(r io.Reader) (start []byte, again io.Reader, err error) {
	if s, ok := r.(io.ReadSeeker); ok {
		if at, err := s.Seek(0, io.SeekCurrent); err == nil {
			start = make([]byte, 4096)
			n, err := io.ReadFull(s, start)
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, nil, err
			}
			_, err = s.Seek(at, io.SeekStart)
			return start[:n], s, err
		}
	}
	in := bufio.NewReaderSize(r, 4096)
	start, err = in.Peek(4096)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return start, in, err
}

// beginning returns what a text begins with, behind a mark, blanks and lines of comment.
func beginning(start []byte) ([]byte, error) {
	in, _, err := source.Input(bytes.NewReader(start))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(in)
	for text = bytes.TrimSpace(text); bytes.HasPrefix(text, []byte("#")); text = bytes.TrimSpace(text) {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text, err
}
