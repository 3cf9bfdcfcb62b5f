package console

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

func newDesk(t *testing.T) *admin.Desk {
	t.Helper()
	return admin.New(storetest.Open(t, store.Config{Data: t.TempDir()}), admin.Options{By: store.Actor{Name: "ada", Via: "console"}})
}

// Whoever presses twice gets one import, also when the first press is through by then.
func TestImportBeginsOnce(t *testing.T) {
	t.Parallel()
	desk, w := newDesk(t), newWork(slog.New(slog.DiscardHandler))
	hold, runs := make(chan struct{}), 0
	press := func() bool {
		t.Helper()
		begun, err := w.startAlone(t.Context(), wish{desk, admin.TaskUpload, "file", nil, func(context.Context, *task) (string, error) {
			runs++
			<-hold
			return "", nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return begun
	}
	first, second := press(), press()
	// Another process presses, too.
	other := newWork(slog.New(slog.DiscardHandler))
	third, err := other.startAlone(t.Context(), wish{desk, admin.TaskUpload, "file", nil, nil})
	if !first || second || third || err != nil {
		t.Errorf("begun: %t, %t, %t, %v", first, second, third, err)
	}
	close(hold)
	w.tasks.Wait()
	if runs != 1 {
		t.Errorf("it was done %d times", runs)
	}
	s, err := stateOf(t.Context(), desk, admin.TaskUpload, "file")
	if err != nil || s == nil || s.Running || s.Problem != nil {
		t.Errorf("after its end it is told as %+v, %v", s, err)
	}
}

// What has been imported is not imported once more.
func TestImportedOnce(t *testing.T) {
	t.Parallel()
	desk := newDesk(t)
	u, err := desk.AddUpload(t.Context(), "people.csv", strings.NewReader("userName,title\nada,Analyst\n"))
	if err != nil {
		t.Fatal(err)
	}
	w := u.Wish
	for _, w.Import = range []bool{false, true} {
		if err := desk.ImportUpload(t.Context(), u, w, nil); err != nil {
			t.Fatal(err)
		}
		if o, err := desk.Outcome(t.Context(), u); err != nil || o == nil || o.Result.Created != 1 || o.Wish.Import != w.Import || len(o.Result.Rows) != 1 {
			t.Errorf("import %t: what came of it is %+v, %v", w.Import, o, err)
		}
	}
	if u, err = desk.Upload(t.Context(), u.ID); err != nil || !u.Imported {
		t.Fatalf("it is told as %+v, %v", u, err)
	}
	c := &console{work: newWork(slog.New(slog.DiscardHandler))}
	if err := c.startImport(nil, u, w); err != nil {
		t.Error(err)
	}
}

// What is wished while the same is under way on another node follows it.
func TestWishFollowsAnotherNode(t *testing.T) {
	t.Parallel()
	desk := newDesk(t)
	here, there := newWork(slog.New(slog.DiscardHandler)), newWork(slog.New(slog.DiscardHandler))
	hold, done := make(chan struct{}), make(chan string, 2)
	want := func(who string, wait chan struct{}) wish {
		return wish{desk, "plan", "app", nil, func(context.Context, *task) (string, error) {
			if wait != nil {
				<-wait
			}
			done <- who
			return who, nil
		}}
	}
	first, err := there.start(t.Context(), want("there", hold))
	if err != nil {
		t.Fatal(err)
	}
	second, err := here.start(t.Context(), want("here", nil))
	if err != nil || !first || second {
		t.Fatalf("begun: %t, %t, %v", first, second, err)
	}
	close(hold)
	if a, b := <-done, <-done; a != "there" || b != "here" {
		t.Errorf("first %s, then %s", a, b)
	}
	here.tasks.Wait()
	if s, err := stateOf(t.Context(), desk, "plan", "app"); err != nil || s.Result != "here" {
		t.Errorf("it is told as %+v, %v", s, err)
	}
}

// The end of the console is the end of its work, and later than what that still had to do.
func TestEndWaits(t *testing.T) {
	t.Parallel()
	desk, w, recorded := newDesk(t), newWork(slog.New(slog.DiscardHandler)), false
	begun, err := w.start(t.Context(), wish{desk, "import", "a", nil, func(ctx context.Context, _ *task) (string, error) {
		<-ctx.Done()
		recorded = true
		return "", ctx.Err()
	}})
	if err != nil || !begun {
		t.Fatalf("begun: %t, %v", begun, err)
	}
	never := func(context.Context, *task) (string, error) {
		t.Error("something begins after the end")
		return "", errors.New("late")
	}
	if _, err := w.start(t.Context(), wish{desk, "import", "a", nil, never}); err != nil { // it waits for the one under way
		t.Error(err)
	}
	w.end()
	if !recorded {
		t.Error("it has ended before its work")
	}
	if s, err := stateOf(t.Context(), desk, "import", "a"); err != nil || s.Running || s.Problem == nil || s.Problem.Code != "interrupted" {
		t.Errorf("it is told as %+v, %v", s, err)
	}
	if _, err := w.start(t.Context(), wish{desk, "import", "b", nil, never}); !errors.Is(err, errEnding) {
		t.Errorf("what is begun after the end is %v", err)
	}
}
