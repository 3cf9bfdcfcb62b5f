package console

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-id/muster/internal/admin"
)

func newUploads() *uploads { return &uploads{files: map[string]*upload{}, work: newWork()} }

// put uploads a file; while hold is open it is being imported.
func put(t *testing.T, u *uploads, hold chan struct{}) string {
	t.Helper()
	id, err := u.add(&upload{Upload: admin.Upload{Data: []byte("userName\nada\n")}, by: "ada", at: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if hold != nil {
		u.begin(id, imported{done: true}, func(context.Context, *task, admin.Upload) error {
			<-hold
			return nil
		})
	}
	return id
}

// Files go after an hour, and the eldest when there are many, with what is known of them; one that is being imported stays.
func TestUploadsGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u, hold := newUploads(), make(chan struct{})
		busy := put(t, u, hold)
		idle := put(t, u, nil)
		for range uploadMost - 1 {
			time.Sleep(time.Second) // of synctest
			put(t, u, hold)
		}
		if u.of(idle, "ada") != nil || u.of(busy, "ada") == nil {
			t.Error("not the file that nobody imports gave way to a fifth")
		}
		if _, err := u.add(&upload{}); admin.Explain(err) == nil || admin.Explain(err).Code != "busy" {
			t.Errorf("one more than can be imported at a time: %v", err)
		}
		time.Sleep(uploadKept * 3 / 2)
		if u.of(busy, "ada") == nil {
			t.Error("a file is gone while it is being imported")
		}
		close(hold)
		time.Sleep(uploadKept)
		synctest.Wait()
		if len(u.files) != 0 || len(u.work.running) != 0 {
			t.Errorf("%d files and %d imports are kept", len(u.files), len(u.work.running))
		}
	})
}

// Whoever presses twice gets one import, also when the first press is through by then.
func TestImportBeginsOnce(t *testing.T) {
	t.Parallel()
	u, hold, runs := newUploads(), make(chan struct{}), 0
	id := put(t, u, nil)
	read := func(context.Context, *task, admin.Upload) error {
		runs++
		<-hold
		u.spend(id)
		return nil
	}
	u.begin(id, imported{source: "first", done: true}, read)
	u.begin(id, imported{source: "second", done: true}, read)
	close(hold)
	u.work.tasks.Wait()
	u.begin(id, imported{source: "third", done: true}, read)
	u.work.tasks.Wait()
	if f := u.of(id, "ada"); runs != 1 || f.wish.source != "first" {
		t.Errorf("it was imported %d times, as %s wished", runs, f.wish.source)
	}
}

// The end of the console is the end of its work, and later than what that still had to do.
func TestEndWaits(t *testing.T) {
	t.Parallel()
	w, recorded := newWork(), false
	w.start("import", "a", func(ctx context.Context, _ *task) (string, error) {
		<-ctx.Done()
		recorded = true
		return "", ctx.Err()
	})
	never := func(context.Context, *task) (string, error) {
		t.Error("something begins after the end")
		return "", errors.New("late")
	}
	w.start("import", "a", never) // it waits for the one under way
	w.end()
	if !recorded {
		t.Error("it has ended before its work")
	}
	w.start("import", "b", never)
	if s, _ := w.of("import", "b"); s.Running || s.Problem == nil || s.Problem.Code != "interrupted" {
		t.Errorf("what is begun after the end says %+v", s)
	}
}
