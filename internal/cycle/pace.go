package cycle

import (
	"context"
	"errors"
	"time"

	"github.com/muster-id/muster/internal/store"
)

// paceBeat is how often the level of a connection's limits is written down while it is used.
const paceBeat = 3 * time.Second

// Pace takes over what another process or node has left of a target's limits, and writes down what is left
// while the connection is used and, by rest, when the work is over. Several nodes and one command after
// the other so use no more than the target allows together.
//
// While the connection is used, what is written down is the least that may be left before it is written
// down again: a process that is killed has used no more than that. Rest may always be called.
func (e *Engine) Pace(ctx context.Context, t Target) (rest func(), err error) {
	if t.Limiter == nil || t.Connection == "" {
		return func() {}, nil
	}
	level, ago, err := e.Store.Pacing(ctx, t.Connection)
	if err != nil {
		return func() {}, err
	}
	if level != nil {
		t.Limiter.Restore(*level, ago)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan bool, 1)
	go func() { done <- e.watchPace(ctx, t) }()
	return func() {
		cancel()
		if used := <-done; used {
			e.savePace(context.WithoutCancel(ctx), t, 0)
		}
	}, nil
}

// watchPace writes down the level at the first request, and then at every beat with requests since the
// last. A pause that the target asks for is written down at once, since nothing may be sent for as long as it lasts; of
// several within a beat only the first is. It reports whether there was any request.
func (e *Engine) watchPace(ctx context.Context, t Target) (used bool) {
	saved := true
	save := func() { used, saved = true, e.savePace(ctx, t, paceBeat) }
	for ctx.Err() == nil {
		if !saved {
			save()
		} else {
			select {
			case <-ctx.Done():
			case <-t.Limiter.Used():
				save()
			case <-t.Limiter.Rests():
				save()
			}
		}
		beat, rests := time.NewTimer(paceBeat), t.Limiter.Rests()
		for over := false; !over; {
			select {
			case <-ctx.Done():
				over = true
			case <-beat.C:
				over = true
			case <-rests:
				save()
				rests = nil
			}
		}
		beat.Stop()
	}
	select {
	case <-t.Limiter.Used():
		return true
	case <-t.Limiter.Rests():
		return true
	default:
		return used
	}
}

// savePace writes down the level. Failing to is no reason to stop: the next beat does it again, and the target still
// has its own say. A process that may only read changes nothing. It reports whether there is nothing to do again.
func (e *Engine) savePace(ctx context.Context, t Target, unseen time.Duration) bool {
	err := e.Store.SavePacing(ctx, t.Connection, t.Limiter.Level(unseen))
	if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrReadOnly) {
		e.Log.Warn("what is left of the target's limits was not written down", "error", err)
		return false
	}
	return true
}
