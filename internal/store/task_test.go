package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

func planTask() *store.Task {
	return &store.Task{Kind: "plan", Subject: "app", By: admin, Progress: "{}", Detail: `{"for":"ada"}`}
}

func begins(t *testing.T, s *store.Store, task *store.Task, want bool) {
	t.Helper()
	if begun, err := s.BeginTask(t.Context(), task); err != nil || begun != want {
		t.Fatalf("begun: %t, %v; want %t", begun, err, want)
	}
}

func taskOf(t *testing.T, s *store.Store, kind, subject string) *store.Task {
	t.Helper()
	is, err := s.TaskOf(t.Context(), kind, subject)
	must(t)(err)
	return is
}

// There is one task of a kind about a subject at a time, and what came of it is known until the next.
func TestTasks(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		one := planTask()
		begins(t, s, one, true)
		begins(t, s, planTask(), false)
		if alive, err := s.BeatTask(ctx, one.ID, `{"done":5}`); err != nil || !alive {
			t.Fatalf("alive: %t, %v", alive, err)
		}
		if n, err := s.EndLostTasks(ctx); n != 0 || err != nil {
			t.Errorf("%d tasks that live were ended, %v", n, err)
		}
		if is := taskOf(t, s, "plan", "app"); !is.Running() || is.Progress != `{"done":5}` || is.Detail != one.Detail || is.By != admin {
			t.Errorf("it is told as %+v", is)
		}
		one.Result = "7"
		must(t)(s.EndTask(ctx, one))
		if is := taskOf(t, s, "plan", "app"); is.Running() || is.Result != "7" || is.Problem != "" {
			t.Errorf("after its end it is told as %+v", is)
		}
		begins(t, s, planTask(), true)
		must(t)(s.ForgetTask(ctx, "plan", "app"))
		if taskOf(t, s, "plan", "app") == nil {
			t.Error("one that runs was forgotten")
		}
	})
}

// forsaken lets the tasks of a store look as if its process had died, and returns the store of another process. On an embedded database
// there is one process at a time.
func forsaken(t *testing.T, s *store.Store, c store.Config) *store.Store {
	t.Helper()
	if s.Postgres() {
		must(t)(s.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), "update tasks set beat_at = beat_at - 60000")
			return err
		}))
	} else {
		must(t)(s.Close())
	}
	return storetest.Open(t, c)
}

// A task whose process died is ended by the next one, and another may begin. A process that was only thought dead has no say any more.
func TestTaskOfADeadProcess(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		first := storetest.Open(t, c)
		one := planTask()
		begins(t, first, one, true)
		second := forsaken(t, first, c)
		if is := taskOf(t, second, "plan", "app"); is.Running() || is.Problem != store.TaskDied {
			t.Errorf("it is told as %+v", is)
		}
		begins(t, second, planTask(), true)
		one.Result = "7"
		must(t)(second.EndTask(t.Context(), one))
		if alive, err := second.BeatTask(t.Context(), one.ID, "{}"); err != nil || alive {
			t.Errorf("what was taken for dead lives: %t, %v", alive, err)
		}
		if is := taskOf(t, second, "plan", "app"); !is.Running() || is.Result != "" {
			t.Errorf("the next one is told as %+v", is)
		}
	})
}

// slowPeople are so many people, the last of whom come when it is let go.
type slowPeople struct {
	before, after int
	reached       chan struct{}
	goOn          chan struct{}
}

// Records implements [source.Source].
func (p *slowPeople) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		for i := range p.before + p.after {
			if i == p.before {
				close(p.reached)
				<-p.goOn
			}
			name := fmt.Sprintf("user%d", i)
			if !yield(source.Record{Line: i + 2, Kind: directory.KindUser, Name: name, Attributes: directory.Edit{"userName": name}}, nil) {
				return
			}
		}
	}
}

