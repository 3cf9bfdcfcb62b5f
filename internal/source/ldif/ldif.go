// Package ldif reads people and groups from LDIF (RFC 2849) as LDAP servers and their tools write it: slapcat, ldapsearch,
// db2ldif, ldifde.
//
// It takes inetOrgPerson (also person, organizationalPerson and Active Directory's user), groupOfNames,
// groupOfUniqueNames, posixGroup and Active Directory's group; everything else is left out, with one warning that
// counts it. What it makes of their attributes stands in the tables of person.go and group.go. It applies no changes:
// of change records only "add" is an entry.
//
// The attributes that occur in a file are the file's columns: where a person lacks one of them the value is cleared,
// and attributes that the file never mentions stay as they are. That takes two passes, so the input is read twice
// (through a temporary file when it cannot be rewound) and never held in memory.
//
// Start at [New]; entry.go has the grammar.
package ldif

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// New returns the people and groups of the LDIF that r holds. Its records can be ranged over once.
func New(r io.Reader) source.Source { return file{r} }

type file struct{ r io.Reader }

func (f file) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		first, second, done, err := twice(f.r)
		if err != nil {
			yield(source.Record{}, err)
			return
		}
		defer done()
		seen := survey(first)
		in, err := second()
		goOn := true
		if err == nil {
			goOn, err = records(in, seen, yield)
		}
		if goOn && err != nil {
			yield(source.Record{}, err)
		}
	}
}

// records yields every person and group, and reports whether more was wanted and why the input ended before its end.
func records(in io.Reader, seen columns, yield func(source.Record, error) bool) (goOn bool, err error) {
	entries, err := newReader(in)
	if err != nil {
		return true, fmt.Errorf("reading LDIF: %w", err)
	}
	var rest leftOut
	// One record is held back, so that what is to be said about the whole file has a record to stand at.
	var last *source.Record
	for {
		e, err := entries.next()
		if err != nil {
			notes := rest.notes()
			if last != nil {
				last.Warnings = append(last.Warnings, notes...)
				if !yield(*last, nil) {
					return false, nil
				}
			}
			switch {
			case !errors.Is(err, io.EOF):
				return true, err
			case last == nil && rest.total == 0:
				return true, errors.New("the file is empty: it has no LDIF entry")
			case last == nil:
				return true, fmt.Errorf("none of the %d entries is a person or a group (%s)", rest.total, rest.classes())
			}
			return true, nil
		}
		rec, ok := record(e, seen)
		if !ok {
			rest.add(e)
			continue
		}
		if last != nil && !yield(*last, nil) {
			return false, nil
		}
		last = &rec
	}
}

// record makes a record of an entry, ok is false when the entry is neither a person nor a group.
func record(e *entry, seen columns) (rec source.Record, ok bool) {
	switch kind := e.kind(); {
	case e.err != nil && (kind != "" || len(e.values["objectclass"]) == 0):
		if kind == "" {
			kind = directory.KindUser // it breaks off before its class, and could be a person
		}
		rec = source.Record{Kind: kind, Name: e.dn, Err: e.err}
	case kind == directory.KindUser:
		rec = person(e, seen)
	case kind == directory.KindGroup:
		rec = group(e, seen)
	default:
		return rec, false
	}
	rec.Line = e.line
	return rec, true
}

// columns are what a file speaks about: an attribute that some entry has is one that all entries of its kind could have had.
type columns struct {
	attributes map[string]bool // of people, by path
	manager    bool
	active     bool
	members    bool
}

// survey is the first pass. A failure of the input is not its business: the second pass meets it again.
func survey(in io.Reader) columns {
	seen := columns{attributes: map[string]bool{}}
	entries, err := newReader(in)
	for err == nil {
		var e *entry
		if e, err = entries.next(); err != nil {
			break
		}
		rec, ok := record(e, columns{})
		if !ok || rec.Err != nil {
			continue
		}
		if rec.Kind == directory.KindUser {
			for path := range rec.Attributes {
				seen.attributes[path] = true
			}
		}
		seen.manager = seen.manager || rec.Manager != nil
		seen.active = seen.active || rec.Active != nil
		seen.members = seen.members || rec.Members != nil
	}
	return seen
}

// twice returns r for a first reading and, after that, for a second one. What cannot be rewound (a pipe) goes through a temporary
// file; a failure of r then comes where it came, in the second reading.
func twice(r io.Reader) (first io.Reader, second func() (io.Reader, error), done func(), err error) {
	if s, ok := r.(io.ReadSeeker); ok {
		if start, err := s.Seek(0, io.SeekCurrent); err == nil {
			return s, func() (io.Reader, error) { return s, rewind(s, start) }, func() {}, nil
		}
	}
	spool, err := os.CreateTemp("", "muster-*.ldif")
	if err != nil {
		return nil, nil, nil, fmt.Errorf("keeping LDIF for a second reading: %w", err)
	}
	done = func() {
		spool.Close()
		os.Remove(spool.Name())
	}
	_, broken := io.Copy(spool, r)
	if err := rewind(spool, 0); err != nil {
		done()
		return nil, nil, nil, err
	}
	second = func() (io.Reader, error) {
		if broken != nil {
			return io.MultiReader(spool, failure{broken}), rewind(spool, 0)
		}
		return spool, rewind(spool, 0)
	}
	return spool, second, done, nil
}

func rewind(s io.Seeker, start int64) error {
	if _, err := s.Seek(start, io.SeekStart); err != nil {
		return fmt.Errorf("reading LDIF a second time: %w", err)
	}
	return nil
}

// failure is the end of an input that broke off.
type failure struct{ err error }

func (f failure) Read([]byte) (int, error) { return 0, f.err }
