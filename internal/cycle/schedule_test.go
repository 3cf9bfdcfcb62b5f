package cycle_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/pgtest"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// serving is a world whose schedule runs, with an application that is on.
func (w *world) serving() (s *cycle.Schedule, stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	s = cycle.NewSchedule(w.engine, func(err error) (string, string) { return err.Error(), "" })
	go func() { ended <- s.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		w.t.Fatal(err)
	}
	var once atomic.Bool
	stop = func() {
		if once.Swap(true) {
			return
		}
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the schedule ended: %v", err)
		}
	}
	w.t.Cleanup(stop)
	return s, stop
}

// until waits for a condition.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); <-time.After(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("it does not come to this: %s", what)
		}
	}
}

// on switches the application on; nothing comes by its interval in the time of a test.
func (w *world) on() {
	w.t.Helper()
	w.app.Provisioning.Status, w.app.Provisioning.Interval = "on", provision.Duration(time.Hour)
	w.save()
}

// titled reports whether the target's account has a title.
func (w *world) titled(userName, title string) bool {
	doc := w.target.User(w.target.UserID(userName))
	return doc != nil && doc["title"] == title
}

// settled waits until the application has looked at every change, and returns how far that is.
func (w *world) settled() *store.Progress {
	w.t.Helper()
	var p *store.Progress
	w.until("every change has been looked at", func() bool {
		seq, err := w.store.FeedSeq(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if p, err = w.store.Standing(w.t.Context(), w.app.ID); err != nil {
			w.t.Fatal(err)
		}
		return p.Watermark == seq && !p.Running
	})
	return p
}

func (w *world) lastCycle() *store.Cycle {
	w.t.Helper()
	c, err := w.store.LastCycle(w.t.Context(), w.app.ID)
	if err != nil || c == nil {
		w.t.Fatalf("the last cycle: %v, %v", c, err)
	}
	return c
}

func TestRunsByItself(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		w.user("ada")
		w.user("grace")
		w.group("Team", "ada")
		w.assign("Team")
		w.on()
		w.serving()
		w.until("the first cycle makes the account", func() bool { return w.target.UserID("ada") != "" })
		w.settled()
		w.set("ada", "title", "Countess")
		w.until("a change reaches the target", func() bool { return w.titled("ada", "Countess") })
		w.settled()
		before := w.lastCycle()
		// Whoever is not in scope wakes the application, and leaves nothing behind.
		w.set("grace", "title", "Admiral")
		w.settled()
		if c := w.lastCycle(); c.ID != before.ID {
			w.t.Errorf("a change that does not concern the application made cycle %+v", c)
		}
		// Due rows of one application wake it, too.
		u, err := w.store.UserByName(w.t.Context(), "grace")
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.store.Assign(w.t.Context(), by, w.app.ID, provision.Assignment{User: u.ID}); err != nil {
			w.t.Fatal(err)
		}
		w.until("an assignment reaches the target", func() bool { return w.titled("grace", "Admiral") })
	})
}

// What wakes an application and does not concern it costs reads, and the two writes that take the
// wake and move the watermark.
func TestUnconcernedCostsNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		w.user("ada")
		w.group("Team", "ada")
		for i := range 50 {
			w.user(fmt.Sprint("other", i))
		}
		w.assign("Team")
		w.on()
		w.sync()
		s := cycle.NewSchedule(w.engine, func(err error) (string, string) { return err.Error(), "" })
		s.Attend(w.t.Context(), w.app.ID)
		for _, n := range []int{1, 50} {
			for i := range n {
				w.set(fmt.Sprint("other", i), "title", fmt.Sprint("Title ", n))
			}
			before := w.lastCycle()
			log := w.requests(func() {
				queries := w.store.Queries()
				if again := s.Attend(w.t.Context(), w.app.ID); again != 0 {
					w.t.Errorf("asked to come again after %v", again)
				}
				if n := w.store.Queries() - queries; n > 30 {
					w.t.Errorf("%d queries for a change that does not concern the application", n)
				}
			})
			if len(log) != 0 {
				w.t.Errorf("%d requests, the first: %s %s", len(log), log[0].Method, log[0].Path)
			}
			if c := w.lastCycle(); c.ID != before.ID {
				w.t.Errorf("it left cycle %s behind", c.ID)
			}
			if p := w.settled(); p.Watermark == 0 {
				w.t.Error("the watermark has not moved")
			}
		}
	})
}

