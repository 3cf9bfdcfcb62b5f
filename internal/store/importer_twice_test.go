package store_test

import (
	"errors"
	"iter"
	"testing"

	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// waiting is a source that has been begun, and goes on when it may.
type waiting struct {
	begun, on chan struct{}
	list      []source.Record
}

func (w waiting) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		close(w.begun)
		<-w.on
		for _, r := range w.list {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Two full imports of one source at once would each deactivate those whom only the other one names: the second one is turned away. One
// that adds, and one of another source, go on beside it.
func TestOneFullImportOfASourceAtATime(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		full := store.ImportOptions{Source: "hr", Full: true, AllowRemovals: true}
		first := waiting{make(chan struct{}), make(chan struct{}), []source.Record{named("ada"), named("bob")}}
		ended := make(chan error)
		go func() {
			_, err := s.Import(t.Context(), first, full)
			ended <- err
		}()
		<-first.begun
		if _, err := s.Import(t.Context(), rows{list: []source.Record{named("ada"), named("eve")}}, full); !errors.Is(err, store.ErrBusy) {
			t.Errorf("a second full import: %v", err)
		}
		for _, o := range []store.ImportOptions{{Source: "hr"}, {Source: "payroll", Full: true}} {
			_, err := s.Import(t.Context(), rows{list: []source.Record{named("joan " + o.Source)}}, o)
			must(t)(err)
		}
		close(first.on)
		must(t)(<-ended)
		_, err := s.Import(t.Context(), rows{list: []source.Record{named("ada"), named("eve")}}, full)
		must(t)(err)
	})
}
