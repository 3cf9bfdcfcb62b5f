package admin

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/source/file"
	"github.com/muster-id/muster/internal/store"
)

// File is one file of an import.
type File struct {
	Name   string // for messages and, where no format is given, for the format
	Format string // csv, ldif, json; "" lets the name and the content tell
	Data   io.Reader
}

// ImportOptions say how files are brought into the directory.
type ImportOptions struct {
	// Source is the name of the source; "" takes the format of the first file, so that files of one kind that come
	// one after the other, under whatever names, are one source.
	Source        string
	Full          bool // the files together are all of the source
	AllowRemovals bool // overrides the guard of Full
	DryRun        bool
	Verbose       bool // rows of what went well, too
	Progress      func(records int)
}

// Import brings files into the directory, several as if they were one.
func (d *Desk) Import(ctx context.Context, files []File, o ImportOptions) (store.ImportResult, error) {
	if len(files) == 0 {
		return store.ImportResult{}, usage("usage", "give one or more", "there is no file to import")
	}
	var inputs chain
	for _, f := range files {
		src, format, err := file.Open(f.Name, f.Format, f.Data)
		if err != nil {
			return store.ImportResult{}, &Problem{Exit: ExitUsage, Code: "format", Message: err.Error(), Next: "Muster reads " + strings.Join(file.Formats(), ", ") + "; name the format with --format", Err: err}
		}
		inputs = append(inputs, input{f.Name, src})
		o.Source = cmp.Or(o.Source, format)
	}
	return d.bring(ctx, inputs, o)
}

// bring has the store read what has been opened.
func (d *Desk) bring(ctx context.Context, inputs chain, o ImportOptions) (store.ImportResult, error) {
	var src source.Source = inputs
	if len(inputs) == 1 {
		src = inputs[0].source
	}
	return d.store.Import(ctx, src, store.ImportOptions{
		Source: o.Source, Full: o.Full, AllowRemovals: o.AllowRemovals, DryRun: o.DryRun, Verbose: o.Verbose, Actor: d.by, Progress: o.Progress,
	})
}

// input is a file that has been opened.
type input struct {
	name   string
	source source.Source
}

// chain is several files read one after the other; messages say which one they are about.
type chain []input

// Records implements [source.Source].
func (c chain) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		for _, in := range c {
			for rec, err := range in.source.Records() {
				if err != nil {
					yield(rec, fmt.Errorf("%s: %w", in.name, err))
					return
				}
				rec.Input = in.name
				if !yield(rec, nil) {
					return
				}
			}
		}
	}
}
