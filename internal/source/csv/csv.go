// Package csv reads people from CSV: a header of SCIM paths and one row for each person.
//
// It takes what people have: commas, semicolons (Excel in most of Europe), tabs or bars, told by the header; UTF-8, UTF-16
// with a byte order mark, or Windows-1252; any end of line. It is strict about what it cannot know: a row with broken
// quoting, too many or too few cells, or bytes that are no text is refused, alone, and the next line is read as if nothing
// had been. It never guesses what a column means: a header that is not a SCIM path becomes a custom attribute, with a
// warning that names the path that may have been meant.
//
// Cells are trimmed. An empty cell clears its attribute. Start at [New]; header.go says what columns mean, rows.go has the grammar.
package csv

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// New returns the people of the CSV that r holds. Its records can be ranged over once.
func New(r io.Reader) source.Source { return Named(r, nil) }

// Named is New for a file whose columns are called otherwise: names gives the attribute of a column by
// its title, "" leaves the column out. Columns that names lacks are taken by their titles.
func Named(r io.Reader, names map[string]string) source.Source { return file{r, names} }

type file struct {
	r     io.Reader
	names map[string]string
}

// Titles returns the titles of the columns of a CSV, and the attribute that each is taken for, "" where
// it would be left out. It reads the header alone.
func Titles(r io.Reader) (titles, attributes []string, err error) {
	rows, err := newReader(r)
	if err != nil {
		return nil, nil, fmt.Errorf("reading CSV: %w", err)
	}
	titles, _, err = titlesOf(rows)
	for i, t := range titles {
		c, _ := newColumn(t, i+1)
		attributes = append(attributes, c.key)
	}
	return titles, attributes, err
}

func (f file) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		rows, err := newReader(f.r)
		if err != nil {
			yield(source.Record{}, fmt.Errorf("reading CSV: %w", err))
			return
		}
		columns, notes, err := header(rows, f.names)
		if err != nil {
			yield(source.Record{}, err)
			return
		}
		for {
			row, err := rows.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(source.Record{}, fmt.Errorf("reading CSV after line %d: %w", rows.lines.Number(), err))
				return
			}
			rec := person(columns, row)
			rec.Warnings = append(notes, row.notes...)
			notes = nil
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// person makes a record of a row.
func person(columns []column, row row) source.Record {
	rec := source.Record{Line: row.line, Kind: directory.KindUser, Attributes: make(map[string]any, len(columns))}
	err := row.err
	if err == nil {
		err = fits(columns, row.cells)
	}
	for i, c := range columns {
		if i >= len(row.cells) || err != nil && !c.names {
			continue
		}
		if wrong := c.take(&rec, row.cells[i]); wrong != nil && err == nil {
			err = fmt.Errorf("column %s: %w", c.title, wrong)
		}
	}
	for _, name := range []string{rec.ExternalID, rec.ID} {
		if rec.Name == "" {
			rec.Name = name
		}
	}
	if err == nil && rec.Name == "" {
		err = errors.New("the row says about nobody: userName, id and externalId are all empty or missing")
	}
	if err != nil {
		return source.Record{Line: rec.Line, Kind: rec.Kind, Name: rec.Name, Err: err}
	}
	return rec
}

// fits reports a row that is longer or shorter than the header. Empty cells behind the last column are what Excel leaves.
func fits(columns []column, cells []string) error {
	if len(cells) >= len(columns) && strings.Join(cells[len(columns):], "") == "" {
		return nil
	}
	return fmt.Errorf("the row has %d cells and the header %d: a separator or a quote is missing or too many", len(cells), len(columns))
}
