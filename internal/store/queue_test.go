package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// running stores an application whose provisioning is on, for everybody.
func running(t *testing.T, s *store.Store, name string) *provision.Application {
	t.Helper()
	app := application(name)
	app.Provisioning.Status, app.Provisioning.Scope = "on", "all"
	_, err := s.SaveApplication(t.Context(), admin, app)
	must(t)(err)
	return app
}

// jobs counts the jobs that wait, by the application's id.
func jobs(t *testing.T, s *store.Store) int {
	t.Helper()
	return len(contents(t, s, "select args from river_job where state = 'available'"))
}

// attended takes an application's wake as a node does that finds nothing.
func attended(t *testing.T, s *store.Store, app *provision.Application) store.Awaking {
	t.Helper()
	state, err := s.Awake(t.Context(), app.ID)
	must(t)(err)
	_, err = s.Attended(t.Context(), app.ID)
	must(t)(err)
	return state
}

func TestChangeAndJobCommitTogether(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		app := running(t, s, "on")
		off := application("off")
		off.Provisioning.Status = "off"
		_, err := s.SaveApplication(ctx, admin, off)
		must(t)(err)
		if n := jobs(t, s); n != 1 {
			t.Fatalf("%d jobs after two applications, want one for that which is on", n)
		}
		if state := attended(t, s, app); state != store.Awake {
			t.Fatalf("the job finds %v", state)
		}
		if state := attended(t, s, app); state != store.Asleep {
			t.Fatalf("a second job finds %v", state)
		}
		undone := errors.New("undone")
		if err := s.Write(ctx, func(tx *store.Tx) error {
			never := application("never")
			never.Provisioning.Status = "on"
			_, err := tx.SaveApplication(ctx, admin, never)
			must(t)(err)
			return undone
		}); !errors.Is(err, undone) {
			t.Fatal(err)
		}
		if n := jobs(t, s); n != 1 {
			t.Errorf("%d jobs after a change that was undone", n)
		}
		for i := range 5 {
			person(t, s, fmt.Sprint("p", i))
		}
		if n := jobs(t, s); n != 2 {
			t.Errorf("%d jobs after five changes, want one more", n)
		}
		attended(t, s, app)
		fill(t, s, 0, 10_000)
		if n := jobs(t, s); n != 3 {
			t.Errorf("%d jobs after 10,000 imported rows, want one more", n)
		}
		attended(t, s, app)
		must(t)(s.Pause(ctx, admin, app, time.Time{}))
		person(t, s, "late")
		if n := jobs(t, s); n != 3 {
			t.Errorf("%d jobs after a change while paused", n)
		}
		if resumed, err := s.Resume(ctx, admin, app); err != nil || !resumed {
			t.Errorf("resume: %v, %v", resumed, err)
		}
		if n := jobs(t, s); n != 4 {
			t.Errorf("%d jobs after the pause", n)
		}
	})
}

// Writers beside a node that only works when it is woken: whatever it misses, it misses for ever. It
// must end having seen the last change, on PostgreSQL with writers that really run at once.
func TestNoChangeIsMissed(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		const writers, each = 6, 30
		ctx := t.Context()
		app := running(t, s, "app")
		var seen, passes atomic.Int64
		looked := make(chan struct{}, 1)
		stop, err := s.Work(ctx, store.Worker{Run: func(_ context.Context, id string) time.Duration {
			state, err := s.Awake(ctx, id)
			if err != nil || state != store.Awake {
				return 0
			}
			for again := true; again; {
				seq, err := s.FeedSeq(ctx)
				if err != nil {
					t.Error(err)
					return 0
				}
				for was := seen.Load(); was < seq && !seen.CompareAndSwap(was, seq); was = seen.Load() {
				}
				passes.Add(1)
				select {
				case looked <- struct{}{}:
				default:
				}
				if again, err = s.Attended(ctx, id); err != nil {
					t.Error(err)
				}
				if again {
					// Another job may have come first; then it looks.
					state, err := s.Awake(ctx, id)
					again = err == nil && state == store.Awake
				}
			}
			return 0
		}})
		must(t)(err)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					if i%3 == 0 { // due rows wake, too
						var err error
						if _, err = s.Assign(ctx, admin, app.ID, provision.Assignment{User: "w0-0"}); errors.Is(err, store.ErrNotFound) {
							err = nil
						}
						if err != nil {
							t.Error(err)
						}
					}
					if _, err := s.CreateUser(ctx, admin, store.UserEdit{Attributes: directory.Edit{"userName": fmt.Sprintf("w%d-%d", w, i)}}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		last, err := s.FeedSeq(ctx)
		must(t)(err)
		deadline := time.After(30 * time.Second)
		for seen.Load() < last {
			select {
			case <-looked:
			case <-deadline:
				t.Fatalf("the node has seen %d of %d changes, and nothing wakes it", seen.Load(), last)
			}
		}
		must(t)(stop(ctx))
		if n := len(contents(t, s, "select app_id from wakes")); n != 0 {
			t.Errorf("%d applications are still marked as woken", n)
		}
		t.Logf("%d changes, %d looks", last, passes.Load())
	})
}

func TestImportWaitsForItsEnd(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		now := time.Now()
		c.Clock = func() time.Time { return now }
		s := storetest.Open(t, c)
		ctx := t.Context()
		seq := func() int64 {
			n, err := s.FeedSeq(ctx)
			must(t)(err)
			return n
		}
		// Progress is told after each slice is committed.
		_, err := s.Import(ctx, made{to: 2500}, store.ImportOptions{Source: "made", Progress: func(n int) {
			before := seq()
			if n == 1000 {
				person(t, s, "somebody.else")
				if got := seq(); got != before+1 {
					t.Errorf("another's change has number %d after %d", got, before)
				}
				must(t)(s.LetIn(ctx, false))
			}
			if n == 2000 && before != 1 {
				t.Errorf("the feed has %d changes in the middle of the import, want the other's alone", before)
			}
		}})
		must(t)(err)
		changes, last, err := s.Changes(ctx, 0, 100_000)
		must(t)(err)
		users := map[string]bool{}
		for i, c := range changes {
			if c.Seq != int64(i)+1 {
				t.Fatalf("change %d has number %d", i+1, c.Seq)
			}
			if c.Type == store.ChangedUser {
				users[c.Object] = true
			}
		}
		if len(users) != 2501 || last != seq() {
			t.Errorf("%d people in the feed, want 2501; it ends at %d of %d", len(users), last, seq())
		}
		// One that was killed is let in by the next who looks, when its time is over.
		exec := func(q string, args ...any) {
			must(t)(s.Write(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, q, args...); return err }))
		}
		exec("insert into imports (id, began_at) values ('dead', $1)", now.UnixMilli())
		exec("insert into arriving (import_id, type, object_id, at) values ('dead', 'user', 'x', $1)", now.UnixMilli())
		must(t)(s.LetIn(ctx, false))
		if seq() != last {
			t.Error("an import that is not over was let in")
		}
		now = now.Add(31 * time.Second)
		must(t)(s.LetIn(ctx, false))
		if seq() != last+1 {
			t.Error("the changes of a killed import were lost")
		}
	})
}
