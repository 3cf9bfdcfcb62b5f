package connector

import (
	"strings"
	"time"
)

// Bucket is a limit as vendors state it: so many requests a minute, with a burst, for some methods
// on some paths. A request takes a token of every bucket that it falls into.
type Bucket struct {
	Name      string   `json:"name"`
	Methods   []string `json:"methods,omitempty"` // GET, POST, …; none is all
	Path      string   `json:"path,omitempty"`    // below the endpoint: "Users", "Users/{id}"; "" is all
	PerMinute float64  `json:"per_minute"`
	Burst     int      `json:"burst"` // 0 is a second's worth, at least 1
}

// covers reports whether a request falls into the bucket. A segment in braces stands for any one.
func (b Bucket) covers(method, path string) bool {
	if len(b.Methods) > 0 {
		hit := false
		for _, m := range b.Methods {
			hit = hit || m == method
		}
		if !hit {
			return false
		}
	}
	if b.Path == "" {
		return true
	}
	want, have := strings.Split(b.Path, "/"), strings.Split(strings.Trim(path, "/"), "/")
	if len(want) != len(have) {
		return false
	}
	for i, w := range want {
		if !strings.HasPrefix(w, "{") && w != have[i] {
			return false
		}
	}
	return true
}

// reserveShare is the part of every bucket that only removals may take, so that someone who leaves
// never waits behind a bulk of joiners.
const reserveShare = 0.1

// tokens is a Bucket at work.
type tokens struct {
	Bucket
	perSecond float64
	size      float64
	reserve   float64
	left      float64
	at        time.Time // when left was right
	taken     int64     // since the start
}

func newTokens(b Bucket, scale float64, now time.Time) *tokens {
	t := &tokens{Bucket: b, perSecond: b.PerMinute / 60 * scale, at: now}
	t.size = float64(b.Burst)
	if b.Burst <= 0 {
		t.size = max(1, b.PerMinute/60)
	}
	// A bucket of one token has nothing to set aside.
	t.reserve = min(max(1, t.size*reserveShare), t.size-1)
	t.left = t.size
	return t
}

func (t *tokens) refill(now time.Time) {
	if now.After(t.at) {
		t.left = min(t.size, t.left+now.Sub(t.at).Seconds()*t.perSecond)
		t.at = now
	}
}

// wait returns how long a request of this urgency waits for its token when so many take theirs before
// it, 0 for not at all.
func (t *tokens) wait(u Urgency, ahead int) time.Duration {
	need := 1.0 + float64(ahead)
	if u != Removal {
		need += t.reserve
	}
	const rounding = 1e-6
	if t.left >= need-rounding {
		return 0
	}
	return time.Duration((need - t.left) / t.perSecond * float64(time.Second))
}
