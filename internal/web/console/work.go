package console

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/store"
)

// task is something that takes longer than a page waits for it, and that runs in this process.
type task struct {
	*admin.Task
	mu       sync.Mutex
	progress cycle.Progress
	moved    bool // since it was told last
	detail   any  // to be kept at its end, nil for what was given when it began
}

func (t *task) report(p cycle.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress, t.moved = p, true
}

// tell has something kept of the task, for the page that began it.
func (t *task) tell(detail any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.detail = detail
}

// toTell returns the progress when it moved since the last time.
func (t *task) toTell() (p cycle.Progress, moved bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	moved, t.moved = t.moved, false
	return t.progress, moved
}

// state is a task at one moment, whichever node runs it.
type state struct {
	Running bool
	cycle.Progress
	Problem *admin.Problem
	Result  string
	detail  json.RawMessage
}

// read reads what is kept of the task beside its result.
func (s *state) read(into any) error { return json.Unmarshal(s.detail, into) }

const (
	// tellEvery is how often it is told how far a task is that moves.
	tellEvery = 500 * time.Millisecond
	// beginEvery is how often it is tried to begin what another node has under way.
	beginEvery = time.Second
)

// work is what the pages of this process have going, one task of a kind about a subject on all nodes together. How far
// each is, and what came of it, is in the database.
type work struct {
	log     *slog.Logger
	mu      sync.Mutex
	running map[string]bool // here
	waiting map[string]wish // what begins when the same one that is under way has ended

	life  context.Context // of every task
	stop  context.CancelFunc
	ended bool // nothing begins any more
	tasks sync.WaitGroup
}

// wish is a task that somebody wants.
type wish struct {
	desk          *admin.Desk // of who wants it
	kind, subject string
	detail        any
	do            job
}

// job does a task and returns the id of what came of it.
type job func(ctx context.Context, t *task) (result string, err error)

func (w wish) key() string { return w.kind + " " + w.subject }

func newWork(log *slog.Logger) *work {
	w := &work{log: log, running: map[string]bool{}, waiting: map[string]wish{}}
	// Whoever asked may close the page: the work goes on until it ends, or Muster does.
	w.life, w.stop = context.WithCancel(context.Background())
	return w
}

// end ends what is under way and waits for it. What would begin afterwards is told that it is too late.
func (w *work) end() {
	w.mu.Lock()
	w.ended = true
	clear(w.waiting)
	w.mu.Unlock()
	w.stop()
	w.tasks.Wait()
}

// errEnding is what becomes of work that is wished while Muster ends.
var errEnding = &admin.Problem{Exit: admin.ExitInternal, Code: "interrupted", Message: "Muster is being ended", Next: "do it once more when it runs again"}

// start begins a task. While the same one is under way it waits for its end: what is asked for now may
// be about something that the one under way has passed already. It reports whether it has begun.
func (w *work) start(ctx context.Context, want wish) (begun bool, err error) {
	begun, err = w.startAlone(ctx, want)
	if err != nil || begun {
		return begun, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, waits := w.waiting[want.key()]
	if w.waiting[want.key()] = want; !waits && !w.running[want.key()] {
		w.tasks.Go(func() { w.follow(want.key()) })
	}
	return false, nil
}

// startAlone begins a task unless the same one is under way, and reports whether it has.
func (w *work) startAlone(ctx context.Context, want wish) (begun bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ended:
		return false, errEnding
	case w.running[want.key()]:
		return false, nil
	}
	row, err := want.desk.BeginTask(ctx, want.kind, want.subject, want.detail)
	if err != nil || row == nil {
		return false, err
	}
	w.running[want.key()] = true
	w.tasks.Go(func() { w.run(want, &task{Task: row}) })
	return true, nil
}

// follow begins what waits for a task of another node as soon as that has ended.
func (w *work) follow(key string) {
	again := time.NewTicker(beginEvery)
	defer again.Stop()
	for {
		select {
		case <-w.life.Done():
			return
		case <-again.C:
		}
		w.mu.Lock()
		want, waits := w.waiting[key]
		w.mu.Unlock()
		if !waits {
			return
		}
		begun, err := w.startAlone(w.life, want)
		if err != nil {
			w.log.Warn("what waits for a task could not begin; it is tried again", "error", err)
		}
		w.mu.Lock()
		if begun {
			delete(w.waiting, key)
		}
		over := begun || w.running[key] // whose end begins it
		w.mu.Unlock()
		if over {
			return
		}
	}
}

// run does a task to its end, and then what waits for it.
func (w *work) run(want wish, t *task) {
	ended := make(chan struct{})
	var told sync.WaitGroup
	told.Go(func() { w.keep(want.desk, t, ended) })
	result, failed := want.do(w.life, t)
	close(ended)
	told.Wait()
	after, done := context.WithTimeout(context.WithoutCancel(w.life), 30*time.Second)
	defer done()
	if err := want.desk.EndTask(after, t.Task, result, t.detail, failed); err != nil {
		w.log.Warn("the end of a task was not recorded", "error", err)
	}
	w.mu.Lock()
	delete(w.running, want.key())
	next, waits := w.waiting[want.key()]
	delete(w.waiting, want.key())
	w.mu.Unlock()
	if !waits {
		return
	}
	if _, err := w.start(w.life, next); err != nil {
		w.log.Warn("what waited for a task could not begin", "error", err)
	}
}

// keep tells how far a task is until it has ended.
func (w *work) keep(desk *admin.Desk, t *task, ended <-chan struct{}) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		p, moved := t.toTell()
		if !moved && time.Since(last) < store.TaskBeat {
			continue
		}
		if err := desk.TellTask(w.life, t.Task, p); err == nil {
			last = time.Now()
		}
	}
}

// stateOf returns the state of a task; nil when there is none.
func stateOf(ctx context.Context, desk *admin.Desk, kind, subject string) (*state, error) {
	t, err := desk.TaskOf(ctx, kind, subject)
	if err != nil || t == nil {
		return nil, err
	}
	return &state{Running: t.Running, Progress: t.Progress, Problem: t.Problem, Result: t.Result, detail: t.Detail}, nil
}