// An import whose process died stands in the audit log with what is in. One that was only thought dead ends, and brings nothing more in: what
// it knows may be out of date.
func TestInterruptedImport(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		first := storetest.Open(t, c)
		people := &slowPeople{before: 2500, after: 2000, reached: make(chan struct{}), goOn: make(chan struct{})}
		ended := make(chan error, 1)
		go func() {
			_, err := first.Import(t.Context(), people, store.ImportOptions{Source: "hr", Actor: admin, Full: true, AllowRemovals: true})
			ended <- err
		}()
		<-people.reached
		second := forsaken(t, first, c)
		audit := func() []store.Entry {
			list, err := second.AuditLog(t.Context(), store.AuditQuery{Action: "import"})
			must(t)(err)
			return list
		}
		if list := audit(); len(list) != 1 || list[0].After["created"] != 2000.0 || list[0].After["interrupted"] != true || list[0].Actor != admin.Name || list[0].Object != "hr" {
			t.Fatalf("the audit log says %+v", list)
		}
		person(t, second, "joan") // whom the import knows nothing of
		close(people.goOn)
		if err := <-ended; err == nil {
			t.Error("the import has gone on to its end")
		}
		all, _, err := second.Users(t.Context(), store.UserQuery{Limit: 5000})
		must(t)(err)
		if len(all) != 2001 || len(audit()) != 1 {
			t.Errorf("%d people are in, and the audit log has %d entries", len(all), len(audit()))
		}
	})
}

// An import that comes to its end leaves one entry and no task.
func TestImportLeavesNoTask(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		people := &slowPeople{before: 3, reached: make(chan struct{})}
		_, err := s.Import(t.Context(), people, store.ImportOptions{Source: "hr", Actor: admin})
		must(t)(err)
		if left := contents(t, s, "select kind from tasks"); len(left) > 0 {
			t.Errorf("there are still %v", left)
		}
		list, err := s.AuditLog(t.Context(), store.AuditQuery{Action: "import"})
		if err != nil || len(list) != 1 || list[0].After["created"] != 3.0 || list[0].After["incomplete"] != nil || list[0].After["interrupted"] != nil {
			t.Errorf("the audit log says %+v, %v", list, err)
		}
	})
}

// An upload is read as it was sent, by who sent it alone; after its import what came of it is left.
func TestUpload(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		file := make([]byte, 3<<20+17) // which no compression makes smaller
		chance := rand.NewChaCha8([32]byte{1})
		_, _ = chance.Read(file)
		u := &store.Upload{Name: "people.csv", By: "ada", Wish: "{}"}
		must(t)(s.AddUpload(ctx, u, bytes.NewReader(file)))
		if got, err := io.ReadAll(s.OpenUpload(ctx, u.ID)); err != nil || !bytes.Equal(got, file) {
			t.Fatalf("%d bytes are read of %d, %v", len(got), len(file), err)
		}
		if _, err := s.UploadByID(ctx, u.ID, "joan"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("somebody else gets it: %v", err)
		}
		if _, err := s.UploadByID(ctx, "\x00", "ada"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("what cannot be an id is %v", err)
		}
		if got, err := io.ReadAll(s.Outcome(ctx, u.ID)); err != nil || len(got) > 0 {
			t.Errorf("before anything came of it that is %q, %v", got, err)
		}
		must(t)(s.SetUploadWish(ctx, u.ID, `{"source":"hr"}`))
		for i, outcome := range []string{"a rehearsal", "the import"} {
			must(t)(s.SetOutcome(ctx, u.ID, bytes.NewReader([]byte(outcome)), i == 1))
			if got, err := io.ReadAll(s.Outcome(ctx, u.ID)); err != nil || string(got) != outcome {
				t.Errorf("what came of it is %q, %v", got, err)
			}
		}
		if is, err := s.UploadByID(ctx, u.ID, "ada"); err != nil || !is.Imported || is.Wish != `{"source":"hr"}` || is.Name != "people.csv" {
			t.Errorf("it is told as %+v, %v", is, err)
		}
		if got, err := io.ReadAll(s.OpenUpload(ctx, u.ID)); err != nil || len(got) > 0 {
			t.Errorf("after the import %d bytes are left, %v", len(got), err)
		}
	})
}

