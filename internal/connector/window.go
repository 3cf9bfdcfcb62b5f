package connector

import "time"

// window is how many requests may be in flight. For a target of which nothing is known it starts
// gently and behaves as TCP does: it doubles with every round of answers while the latency stays
// flat, grows by one a round once it rose, shrinks when it has more than doubled, and is halved when
// the target throttles or fails.
//
// Latency is compared per kind of request with the lowest mean of that kind, so that neither a page of
// a thousand accounts nor a target that is sometimes slow looks like trouble.
type window struct {
	size     float64
	most     int
	adaptive bool
	steady   bool // the latency rose once: no more doubling
	paces    map[string]*pace
	cutAt    time.Time // answers to requests older than this say nothing new
}

// pace is the latency of one kind of request, in seconds.
type pace struct {
	answers int
	mean    float64 // smoothed
	lowest  float64 // mean that there was, once there were answers enough
}

const (
	smoothing = 0.1
	enough    = gentleStart // answers before a mean counts
	// A target that becomes slower for good is believed in the end: the lowest mean creeps upwards, to
	// its double in some 14,000 answers.
	creep  = 1.00005
	jitter = 0.025 // seconds that are nobody's fault, or our own
)

func (p *pace) answered(took float64) {
	p.answers++
	p.mean += max(smoothing, 1/float64(p.answers)) * (took - p.mean)
	switch {
	case p.answers == enough:
		p.lowest = p.mean
	case p.answers > enough:
		p.lowest = min(p.lowest*creep, p.mean)
	}
}

func newWindow(most int, adaptive bool) window {
	w := window{size: float64(most), most: most, adaptive: adaptive}
	if adaptive {
		w.size = float64(min(gentleStart, most))
		w.paces = map[string]*pace{}
	}
	return w
}

func (w *window) open() int { return max(1, int(w.size)) }

// answered learns from one answer. Full says that the window was used up, without which its size is
// no evidence of anything.
func (w *window) answered(kind string, start, now time.Time, full, strained bool) {
	if !w.adaptive {
		return
	}
	if strained {
		w.cut(start, now, 0.5, 1)
		return
	}
	p := w.paces[kind]
	if p == nil {
		p = &pace{}
		w.paces[kind] = p
	}
	p.answered(now.Sub(start).Seconds())
	excess := 0.0
	if p.answers >= enough {
		excess = p.mean - p.lowest
	}
	switch {
	case excess > max(p.lowest/2, jitter):
		w.steady = true
		if excess > 1.5*p.lowest+2*jitter {
			w.cut(start, now, 0.8, gentleStart)
		}
	case full && !w.steady:
		w.size = min(w.size+1, float64(w.most))
	case full:
		w.size = min(w.size+1/w.size, float64(w.most))
	}
}

// cut shrinks the window, once for all requests that were under way together, and not below floor.
func (w *window) cut(start, now time.Time, factor, floor float64) {
	if start.Before(w.cutAt) {
		return
	}
	w.steady, w.cutAt = true, now
	w.size = max(w.size*factor, min(floor, w.size))
}
