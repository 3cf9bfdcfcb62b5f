package console

import (
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
)

// synchronization is what "Synchronization Details" shows.
type synchronization struct {
	Running       bool
	Cycle         *admin.CycleStatus
	Done, Planned int
	Kinds         []kindCount
	Rate          float64 // objects a second
	Left          time.Duration
	Problem       *admin.Problem // of the cycle that was begun here
	Reading       bool           // nothing is planned yet
}

// kindCount is how far one kind of operation is.
type kindCount struct {
	Action        provision.Action
	Done, Planned int
}

// synchronization reads from the database how far the running cycle is, wherever it runs.
func (c *console) synchronization(rq *request, a appPage) (synchronization, error) {
	s := synchronization{Cycle: a.Status.Cycle}
	t, err := stateOf(rq.Context(), rq.desk, "run", a.App.ID)
	if err != nil {
		return s, err
	}
	if t != nil {
		s.Running, s.Reading, s.Problem = t.Running, t.Running, t.Problem
	}
	if s.Cycle == nil {
		return s, nil
	}
	s.Running = s.Running || s.Cycle.State == "running"
	adv, err := rq.desk.Advance(rq.Context(), s.Cycle.ID)
	if err != nil {
		return s, err
	}
	for _, action := range []provision.Action{provision.Create, provision.Enable, provision.Update, provision.Disable, provision.Delete, provision.Skip} {
		if n := adv.Planned[action]; n > 0 {
			s.Kinds = append(s.Kinds, kindCount{action, adv.Done[action], n})
			s.Done, s.Planned = s.Done+adv.Done[action], s.Planned+n
		}
	}
	if p := s.Cycle.Progress; p != nil && p.Done > 0 {
		s.Reading, s.Rate, s.Left = false, p.PerSecond, time.Duration(p.LeftMS)*time.Millisecond
	}
	return s, nil
}

// next is when the live part looks again: often while something runs.
func (s synchronization) next() string {
	if s.Running {
		return "every 1s"
	}
	return "every 5s"
}

// says is what is told to whoever does not see the card, when it becomes another.
func (s synchronization) says() string {
	switch {
	case s.Running:
		return "A cycle is running"
	case s.Cycle == nil:
		return "No cycle has run yet"
	}
	return "The last cycle is " + s.Cycle.State
}
