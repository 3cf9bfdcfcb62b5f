package cycle

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/muster-id/muster/internal/store"
)

// Schedule runs the applications that are on by themselves: at once when something changes, by their
// interval, when what is due or in escrow has its time, when a quarantined target is to be probed, and
// when the node that ran one has died. Every node has one; the queue hands each job to one of them, and
// leases see to it that an application has one cycle at a time.
type Schedule struct {
	engine *Engine
	tell   func(error) (reason, next string)

	mu       sync.Mutex
	last     time.Time                 // of the last look that the database answered
	wall     time.Time                 // by the clock, when it was looked last
	broken   error                     // why the last look failed
	brokenAt time.Time                 // when that began
	worry    map[string]*store.Trouble // what could not be written down, by application
}

// NewSchedule makes the schedule of a node. What keeps an application from running is put into words by
// tell, for whoever asks how it stands.
func NewSchedule(e *Engine, tell func(error) (reason, next string)) *Schedule {
	return &Schedule{engine: e, tell: tell, worry: map[string]*store.Trouble{}}
}

// every is how often the schedule looks who is due.
const every = time.Second

// behindFor is how old a change must be that an application has not looked at before the schedule takes
// what should have woken it for lost.
const behindFor = 3 * time.Second

// Run works until the context ends. Then it takes nothing more, lets running cycles end at the next
// object, and returns when that is done. The error is nil unless it could not begin.
func (s *Schedule) Run(ctx context.Context, ready func()) error {
	stop, err := s.engine.Store.Work(ctx, store.Worker{Run: func(_ context.Context, appID string) time.Duration { return s.Attend(ctx, appID) }})
	if err != nil {
		return err
	}
	s.rightClock(ctx)
	s.wall = s.engine.Store.Now()
	s.look(ctx)
	ready()
	switch people, err := s.engine.Store.RightWords(ctx); {
	case err != nil && ctx.Err() == nil:
		s.engine.Log.Warn("whether a search finds everybody is not known", "error", err)
	case people > 0:
		s.engine.Log.Warn("a node of an older version changed people after the upgrade; searches find them again", "people", people)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
			s.look(ctx)
		case <-ctx.Done():
		}
	}
	end, done := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer done()
	return stop(end)
}

// rightClock has looked at what waits for a time that cannot be meant since the clock was set back.
func (s *Schedule) rightClock(ctx context.Context) {
	switch moved, err := s.engine.Store.RightClock(ctx); {
	case err != nil:
		s.engine.Log.Warn("what waits for a time before the clock was set back could not be found; it waits on", "error", err)
	case moved > 0:
		s.engine.Log.Warn("the clock was set back: what would wait for a time that cannot be meant is looked at now", "objects", moved)
	}
}

// look wakes whoever is due.
func (s *Schedule) look(ctx context.Context) {
	one, done := context.WithTimeout(ctx, 10*every)
	defer done()
	was := s.wall
	if s.wall = s.engine.Store.Now(); s.wall.Before(was.Add(-store.ClockSlack)) {
		s.rightClock(one)
	}
	err := s.wake(one)
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		if perr := s.engine.Store.PruneDaily(one); perr != nil {
			s.engine.Log.Warn("old log rows were not pruned", "error", perr) // it is tried again
		}
		if terr := s.engine.Store.TallyHourly(one); terr != nil {
			s.engine.Log.Warn("what was done was not counted for the charts", "error", terr) // it is tried again
		}
	}
	s.mu.Lock()
	broken := s.broken
	if s.broken = err; err == nil {
		s.last = time.Now()
	} else if broken == nil {
		s.brokenAt = s.engine.Store.Now()
	}
	s.mu.Unlock()
	switch {
	case err != nil && broken == nil:
		s.engine.Log.Error("the schedule cannot use Muster's database; it goes on trying", "error", err)
	case err == nil && broken != nil:
		s.engine.Log.Info("the schedule can use Muster's database again")
	}
}

func (s *Schedule) wake(ctx context.Context) error {
	if err := s.engine.Store.LetIn(ctx, false); err != nil {
		return err
	}
	switch lost, err := s.engine.Store.EndLostTasks(ctx); {
	case err != nil:
		return err
	case lost > 0:
		s.engine.Log.Warn("what a process had begun that died was ended; the audit log says how far imports were", "tasks", lost)
	}
	s.engine.Store.EndOwedLeases(ctx)
	slots, err := s.engine.Store.Slots(ctx)
	if err != nil {
		return err
	}
	now := s.engine.Store.Now()
	var apps []string
	for _, slot := range slots {
		if t := s.worried(slot.AppID); slot.Trouble == nil && t != nil {
			now := *t
			if s.engine.Store.SetTrouble(ctx, slot.AppID, t) == nil {
				// The database takes what it refused: there is nothing to wait for any more.
				s.worries(slot.AppID, nil)
				now.RetryAt = time.Time{}
			}
			slot.Trouble = &now
		}
		if why := due(slot, now); why != "" {
			s.engine.Log.Debug("due", "app", slot.AppID, "reason", why)
			apps = append(apps, slot.AppID)
		}
	}
	if len(apps) == 0 {
		return nil
	}
	return s.engine.Store.Wake(ctx, apps...)
}

