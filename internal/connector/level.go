package connector

import (
	"math"
	"reflect"
	"slices"
	"time"
)

// Level is what a limiter knows of a connection that the next process, or another node, has to keep to:
// pauses and how much of every limit is left. Times are relative to the moment at which it was taken, so
// that it means the same by another clock.
type Level struct {
	Holder   string             `json:"holder"`              // the limiter that it is of
	PausedMS int64              `json:"paused_ms,omitempty"` // how long the target wants nothing
	Buckets  map[string]float64 `json:"buckets,omitempty"`   // tokens left, by bucket; negative is a debt
	Learned  []LearnedLevel     `json:"learned,omitempty"`
}

// LearnedLevel is a limit that the target told.
type LearnedLevel struct {
	Name    string   `json:"name,omitempty"`
	Limit   float64  `json:"limit,omitempty"`
	Left    float64  `json:"left"`
	ResetMS int64    `json:"reset_ms"`
	Kinds   []string `json:"kinds"` // of requests that it holds for
}

// Level returns the present level. With unseen it is what is left when nobody has looked for so long and
// everything was used meanwhile: whoever may die before the next time writes that down, and the next
// process cannot use a second time what this one has used.
func (l *Limiter) Level(unseen time.Duration) Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	out := Level{Holder: l.id, PausedMS: max(0, l.paused.Sub(now).Milliseconds())}
	for _, b := range l.buckets {
		b.refill(now)
		if out.Buckets == nil {
			out.Buckets = make(map[string]float64, len(l.buckets))
		}
		left := b.left
		if unseen > 0 {
			left = min(left, -unseen.Seconds()*b.perSecond)
		}
		out.Buckets[b.Name] = math.Round(left*1000) / 1000
	}
	for _, b := range l.learned {
		if b.reset.After(now) {
			out.Learned = append(out.Learned, LearnedLevel{
				Name: b.name, Limit: b.limit, Left: b.left - float64(b.out), ResetMS: b.reset.Sub(now).Milliseconds(), Kinds: slices.Clone(b.kinds),
			})
		}
	}
	return out
}

// Restore takes over a level that was written down so long ago. It only ever takes away: what this
// limiter knows itself stays, and its own level tells it nothing.
func (l *Limiter) Restore(v Level, ago time.Duration) {
	if v.Holder == l.id {
		return
	}
	ago = max(0, ago) // a clock that was set back
	l.mu.Lock()
	defer l.mu.Unlock()
	if pause := min(time.Duration(v.PausedMS)*time.Millisecond, maxPause) - ago; pause > 0 {
		l.pause(time.Now().Add(pause))
	}
	now := time.Now()
	for _, b := range l.buckets {
		left, ok := v.Buckets[b.Name]
		if !ok {
			continue
		}
		b.refill(now)
		b.left = min(b.left, left+ago.Seconds()*b.perSecond)
	}
	for _, t := range v.Learned {
		reset := min(time.Duration(t.ResetMS)*time.Millisecond, maxPause) - ago
		if reset <= 0 || slices.ContainsFunc(l.learned, func(b *learned) bool { return b.name == t.Name && b.limit == t.Limit && b.reset.After(now) }) {
			continue
		}
		for _, kind := range t.Kinds {
			l.tell(kind, []budget{{name: t.Name, limit: t.Limit, left: t.Left, reset: reset}}, now)
		}
	}
	l.dispatch(now)
}

// Used is ready when requests were let go since it was last received from.
func (l *Limiter) Used() <-chan struct{} { return l.used }

// Rests is ready when the target asked for a pause since it was last received from: one that may be long, during
// which no request is let go.
func (l *Limiter) Rests() <-chan struct{} { return l.rests }

// Reconfigure gives the limiter other limits, as an administrator changed them. What is left of a bucket
// that keeps its name is kept, as far as there is room for it.
func (l *Limiter) Reconfigure(limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if reflect.DeepEqual(l.limits, limits) {
		return
	}
	now := time.Now()
	old := l.buckets
	l.limits, l.buckets = limits, limits.tokens(now)
	for _, b := range l.buckets {
		for _, was := range old {
			if was.Name == b.Name {
				was.refill(now)
				b.left = min(b.left, was.left)
			}
		}
	}
	for _, queue := range l.waiting {
		for _, w := range queue {
			w.buckets = l.covering(w.method, w.path)
		}
	}
	if w := newWindow(limits.concurrency(), limits.Adaptive); w.most != l.window.most || w.adaptive != l.window.adaptive {
		l.window = w
	}
	l.dispatch(now)
}
