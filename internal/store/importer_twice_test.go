package store_test

import (
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// Two full imports of one source at once would each deactivate those whom only the other one names: the one that was begun last ends
// the one before, which says so and deactivates nobody. One that adds, and one of another source, go on beside it.
func TestLastFullImportOfASourceIsTheTruth(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		full := store.ImportOptions{Source: "hr", Full: true, AllowRemovals: true}
		bring(t, s, rows{list: []source.Record{named("ada"), named("bob")}}, full, "2/0/0/0/0")
		before := waiting{make(chan struct{}), make(chan struct{}), []source.Record{named("ada"), named("bob")}}
		ended := make(chan error)
		begin := func(w waiting, o store.ImportOptions) {
			_, err := s.Import(t.Context(), w, o)
			ended <- err
		}
		go begin(before, full)
		<-before.begun
		beside := waiting{make(chan struct{}), make(chan struct{}), []source.Record{named("joan")}}
		for _, o := range []store.ImportOptions{{Source: "hr"}, {Source: "payroll", Full: true}} {
			w := waiting{make(chan struct{}), beside.on, []source.Record{named("joan " + o.Source)}}
			go begin(w, o)
			<-w.begun
		}
		bring(t, s, rows{list: []source.Record{named("ada"), named("eve")}}, full, "1/0/1/1/0")
		close(beside.on)
		must(t)(<-ended)
		must(t)(<-ended)
		close(before.on)
		if err := <-ended; !errors.Is(err, store.ErrBusy) || !strings.Contains(err.Error(), "another full import of hr was begun meanwhile") {
			t.Errorf("the one before ended with %v", err)
		}
		active := map[string]bool{}
		for _, name := range []string{"ada", "bob", "eve", "joan hr", "joan payroll"} {
			u, err := s.UserByName(t.Context(), name)
			must(t)(err)
			active[name] = u.Active
		}
		want := map[string]bool{"ada": true, "bob": false, "eve": true, "joan hr": true, "joan payroll": true}
		if diff := cmp.Diff(want, active); diff != "" {
			t.Errorf("active (-want +got):\n%s", diff)
		}
	})
}

// Of full imports that begin at the same moment each either is the one that counts or says that another one is: neither database
// lets one begin that nobody knows of, which would be told later that it gave no sign of life.
func TestFullImportsThatBeginAtOnce(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		full := store.ImportOptions{Source: "hr", Full: true}
		ended, start := make(chan error), make(chan struct{})
		const many = 8
		for range many {
			go func() {
				<-start
				_, err := s.Import(t.Context(), rows{list: []source.Record{named("ada")}}, full)
				ended <- err
			}()
		}
		close(start)
		through := 0
		for range many {
			switch err := <-ended; {
			case err == nil:
				through++
			case !strings.Contains(err.Error(), "another full import of hr was begun meanwhile"):
				t.Errorf("an import ended with %v", err)
			}
		}
		if through == 0 {
			t.Error("none was through")
		}
	})
}
