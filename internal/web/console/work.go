package console

import (
	"context"
	"sync"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/cycle"
)

// task is something that takes longer than a page waits for it.
type task struct {
	mu       sync.Mutex
	begun    time.Time
	progress cycle.Progress
	done     bool
	problem  *admin.Problem
	result   string // id of the plan or the cycle
	detail   any    // what else is known of it, for the page that began it
}

// state is a task at one moment.
type state struct {
	Running bool
	Begun   time.Time
	cycle.Progress
	Problem *admin.Problem
	Result  string
	Detail  any // nil before the task has said something
}

func (t *task) state() state {
	t.mu.Lock()
	defer t.mu.Unlock()
	return state{Running: !t.done, Begun: t.begun, Progress: t.progress, Problem: t.problem, Result: t.result, Detail: t.detail}
}

func (t *task) report(p cycle.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress = p
}

// tell keeps what else there is to know of the task; what it points to is read when the task has ended.
func (t *task) tell(detail any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.detail = detail
}

// work is what the console has going, one task of a kind for an application. What a task has done is
// in the database; here is only how far it is, for whoever waits.
type work struct {
	mu      sync.Mutex
	running map[string]*task
	waiting map[string]job // what begins when the same one that is under way has ended

	life  context.Context // of every task
	stop  context.CancelFunc
	ended bool // nothing begins any more
	tasks sync.WaitGroup
}

func newWork() *work {
	w := &work{running: map[string]*task{}, waiting: map[string]job{}}
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

// job does a task and returns the id of what came of it.
type job func(ctx context.Context, t *task) (result string, err error)

func workKey(kind, app string) string { return kind + " " + app }

// start begins a task. While the same one is under way it waits for its end: what is asked for now may
// be about something that the one under way has passed already. It reports whether it has begun.
func (w *work) start(kind, app string, do job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := workKey(kind, app)
	if w.busy(key) {
		w.waiting[key] = do
		return false
	}
	w.begin(key, do)
	return true
}

// startAlone begins a task unless the same one is under way, and reports whether it has.
func (w *work) startAlone(kind, app string, do job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := workKey(kind, app)
	if w.busy(key) {
		return false
	}
	w.begin(key, do)
	return true
}

// busy reports whether a task is under way. The lock is held.
func (w *work) busy(key string) bool {
	t := w.running[key]
	return t != nil && t.state().Running
}

// begin runs a task. The lock is held.
func (w *work) begin(key string, do job) {
	t := &task{begun: time.Now()}
	w.running[key] = t
	if w.ended {
		t.done, t.problem = true, errEnding
		return
	}
	w.tasks.Go(func() {
		result, err := do(w.life, t)
		t.mu.Lock()
		t.done, t.result, t.problem = true, result, admin.Explain(err)
		t.mu.Unlock()
		w.mu.Lock()
		defer w.mu.Unlock()
		if next := w.waiting[key]; next != nil {
			delete(w.waiting, key)
			w.begin(key, next)
		}
	})
}

// of returns the state of a task; false when there is none.
func (w *work) of(kind, app string) (state, bool) {
	w.mu.Lock()
	t := w.running[workKey(kind, app)]
	w.mu.Unlock()
	if t == nil {
		return state{}, false
	}
	return t.state(), true
}

// forget drops the state of a task that has ended.
func (w *work) forget(kind, app string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if key := workKey(kind, app); !w.busy(key) {
		delete(w.running, key)
	}
}
