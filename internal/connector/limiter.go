package connector

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// Limits are a target's limits as its template knows them.
type Limits struct {
	Concurrency int      `json:"concurrency,omitempty"` // most requests in flight; 0 is 64
	Adaptive    bool     `json:"adaptive,omitempty"`    // nothing is known: start with 8 in flight and grow while the latency stays flat
	Buckets     []Bucket `json:"buckets,omitempty"`
	TimeScale   float64  `json:"time_scale,omitempty"` // 60 lets the buckets' minute last a second; 0 is 1
}

const (
	defaultConcurrency = 64
	gentleStart        = 8
)

// With returns the limits with an administrator's overrides. A rate of requests takes the place of
// every bucket; a burst alone changes the burst of each; off leaves concurrency alone.
func (l Limits) With(o provision.Limits) Limits {
	l.Buckets = slices.Clone(l.Buckets)
	switch {
	case o.Off:
		l.Buckets, l.Adaptive = nil, false
	case o.RequestsPerSecond > 0:
		l.Buckets = []Bucket{{Name: "connection", PerMinute: o.RequestsPerSecond * 60, Burst: o.Burst}}
	case o.Burst > 0:
		for i := range l.Buckets {
			l.Buckets[i].Burst = o.Burst
		}
	}
	if o.Concurrency > 0 {
		l.Concurrency = o.Concurrency
	}
	if o.TimeScale > 0 {
		l.TimeScale = o.TimeScale
	}
	return l
}

// concurrency returns the cap of requests in flight.
func (l Limits) concurrency() int {
	if l.Concurrency <= 0 {
		return defaultConcurrency
	}
	return l.Concurrency
}

// Limiter paces all requests of one connection, whatever cycle they belong to: make one for each
// connection and keep it. Of the requests that wait the most urgent goes first, and the eldest of
// those; one that waits for a bucket of its own holds back nobody who doesn't need that bucket.
//
//	Removal         may use the last tenth of every bucket and one connection more than the others
//	all others      wait while only the reserve is left
//
// A target that throttles pauses everything, see [Limiter.Pause]. What a target tells of its limits in the
// headers of its answers is kept to as well, so that requests slow down before it throttles.
type Limiter struct {
	id       string // tells this limiter's own level from another's, see [Limiter.Restore]
	mu       sync.Mutex
	limits   Limits
	buckets  []*tokens
	learned  []*learned
	waiting  [ReconcileRead + 1][]*waiter // by urgency, first come first served
	inFlight int
	window   window
	paused   time.Time
	timer    *time.Timer
	granted  int64
	throttle int64
	used     chan struct{} // see [Limiter.Used]
	rests    chan struct{} // see [Limiter.Rests]
}

// ticket is what a request counts for.
type ticket struct {
	kind    string // see [kindOf]
	buckets []*tokens
	learned []*learned
}

// answered ends the counting of a request that is under way.
func (t *ticket) answered() {
	for _, b := range t.learned {
		b.out--
	}
}

type waiter struct {
	ticket
	method   string
	path     string
	urgency  Urgency
	patience time.Duration
	answer   chan error // buffered; nil lets the request go
}

// NewLimiter makes a limiter whose buckets are full.
func NewLimiter(l Limits) *Limiter {
	out := &Limiter{id: rand.Text(), limits: l, window: newWindow(l.concurrency(), l.Adaptive), used: make(chan struct{}, 1), rests: make(chan struct{}, 1)}
	out.buckets = l.tokens(time.Now())
	return out
}

// tokens makes the buckets, full.
func (l Limits) tokens(now time.Time) []*tokens {
	scale := l.TimeScale
	if scale <= 0 {
		scale = 1
	}
	var out []*tokens
	for _, b := range l.Buckets {
		if b.PerMinute > 0 {
			out = append(out, newTokens(b, scale, now))
		}
	}
	return out
}

// PausedError says that the target wants nothing for longer than a request may wait: it asked for a
// pause, or told that its limit is used up.
type PausedError struct{ Until time.Time }

func (e *PausedError) Error() string {
	return fmt.Sprintf("the target asked for a pause until %s", e.Until.UTC().Format(time.RFC3339))
}

