package admin

import (
	"context"
	"fmt"
	"iter"

	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/store"
)

// Input is one file of an import, opened.
type Input struct {
	Name   string // for messages, where there are several
	Source source.Source
}

// ImportOptions say how files are brought into the directory.
type ImportOptions struct {
	Source        string // name of the source
	Full          bool   // the files together are all of the source
	AllowRemovals bool   // overrides the guard of Full
	DryRun        bool
	Verbose       bool // rows of what went well, too
	Progress      func(records int)
}

// Import brings files into the directory, several as if they were one.
func (d *Desk) Import(ctx context.Context, inputs []Input, o ImportOptions) (store.ImportResult, error) {
	var src source.Source = chain(inputs)
	if len(inputs) == 1 {
		src = inputs[0].Source
	}
	return d.store.Import(ctx, src, store.ImportOptions{
		Source: o.Source, Full: o.Full, AllowRemovals: o.AllowRemovals, DryRun: o.DryRun, Verbose: o.Verbose, Actor: d.by, Progress: o.Progress,
	})
}

// chain is several files read one after the other; messages say which one they are about.
type chain []Input

// Records implements [source.Source].
func (c chain) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		for _, in := range c {
			for rec, err := range in.Source.Records() {
				if err != nil {
					yield(rec, fmt.Errorf("%s: %w", in.Name, err))
					return
				}
				if rec.Err != nil {
					rec.Err = fmt.Errorf("%s: %w", in.Name, rec.Err)
				}
				for i, w := range rec.Warnings {
					rec.Warnings[i] = in.Name + ": " + w
				}
				if !yield(rec, nil) {
					return
				}
			}
		}
	}
}
