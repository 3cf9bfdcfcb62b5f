package connector

import (
	"slices"
	"time"
)

// learned is a limit that the target tells in its answers. It holds for the kinds of requests whose
// answers told it.
//
// Until half of it is used up, requests go as they come; then they are spread over the time until there
// are more, and the last tenth is for removals, as in every bucket.
type learned struct {
	name  string
	limit float64 // 0 where the target does not tell
	left  float64
	reset time.Time
	kinds []string
	out   int       // let go and not answered
	next  time.Time // when the next may go that is no removal
}

// sameWindow is by how much two answers may differ about the end of one window: resets are whole seconds,
// and answers take their time.
const sameWindow = 2 * time.Second

// spread is the share of a limit below which requests are spread over the time that is left.
const spread = 0.5

func (b *learned) reserve() float64 { return min(max(1, b.limit*reserveShare), max(0, b.limit-1)) }

// wait returns how long a request of this urgency has to wait for the limit.
func (b *learned) wait(u Urgency, now time.Time) time.Duration {
	need := 1.0
	if u != Removal {
		need += b.reserve()
	}
	switch {
	case !b.reset.After(now):
		return 0
	case b.left < need:
		return b.reset.Sub(now)
	case u != Removal:
		return max(0, b.next.Sub(now))
	}
	return 0
}

// take counts a request that is let go.
func (b *learned) take(now time.Time) {
	if !b.reset.After(now) && b.limit > 0 {
		// The window is over, and no answer has told of the next one yet.
		b.left = max(b.limit, b.left)
	}
	b.left--
	b.out++
	if room := b.left - b.reserve(); b.left < b.limit*spread && room > 0 && b.reset.After(now) {
		b.next = now.Add(time.Duration(float64(b.reset.Sub(now)) / room))
	}
}

// tells takes in what an answer says. Answers overtake one another: within a window the least counts.
// What is under way may not be in it yet.
func (b *learned) tells(t budget, now time.Time) {
	end := now.Add(t.reset)
	left := t.left - float64(b.out)
	if end.After(b.reset.Add(sameWindow)) || !b.reset.After(now) {
		b.left, b.next = left, time.Time{}
	} else {
		b.left = min(b.left, left)
		end = b.reset
	}
	b.limit, b.reset = t.limit, end
}

// learnedWait returns how long a request of a kind waits for what the target told. The lock is held.
func (l *Limiter) learnedWait(kind string, u Urgency, now time.Time) time.Duration {
	wait := time.Duration(0)
	for _, b := range l.learned {
		if slices.Contains(b.kinds, kind) {
			wait = max(wait, b.wait(u, now))
		}
	}
	return wait
}

// spend counts a request that is let go, and returns the limits that it counts for. The lock is held.
func (l *Limiter) spend(kind string, now time.Time) []*learned {
	var from []*learned
	for _, b := range l.learned {
		if slices.Contains(b.kinds, kind) {
			b.take(now)
			from = append(from, b)
		}
	}
	return from
}

// tell takes in what an answer to a kind of request told. Of the requests that are under way some may be
// missing in a limit that is new. The lock is held.
func (l *Limiter) tell(kind string, told []budget, now time.Time) {
	for _, t := range told {
		at := slices.IndexFunc(l.learned, func(b *learned) bool { return b.name == t.name && b.limit == t.limit })
		if at < 0 {
			if len(l.learned) == maxBudgets {
				// The one that says nothing for the longest time makes room.
				oldest := slices.MinFunc(l.learned, func(a, b *learned) int { return a.reset.Compare(b.reset) })
				l.learned = slices.DeleteFunc(l.learned, func(b *learned) bool { return b == oldest })
			}
			at = len(l.learned)
			l.learned = append(l.learned, &learned{name: t.name, limit: t.limit})
			t.left -= float64(l.inFlight)
		}
		b := l.learned[at]
		if !slices.Contains(b.kinds, kind) && len(b.kinds) < maxBudgets {
			b.kinds = append(b.kinds, kind)
		}
		b.tells(t, now)
	}
}

// usedUp returns the pause that an answer's headers ask for when it throttled and named none: until the
// limits of which nothing is left are filled again.
func usedUp(told []budget) time.Duration {
	wait := time.Duration(0)
	for _, t := range told {
		if t.left < 1 {
			wait = max(wait, t.reset)
		}
	}
	return wait
}