// Permit lets one request go. Done must be called when its answer is in.
type Permit struct {
	ticket
	limiter *Limiter
	start   time.Time
	told    []budget // what the answer says of the target's limits
}

// Acquire waits for a request's turn. Path is relative to the endpoint. It returns ctx's error, or a
// *[PausedError] when the target asked for a pause longer than patience.
func (l *Limiter) Acquire(ctx context.Context, method, path string, u Urgency, patience time.Duration) (*Permit, error) {
	u = min(max(u, Removal), ReconcileRead)
	l.mu.Lock()
	now := time.Now()
	if l.paused.Sub(now) > patience {
		until := l.paused
		l.mu.Unlock()
		return nil, &PausedError{until}
	}
	w := &waiter{method: method, path: path, urgency: u, patience: patience, answer: make(chan error, 1)}
	w.kind, w.buckets = kindOf(method, path), l.covering(method, path)
	l.waiting[u] = append(l.waiting[u], w)
	l.dispatch(now)
	l.mu.Unlock()

	select {
	case err := <-w.answer:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		if !l.withdraw(w) {
			// It was let go at this very moment: its place goes back, its token is spent.
			l.mu.Lock()
			l.inFlight--
			w.answered()
			l.dispatch(time.Now())
			l.mu.Unlock()
		}
		return nil, ctx.Err()
	}
	return &Permit{limiter: l, ticket: w.ticket, start: time.Now()}, nil
}

// Wait returns how long a request would wait now for its buckets and for a pause, 0 for not at all;
// those that wait for the same buckets already come before it. A connector that has two ways to do
// one thing takes the one with room.
func (l *Limiter) Wait(method, path string, u Urgency) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	wait := max(0, l.paused.Sub(now))
	for _, b := range l.covering(method, path) {
		b.refill(now)
		wait = max(wait, b.wait(u, l.ahead(b, u)))
	}
	return max(wait, l.learnedWait(kindOf(method, path), u, now))
}

// ahead counts the requests that take a token of a bucket before a new one of this urgency. The lock
// is held.
func (l *Limiter) ahead(b *tokens, u Urgency) int {
	n := 0
	for _, queue := range l.waiting[:min(max(u, Removal), ReconcileRead)+1] {
		for _, w := range queue {
			if slices.Contains(w.buckets, b) {
				n++
			}
		}
	}
	return n
}

// Pause holds every request of the connection until a time; a shorter pause than the present one
// changes nothing. Requests that have less patience than that are turned away at once.
func (l *Limiter) Pause(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pause(until) {
		notice(l.rests)
	}
}

// pause is [Limiter.Pause], and reports whether it changed anything. The lock is held.
func (l *Limiter) pause(until time.Time) bool {
	if !until.After(l.paused) {
		return false
	}
	l.paused = until
	now := time.Now()
	for u, queue := range l.waiting {
		l.waiting[u] = slices.DeleteFunc(queue, func(w *waiter) bool {
			gone := until.Sub(now) > w.patience
			if gone {
				w.answer <- &PausedError{until}
			}
			return gone
		})
	}
	l.dispatch(now)
	return true
}

// notice makes a channel ready unless nobody has taken notice of the last time yet.
func notice(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// PausedUntil returns the end of the present pause, or the zero time. What it returns may be kept
// and given to [Limiter.Pause] by the next process.
func (l *Limiter) PausedUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.paused.After(time.Now()) {
		return time.Time{}
	}
	return l.paused
}

// Usage is a limiter's state, for metrics and the console.
type Usage struct {
	InFlight    int            `json:"in_flight"`
	Window      int            `json:"window"` // how many may be in flight now
	Waiting     int            `json:"waiting"`
	Granted     int64          `json:"granted"`   // requests since the start
	Throttled   int64          `json:"throttled"` // of those, answered with 429
	PausedUntil time.Time      `json:"paused_until,omitzero"`
	Tokens      map[string]int `json:"tokens,omitempty"` // left, by bucket
	// Rates tell of each bucket how many requests it allows and how many it has let go.
	Rates map[string]Rate `json:"rates,omitempty"`
}