// ErrNotBegun says that nothing is wrong, and nothing runs yet.
var ErrNotBegun = errors.New("the schedule has not begun")

// Ready says why the schedule does not work at the moment, nil when it does.
func (s *Schedule) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken != nil:
		return s.broken
	case s.last.IsZero():
		return ErrNotBegun
	}
	for _, t := range s.worry {
		return errors.New(t.Reason) // which the database did not take
	}
	return nil
}

// due says why an application is to be run now, "" when it is not. A time in the future that cannot be
// is one from before the clock was set back, and counts as over.
func due(s store.Slot, now time.Time) string {
	switch {
	case s.Leased, within(s.Woken, now, store.WakeLost):
		return "" // somebody is at it
	case s.Trouble != nil && s.Trouble.RetryAt.After(now) && s.Trouble.RetryAt.Sub(now) <= longestRest:
		return ""
	case s.Quarantine != nil:
		if probeDue(s.Quarantine, now) {
			return "probe"
		}
		return ""
	case !s.Woken.IsZero():
		return "its job was lost"
	case s.Running:
		return "its node died"
	case s.Completed.IsZero():
		return "initial"
	case passed(s.Completed, s.Every, now):
		return "interval"
	case passed(s.Reconciled, s.ReconcileEvery, now):
		return "reconcile"
	case !s.Due.IsZero() && !s.Due.After(now):
		return "something is due"
	case !s.Behind.IsZero() && !within(s.Behind, now, behindFor):
		return "changes wait"
	}
	return ""
}

// within reports whether a time is less than d away from now, on either side.
func within(t, now time.Time, d time.Duration) bool {
	return !t.IsZero() && now.Sub(t) < d && t.Sub(now) < d
}

// passed reports whether what is to be done every so often, last done at a time, is due. Zero for
// every is never.
func passed(last time.Time, every time.Duration, now time.Time) bool {
	if every <= 0 {
		return false
	}
	return !last.Add(every).After(now) || last.After(now.Add(store.ClockSlack))
}

func probeDue(q *store.Quarantine, now time.Time) bool {
	return !q.NextProbe.After(now) || q.Since.After(now.Add(store.ClockSlack))
}

// longestRetry is the longest pause before an application is tried again that Muster itself could not
// run, longestRest when the target asked for one.
const (
	longestRetry = time.Minute
	longestRest  = time.Hour
)

// failed notes that an application could not be run, for reasons that are not the target's, and when
// it is tried again. The note is kept in memory where the database takes none.
func (s *Schedule) failed(ctx context.Context, appID string, err error) {
	if ctx.Err() != nil {
		return
	}
	e, now := s.engine, s.engine.Store.Now()
	t := &store.Trouble{Since: now, Attempts: 1}
	t.Reason, t.Next = s.tell(err)
	before := s.worried(appID)
	if p, perr := e.Store.Standing(ctx, appID); perr == nil && p.Trouble != nil {
		before = p.Trouble
	}
	if before != nil {
		t.Since, t.Attempts = before.Since, before.Attempts+1
	}
	t.RetryAt = now.Add(min(longestRetry, time.Second<<min(t.Attempts, 6)))
	if rest := (*resting)(nil); errors.As(err, &rest) {
		t.Pause, t.RetryAt = true, now.Add(min(max(rest.why.RetryAfter, time.Second), longestRest))
	}
	level := e.Log.Warn
	if t.Attempts > 1 && before.Reason == t.Reason {
		level = e.Log.Debug // it was said
	}
	level("an application could not be run", "app", appID, "attempt", t.Attempts, "error", err)
	if e.Store.SetTrouble(ctx, appID, t) == nil {
		t = nil
	}
	s.worries(appID, t)
}

// worries keeps what could not be written down; nil forgets it.
func (s *Schedule) worries(appID string, t *store.Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worry[appID] = t; t == nil {
		delete(s.worry, appID)
	}
}

// Trouble returns what keeps an application from running and could not be written down, because it is
// Muster's own database that fails; nil for nothing.
func (s *Schedule) Trouble(appID string) *store.Trouble {
	if t := s.worried(appID); t != nil {
		return t
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		return nil
	}
	t := &store.Trouble{Since: s.brokenAt, Attempts: 1, RetryAt: s.brokenAt}
	t.Reason, t.Next = s.tell(s.broken)
	return t
}

// worried returns what is known of an application and could not be written down.
func (s *Schedule) worried(appID string) *store.Trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.worry[appID]
}
