// Package json reads users and groups from JSON: a SCIM ListResponse (RFC 7644 §3.4.2), an array of resources, a single
// resource, or any number of these one after the other (pages, JSON Lines).
//
// Resources are read one by one and never held together. A resource that cannot be used costs itself alone, as long as its
// brackets match; a file that breaks off, or that holds fewer resources than its totalResults promises, ends with an error, so
// that nobody takes a part for the whole.
//
// Ids are those of the file: members and managers point at them. Attributes that SCIM does not know become custom ones, after
// a warning. Start at [New]; scan.go finds resources, resource.go takes them apart.
package json

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// New returns the users and groups of the JSON that r holds. Its records can be ranged over once.
func New(r io.Reader) source.Source { return file{r} }

type file struct{ r io.Reader }

func (f file) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		in, _, err := source.Input(f.r)
		if err != nil {
			yield(source.Record{}, fmt.Errorf("reading JSON: %w", err))
			return
		}
		p := &pass{scan: scanner{in: in, line: 1}, yield: yield, told: map[string]bool{}}
		if err := p.run(); err != nil && !errors.Is(err, errStop) {
			yield(source.Record{}, err)
		}
	}
}

// errStop says that no more records are wanted.
var errStop = errors.New("stop")

// pass is one reading of a file.
type pass struct {
	scan  scanner
	yield func(source.Record, error) bool
	told  map[string]bool // what has been warned of

	resources int // seen so far
	promised  int // the largest totalResults
}

// run reads one value after the other. The error says why the file could not be read to its end.
func (p *pass) run() error {
	for n := 0; ; n++ {
		first, err := p.scan.peek()
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return errors.New("the file is empty: it needs a SCIM ListResponse, or users and groups in an array")
		case errors.Is(err, io.EOF):
			if p.resources < p.promised {
				return fmt.Errorf("the file says that there are %d resources (totalResults) and holds %d: it is one page of a list", p.promised, p.resources)
			}
			return nil
		case err != nil:
			return fmt.Errorf("reading JSON after line %d: %w", p.scan.line, err)
		case first == '[':
			if _, err := p.scan.in.Discard(1); err != nil {
				return err
			}
			err = p.elements()
		case first == '{':
			err = p.object()
		default:
			return fmt.Errorf("line %d: this is not JSON: it begins with %q, where { or [ should be", p.scan.line, first)
		}
		if err != nil {
			return err
		}
	}
}

// elements reads resources up to the bracket that closes their array.
func (p *pass) elements() error {
	start := p.scan.line
	for {
		c, err := p.scan.peek()
		if err != nil {
			return cutOff(err, "list", start)
		}
		if c == ',' || c == ']' {
			if _, err := p.scan.in.Discard(1); err != nil {
				return err
			}
			if c == ']' {
				return nil
			}
			continue
		}
		line := p.scan.line
		raw, problem, err := p.scan.value(nil)
		if err != nil {
			return cutOff(err, "resource", line)
		}
		if err := p.resource(raw, problem, line); err != nil {
			return err
		}
	}
}

// object reads an object that stands by itself: a ListResponse, whose resources are read on the way, or one resource.
func (p *pass) object() error {
	line, list := p.scan.line, false
	raw, problem, err := p.scan.value(func() error {
		list = true
		return p.elements()
	})
	if err != nil {
		return cutOff(err, "object", line)
	}
	if !list {
		return p.resource(raw, problem, line)
	}
	if problem != nil {
		return fmt.Errorf("line %d: %w", line, problem)
	}
	var envelope struct {
		TotalResults int `json:"totalResults"`
	}
	if err := json.Unmarshal(raw, &envelope); err != nil {
		return fmt.Errorf("line %d: the ListResponse is broken: %w", line, err)
	}
	p.promised = max(p.promised, envelope.TotalResults)
	return nil
}

// cutOff explains the error that ended a value.
func cutOff(err error, what string, line int) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the file ends within the %s that begins at line %d: it is cut off, or a bracket or quote is not closed", what, line)
	}
	return err
}

// resource yields the record of one resource.
func (p *pass) resource(raw []byte, problem error, line int) error {
	p.resources++
	rec := source.Record{Kind: directory.KindUser}
	if problem == nil {
		rec, problem = p.record(raw, line)
	}
	if problem != nil {
		rec = source.Record{Kind: rec.Kind, Name: rec.Name, Err: problem, Warnings: rec.Warnings}
	}
	rec.Line = line
	if !p.yield(rec, nil) {
		return errStop
	}
	return nil
}

// warn adds a warning to a record, once a file.
func (p *pass) warn(rec *source.Record, about, format string, args ...any) {
	if about = strings.ToLower(about); p.told[about] || len(p.told) >= 1000 {
		return
	}
	p.told[about] = true
	rec.Warnings = append(rec.Warnings, fmt.Sprintf(format, args...))
}