// A full disk keeps everything from being sent that could not be recorded, is told, and is over when
// there is room again.
func TestFullDisk(t *testing.T) {
	w := onSQLite(t)
	for i := range 60 {
		w.user(fmt.Sprintf("p%02d", i), "title", fmt.Sprintf("%0200d", i))
	}
	w.app.Provisioning.Scope = "all"
	w.on()
	pages := func(n int) {
		if err := w.store.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), fmt.Sprintf("pragma max_page_count = %d", n))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	pages(1) // as many as there are
	s, _ := w.serving()
	// In the database where the little that it takes still fits, else in memory.
	trouble := func() *store.Trouble {
		p, err := w.store.Standing(t.Context(), w.app.ID)
		if err != nil {
			t.Fatal(err)
		}
		if p.Trouble != nil {
			return p.Trouble
		}
		return s.Trouble(w.app.ID)
	}
	w.until("the full disk is told", func() bool { x := trouble(); return x != nil && strings.Contains(x.Reason, "full") })
	if n := w.target.Writes(); n != 0 {
		t.Errorf("%d writes reached the target while the disk was full", n)
	}
	pages(1 << 30)
	w.until("work goes on when there is room", func() bool { return len(w.target.UserIDs()) == 60 })
	w.until("the trouble is over", func() bool { return trouble() == nil && s.Ready() == nil })
	w.settled()
	log := w.requests(func() { w.expect(w.sync(), nil) })
	if len(log) != 0 {
		t.Errorf("running again sent %d requests", len(log))
	}
}

// A database that becomes read-only in the middle of a cycle, as after a failover to a server that is still a replica, ends
// the cycle with what is under way, is told, and is over by itself; nobody is made twice.
func TestReadOnlyInTheMiddle(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	w := newWorld(t, storetest.Open(t, store.Config{Data: t.TempDir(), Database: database}))
	readOnly := func(on string) {
		db, err := pgx.Connect(t.Context(), database)
		if err != nil {
			t.Error(err)
			return
		}
		defer db.Close(t.Context())
		for _, statement := range []string{
			"set default_transaction_read_only = off",
			"do $$ begin execute format('alter database %I set default_transaction_read_only = " + on + "', current_database()); end $$",
			"select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
		} {
			if _, err := db.Exec(t.Context(), statement); err != nil {
				t.Error(err)
			}
		}
	}
	names := w.people("p", 400)
	w.app.Provisioning.Scope, w.concurrency = "all", 4
	var creates atomic.Int64
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost {
			if creates.Add(1) == 40 {
				readOnly("on")
			}
			select { // so that results are recorded meanwhile
			case <-time.After(5 * time.Millisecond):
			case <-r.Context().Done():
			}
		}
		next.ServeHTTP(rw, r)
	})
	w.on()
	s, _ := w.serving()
	w.until("it is told", func() bool {
		x := s.Trouble(w.app.ID)
		return x != nil && strings.Contains(x.Reason, "read-only")
	})
	sent := creates.Load()
	if sent > 300 {
		t.Errorf("%d of 400 were sent all the same", sent)
	}
	readOnly("off")
	w.until("work goes on", func() bool { return len(w.target.UserIDs()) == len(names) && s.Trouble(w.app.ID) == nil })
	w.settled()
	if n := len(w.target.UserIDs()); n != len(names) {
		t.Errorf("%d accounts for %d people", n, len(names))
	}
	w.again()
}

// A cycle that runs ends at the next object when its application is paused: what was sent is recorded,
// and what was not goes out after the pause, once.
func TestPauseEndsARunningCycle(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		for i := range 100 {
			w.user(fmt.Sprintf("p%02d", i))
		}
		w.app.Provisioning.Scope = "all"
		var writes atomic.Int64
		open := make(chan struct{})
		w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodPost && writes.Add(1) > 20 {
				<-open
			}
			next.ServeHTTP(rw, r)
		})
		w.on()
		w.serving()
		w.until("it is in the middle", func() bool { return writes.Load() > 20 })
		if err := w.store.Pause(w.t.Context(), by, w.app, time.Time{}); err != nil {
			w.t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { close(open) }) // long after the pause was noticed
		w.until("the cycle has ended", func() bool { c := w.lastCycle(); return c.State == "stopped" })
		if c := w.lastCycle(); !strings.Contains(c.Error, "paused") {
			w.t.Errorf("the cycle says %q", c.Error)
		}
		sent := writes.Load()
		if sent > 60 {
			w.t.Errorf("%d of 100 accounts were made all the same", sent)
		}
		for _, o := range w.operations(w.lastCycle().ID) {
			if o.State == store.Applying || o.State == store.Unknown {
				w.t.Errorf("%s is left %s", o.Source.Name, o.State)
			}
		}
		if _, err := w.store.Resume(w.t.Context(), by, w.app); err != nil {
			w.t.Fatal(err)
		}
		w.until("the rest follows", func() bool { return len(w.target.UserIDs()) == 100 })
		w.settled()
		if n := writes.Load(); n != 100 {
			w.t.Errorf("%d creates for 100 people", n)
		}
	})
}