// Rate is how far a bucket is used.
type Rate struct {
	Allowed float64 `json:"allowed"` // requests a second, in the long run
	Taken   int64   `json:"taken"`   // requests since the start
}

// Usage returns the present state.
func (l *Limiter) Usage() Usage {
	paused := l.PausedUntil()
	l.mu.Lock()
	defer l.mu.Unlock()
	u := Usage{InFlight: l.inFlight, Window: l.window.open(), Granted: l.granted, Throttled: l.throttle, PausedUntil: paused}
	for _, queue := range l.waiting {
		u.Waiting += len(queue)
	}
	now := time.Now()
	for _, b := range l.buckets {
		b.refill(now)
		if u.Tokens == nil {
			u.Tokens, u.Rates = make(map[string]int, len(l.buckets)), make(map[string]Rate, len(l.buckets))
		}
		u.Tokens[b.Name] = int(math.Floor(b.left))
		u.Rates[b.Name] = Rate{Allowed: b.perSecond, Taken: b.taken}
	}
	return u
}

// Done gives the place back. Strained says that the target throttled the request or failed at it.
func (p *Permit) Done(throttled, strained bool) {
	l := p.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	full := l.inFlight >= l.window.open()
	l.inFlight--
	if throttled {
		l.throttle++
		// Others use the target's budget too: what we thought was left is not there.
		for _, b := range p.buckets {
			b.refill(now)
			b.left = min(b.left, b.reserve)
		}
	}
	p.answered()
	l.tell(p.kind, p.told, now)
	l.window.answered(p.kind, p.start, now, full, throttled || strained)
	l.dispatch(now)
}

func (l *Limiter) covering(method, path string) []*tokens {
	var out []*tokens
	for _, b := range l.buckets {
		if b.covers(method, path) {
			out = append(out, b)
		}
	}
	return out
}

// dispatch lets go whoever may, in order, and sets the timer for the next who will. The lock is held.
func (l *Limiter) dispatch(now time.Time) {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if l.paused.After(now) {
		l.wake(l.paused.Sub(now))
		return
	}
	for _, b := range l.buckets {
		b.refill(now)
	}
	next := time.Duration(-1)
	for u := range l.waiting {
		room := l.window.open()
		if Urgency(u) == Removal {
			room++
		}
		queue := l.waiting[u]
		kept := queue[:0]
		for _, w := range queue {
			wait := time.Duration(0)
			for _, b := range w.buckets {
				wait = max(wait, b.wait(w.urgency, 0))
			}
			known := l.learnedWait(w.kind, w.urgency, now)
			wait = max(wait, known)
			switch {
			case known > w.patience:
				w.answer <- &PausedError{now.Add(known)}
			case wait > 0:
				if next < 0 || wait < next {
					next = wait
				}
				kept = append(kept, w)
			case l.inFlight >= room:
				kept = append(kept, w)
			default:
				for _, b := range w.buckets {
					b.left--
					b.taken++
				}
				w.learned = l.spend(w.kind, now)
				l.inFlight++
				l.granted++
				notice(l.used)
				w.answer <- nil
			}
		}
		clear(queue[len(kept):])
		l.waiting[u] = kept
	}
	if next >= 0 {
		l.wake(next)
	}
}

func (l *Limiter) wake(after time.Duration) {
	l.timer = time.AfterFunc(max(after, time.Microsecond), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.dispatch(time.Now())
	})
}

// withdraw takes a waiter out of the queue and reports whether it was still there.
func (l *Limiter) withdraw(w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.waiting[w.urgency]
	i := slices.Index(queue, w)
	if i < 0 {
		// Turned away by a pause is out of the queue too, but took no place.
		select {
		case err := <-w.answer:
			return err != nil
		default:
			return true
		}
	}
	l.waiting[w.urgency] = slices.Delete(queue, i, i+1)
	return true
}

// kindOf names the kind of a request.
func kindOf(method, path string) string { return method + " " + shape(path) }

// shape makes requests comparable: the collection, and whether one member of it was asked for.
func shape(path string) string {
	collection, id, _ := strings.Cut(strings.Trim(path, "/"), "/")
	if id != "" {
		return collection + "/{id}"
	}
	return collection
}
