package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Counted remembers what takes long to count and many look at: how applications stand while a cycle has a hundred thousand
// operations to do. Counting may take a tenth of the time and no more: a count is good for nine times as long as it took, which
// is nothing in a small company, and five seconds at most. What an administrator has done since makes it worthless at once, see
// [Store.Notable]. The zero value is ready; it is safe for concurrent use.
type Counted[V any] struct {
	mu sync.Mutex
	by map[string]*count[V]
}

const (
	patience   = 9
	remembered = 1000
	oldest     = 5 * time.Second // another node's administrator may have done something that nobody told this one
)

// count is one of them.
type count[V any] struct {
	turn chan struct{} // of one: whoever put it in counts
	last atomic.Pointer[snapshot[V]]
}

type snapshot[V any] struct {
	value   V
	notable int64
	at      time.Time     // when it had been counted
	good    time.Duration // from then on
}

// Of returns what is remembered under a key, or counts it; notable is [Store.Notable] before that. The value is shared: nobody
// may change it. The error is that of counting, and is not remembered.
func (c *Counted[V]) Of(ctx context.Context, key string, notable int64, number func(context.Context) (V, error)) (zero V, err error) {
	c.mu.Lock()
	if c.by == nil {
		c.by = map[string]*count[V]{}
	}
	k := c.by[key]
	if k == nil {
		if len(c.by) == remembered {
			clear(c.by) // of cycles that are over, most of them
		}
		k = &count[V]{turn: make(chan struct{}, 1)}
		c.by[key] = k
	}
	c.mu.Unlock()
	if s := k.last.Load(); s.holds(notable, 1) {
		return s.value, nil
	}
	select {
	case k.turn <- struct{}{}:
	default:
		if s := k.last.Load(); s.holds(notable, 2) {
			return s.value, nil // somebody counts anew already: nobody else has to wait for it
		}
		select {
		case k.turn <- struct{}{}:
		case <-ctx.Done():
			return zero, ctx.Err()
		}
	}
	defer func() { <-k.turn }()
	if s := k.last.Load(); s.holds(notable, 1) {
		return s.value, nil
	}
	begun := time.Now()
	value, err := number(ctx)
	if err == nil {
		k.last.Store(&snapshot[V]{value, notable, time.Now(), min(oldest, patience*time.Since(begun))})
	}
	return value, err
}

// holds reports whether a snapshot is still good, or was until a moment ago.
func (s *snapshot[V]) holds(notable int64, times time.Duration) bool {
	return s != nil && s.notable == notable && time.Since(s.at) < times*s.good
}