// A file whose end is gone is not taken for a whole one.
func TestUploadCutShort(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		file := make([]byte, 3<<20)
		chance := rand.NewChaCha8([32]byte{2})
		_, _ = chance.Read(file)
		u := &store.Upload{Name: "people.csv", By: "ada", Wish: "{}"}
		must(t)(s.AddUpload(t.Context(), u, bytes.NewReader(file)))
		reader := s.OpenUpload(t.Context(), u.ID)
		_, err := io.ReadFull(reader, make([]byte, 1000))
		must(t)(err)
		must(t)(s.DropUpload(t.Context(), u.ID))
		if _, err := io.Copy(io.Discard, reader); err == nil {
			t.Error("half of a file was read as if it were all of it")
		}
	})
}

// Uploads go after an hour, and the eldest when there are many; one that is being read stays.
func TestUploadsGo(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		ctx := t.Context()
		var now atomic.Int64
		now.Store(time.Now().UnixMilli())
		c.Clock = func() time.Time { return time.UnixMilli(now.Load()) }
		s := storetest.Open(t, c)
		here := func(id string) bool { _, err := s.UploadByID(ctx, id, "ada"); return err == nil }
		put := func() string {
			t.Helper()
			now.Add(1000)
			u := &store.Upload{Name: "people.csv", By: "ada", Wish: "{}"}
			must(t)(s.AddUpload(ctx, u, bytes.NewReader([]byte("userName\nada\n"))))
			return u.ID
		}
		read := func(id string) *store.Task {
			task := &store.Task{Kind: store.TaskUpload, Subject: id, By: admin, Progress: "{}", Detail: "{}"}
			begins(t, s, task, true)
			return task
		}
		busy := put()
		reading := read(busy)
		idle := put()
		others := []string{}
		for range 7 {
			others = append(others, put())
		}
		if here(idle) || !here(busy) {
			t.Error("not the eldest that nobody reads gave way")
		}
		for _, id := range others {
			read(id)
		}
		if err := s.AddUpload(ctx, &store.Upload{Name: "more.csv", By: "ada", Wish: "{}"}, bytes.NewReader(nil)); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("one more than can be read at a time: %v", err)
		}
		now.Add(2 * store.UploadKept.Milliseconds())
		_, err := s.EndLostTasks(ctx)
		must(t)(err)
		if !here(busy) {
			t.Error("a file is gone while it is being read")
		}
		must(t)(s.EndTask(ctx, reading))
		_, err = s.EndLostTasks(ctx)
		must(t)(err)
		if here(busy) || len(contents(t, s, "select n from upload_parts where upload_id = '"+busy+"'")) > 0 {
			t.Error("its time is up, and it is here")
		}
	})
}

// A cycle that somebody began by hand, and whose process was killed, stands in the audit log as interrupted; one that began by itself does not.
func TestInterruptedCycle(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		app := application("App")
		_, err := s.SaveApplication(ctx, admin, app)
		must(t)(err)
		byHand := &store.Cycle{AppID: app.ID, Type: "incremental", State: "running", Initiator: "ada"}
		must(t)(s.NewCycle(ctx, byHand))
		must(t)(s.NewCycle(ctx, &store.Cycle{AppID: app.ID, Type: "reconcile", State: "running", Initiator: store.ByItself}))
		for range 2 {
			_, _, err = s.RecoverOperations(ctx, app.ID)
			must(t)(err)
		}
		list, err := s.AuditLog(ctx, store.AuditQuery{Action: "sync"})
		if err != nil || len(list) != 1 || list[0].Actor != "ada" || list[0].Name != app.Name || list[0].After["cycle"] != byHand.ID || list[0].After["interrupted"] != true {
			t.Errorf("the audit log says %+v, %v", list, err)
		}
	})
}
