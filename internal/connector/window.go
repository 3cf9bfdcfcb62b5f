package connector

import "time"

// window is how many requests may be in flight. For a target of which nothing is known it starts
// gently and behaves as TCP does: it doubles with every round of answers while the latency stays
// flat, grows by one a round once it rose, and is halved when the target throttles or fails.
//
// Latency is compared per kind of request with the fastest answer of that kind, so that a page of a
// thousand accounts does not look like trouble.
type window struct {
	size     float64
	most     int
	adaptive bool
	steady   bool // the latency rose once: no more doubling
	fastest  map[string]time.Duration
	excess   float64   // smoothed, seconds above the fastest
	base     float64   // smoothed, seconds of the fastest
	cutAt    time.Time // answers to requests older than this say nothing new
}

func newWindow(most int, adaptive bool) window {
	w := window{size: float64(most), most: most, adaptive: adaptive}
	if adaptive {
		w.size = float64(min(gentleStart, most))
		w.fastest = map[string]time.Duration{}
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
	took := now.Sub(start)
	if f, ok := w.fastest[kind]; !ok || took < f {
		w.fastest[kind] = took
	}
	const smoothing = 0.1
	w.excess += smoothing * ((took - w.fastest[kind]).Seconds() - w.excess)
	w.base += smoothing * (w.fastest[kind].Seconds() - w.base)

	const jitter = 0.005 // seconds that are nobody's fault
	switch flat := w.excess <= max(w.base, jitter); {
	case flat && full && !w.steady:
		w.size = min(w.size+1, float64(w.most))
	case flat && full:
		w.size = min(w.size+1/w.size, float64(w.most))
	case !flat:
		w.steady = true
		if w.excess > 4*w.base+10*jitter {
			w.cut(start, now, 0.8, gentleStart)
		}
	}
}

// cut shrinks the window, once for all requests that were under way together.
func (w *window) cut(start, now time.Time, factor, floor float64) {
	if start.Before(w.cutAt) {
		return
	}
	w.steady, w.cutAt = true, now
	w.size = max(w.size*factor, min(floor, w.size))
}
