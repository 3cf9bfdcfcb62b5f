package slackemulator

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// rate is one row of Slack's table: so many requests a minute, so many at once.
type rate struct{ perMinute, burst float64 }

// rates is https://docs.slack.dev/reference/scim-api/rate-limits. A request draws from its
// organisation-wide pool and from its own row at once; lists have no row of their own. All tokens
// and both versions share them. PUT and PATCH share one row.
var rates = map[string]rate{
	"writes":       {600, 180},
	"reads":        {1000, 1000},
	"get user":     {300, 300},
	"create user":  {180, 20},
	"update user":  {180, 20},
	"delete user":  {180, 20},
	"get group":    {300, 300},
	"create group": {180, 20},
	"update group": {180, 80},
	"delete group": {180, 20},
}

// bucketsFor names the buckets a request draws from.
func bucketsFor(method, resource, id string) []string {
	pool := "writes"
	if method == http.MethodGet {
		pool = "reads"
	}
	object := map[string]string{"Users": "user", "Groups": "group"}[resource]
	if object == "" {
		return []string{pool}
	}
	verb := ""
	switch {
	case method == http.MethodGet && id != "":
		verb = "get"
	case method == http.MethodPost && id == "":
		verb = "create"
	case method == http.MethodPut, method == http.MethodPatch:
		verb = "update"
	case method == http.MethodDelete:
		verb = "delete"
	default:
		return []string{pool}
	}
	return []string{pool, verb + " " + object}
}

// bucket is a token bucket over emulated time. It starts full.
type bucket struct {
	rate
	tokens float64
	last   time.Time
}

func (b *bucket) refill(now time.Time) {
	if elapsed := now.Sub(b.last); elapsed > 0 {
		b.tokens = min(b.burst, b.tokens+b.perMinute*elapsed.Minutes())
		b.last = now
	}
}

// wait is how long until a token is there; 0 when one is.
func (b *bucket) wait() time.Duration {
	if b.tokens >= 1 {
		return 0
	}
	return time.Duration((1 - b.tokens) / b.perMinute * float64(time.Minute))
}

type limits struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

func newLimits() *limits { return &limits{buckets: map[string]*bucket{}} }

func (l *limits) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.buckets)
}

// take draws one token from each named bucket, or from none and says how long until all have one:
// a refused request costs nothing.
func (l *limits) take(now time.Time, names []string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var longest time.Duration
	drawn := make([]*bucket, 0, 2)
	for _, name := range names {
		b := l.buckets[name]
		if b == nil {
			b = &bucket{rate: rates[name], tokens: rates[name].burst, last: now}
			l.buckets[name] = b
		}
		b.refill(now)
		longest = max(longest, b.wait())
		drawn = append(drawn, b)
	}
	if longest > 0 {
		return longest
	}
	for _, b := range drawn {
		b.tokens--
	}
	return 0
}

// Limit is the state of one bucket, for people who wonder why they get 429.
type Limit struct {
	Name      string  `json:"name"`
	PerMinute float64 `json:"per_minute"`
	Burst     float64 `json:"burst"`
	Left      float64 `json:"left"`
}

func (l *limits) list(now time.Time) []Limit {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []Limit{}
	for _, name := range slices.Sorted(maps.Keys(rates)) {
		left := rates[name].burst
		if b := l.buckets[name]; b != nil {
			b.refill(now)
			left = b.tokens
		}
		out = append(out, Limit{name, rates[name].perMinute, rates[name].burst, left})
	}
	return out
}

// locks lets one write at a time touch an object; Slack answers an overlapping one with 429.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	busy  bool
	until time.Time // emulated; Policies.LockHold after the request ended
}

// lockRetry is what Retry-After asks for while the other write is still under way.
const lockRetry = time.Second

func newLocks() *locks { return &locks{held: map[string]*lock{}} }

func (l *locks) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.held)
}

// acquire takes the lock of object id, or says how long another write holds it.
func (l *locks) acquire(id string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch k := l.held[id]; {
	case k == nil:
		l.held[id] = &lock{busy: true}
	case k.busy:
		return lockRetry
	case now.Before(k.until):
		return k.until.Sub(now)
	default:
		k.busy = true
	}
	return 0
}

// release ends the write but keeps others out until the time given.
func (l *locks) release(id string, now, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.held[id]; k != nil && until.After(now) {
		k.busy, k.until = false, until
		return
	}
	delete(l.held, id)
}
