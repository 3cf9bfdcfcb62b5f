package connector

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestBudgets reads the headers as vendors and the editions of the draft write them.
func TestBudgets(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 20, 0, time.UTC)
	const date = "Sat, 28 Nov 2026 11:00:20 GMT" // the target's clock is an hour slow
	for name, c := range map[string]struct {
		header map[string]string
		want   []budget
	}{
		"draft 10":                {map[string]string{"RateLimit": `"default";r=50;t=30`, "RateLimit-Policy": `"default";q=100;w=60`}, []budget{{"default", 100, 50, 30 * time.Second}}},
		"draft 10, two of them":   {map[string]string{"RateLimit": `"burst";r=5;t=1, "day, or so";r=900;t=7000`, "RateLimit-Policy": `"burst";q=10;w=1,"day, or so";q=1000;w=86400`}, []budget{{"burst", 10, 5, time.Second}, {"day, or so", 1000, 900, time.Hour}}},
		"draft 07":                {map[string]string{"RateLimit": `limit=100, remaining=50, reset=5`}, []budget{{"", 100, 50, 5 * time.Second}}},
		"draft 03":                {map[string]string{"RateLimit-Limit": "100, 100;w=60", "RateLimit-Remaining": "7", "RateLimit-Reset": "12"}, []budget{{"", 100, 7, 12 * time.Second}}},
		"GitHub: seconds of 1970": {map[string]string{"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795863680", "Date": date}, []budget{{"", 5000, 0, time.Minute}}},
		"Okta":                    {map[string]string{"X-Rate-Limit-Limit": "600", "X-Rate-Limit-Remaining": "599", "X-Rate-Limit-Reset": "1795863630", "Date": date}, []budget{{"", 600, 599, 10 * time.Second}}},
		"LaunchDarkly: ms, names": {map[string]string{"X-Ratelimit-Global-Remaining": "9", "X-Ratelimit-Route-Remaining": "4", "X-Ratelimit-Reset": "1795863625500", "Date": date}, []budget{{"global", 0, 9, 5500 * time.Millisecond}, {"route", 0, 4, 5500 * time.Millisecond}}},
		"Atlassian: a date":       {map[string]string{"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "2026-11-28T11:00:50Z", "Date": date}, []budget{{"", 0, 3, 30 * time.Second}}},
		"an HTTP date":            {map[string]string{"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "Sat, 28 Nov 2026 11:01:20 GMT", "Date": date}, []budget{{"", 0, 3, time.Minute}}},
		"Discord: a fraction":     {map[string]string{"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset-After": "1.5"}, []budget{{"", 5, 1, 1500 * time.Millisecond}}},
		"a duration":              {map[string]string{"X-Ratelimit-Remaining-Requests": "59", "X-Ratelimit-Limit-Requests": "60", "X-Ratelimit-Reset-Requests": "6m0s"}, []budget{{"requests", 60, 59, 6 * time.Minute}}},
		"Kong: minutes":           {map[string]string{"X-RateLimit-Limit-Minute": "10", "X-RateLimit-Remaining-Minute": "2", "Date": date}, []budget{{"minute", 10, 2, 40 * time.Second}}},
		"without the clock":       {map[string]string{"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": fmt.Sprint(now.Unix() + 9)}, []budget{{"", 0, 3, 9 * time.Second}}},
		"a moment that is past":   {map[string]string{"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "1700000000"}, []budget{{"", 0, 3, 0}}},
		"beyond all bounds":       {map[string]string{"RateLimit-Remaining": "3", "RateLimit-Reset": "99999999"}, []budget{{"", 0, 3, time.Hour}}},
		"no reset":                {map[string]string{"X-RateLimit-Remaining": "3", "X-RateLimit-Limit": "5"}, nil},
		"nothing left to read":    {map[string]string{"X-RateLimit-Limit": "5", "X-RateLimit-Reset": "5"}, nil},
		"nonsense":                {map[string]string{"RateLimit": `";;;=,"r`, "X-RateLimit-Remaining": "NaN", "X-RateLimit-Reset": "soon"}, nil},
		"something else":          {map[string]string{"X-Rate": "5", "Content-Type": "application/json"}, nil},
	} {
		h := http.Header{}
		for k, v := range c.header {
			h.Set(k, v)
		}
		if diff := cmp.Diff(c.want, budgets(h, now), cmp.AllowUnexported(budget{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzBudgets(f *testing.F) {
	for _, s := range []string{`"default";r=50;t=30`, "limit=100, remaining=50, reset=5", "100, 100;w=60", "1795863680", "NaN", "-1", "6m0s", "1e300", `"a\"b;";r=1;t=1`, "2026-11-28T11:00:50Z"} {
		f.Add(s, s, s)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		h := http.Header{"Ratelimit": {a}, "Ratelimit-Policy": {b}, "X-Ratelimit-Remaining": {b}, "X-Ratelimit-Reset": {c}, "X-Ratelimit-Limit": {a}, "Date": {c}}
		for _, got := range budgets(h, now) {
			if got.reset < 0 || got.reset > maxPause || !(got.left >= 0) || !(got.limit >= 0) {
				t.Errorf("%q %q %q is %+v", a, b, c, got)
			}
		}
	})
}

// window60 is a target that allows so many requests in a minute of its own and tells it in every answer.
type window60 struct {
	mu       sync.Mutex
	limit    int
	used     int
	ends     time.Time
	refused  int
	answered []time.Duration
	start    time.Time
}

func (w *window60) handle(header func(limit, left int, reset time.Duration) string) func(int, *http.Request, net.Conn) {
	return func(_ int, _ *http.Request, c net.Conn) {
		w.mu.Lock()
		defer w.mu.Unlock()
		now := time.Now()
		if w.start.IsZero() {
			w.start = now
		}
		if !now.Before(w.ends) {
			w.ends, w.used = now.Add(time.Minute), 0
		}
		status := "200 OK"
		if w.used++; w.used > w.limit {
			status = "429 Too Many Requests"
			w.refused++
		} else {
			w.answered = append(w.answered, now.Sub(w.start))
		}
		answer(c, status, header(w.limit, max(0, w.limit-w.used), w.ends.Sub(now)), `{"id":"1"}`)
	}
}

// TestHeadersSlowDownBefore429 checks that a target which nobody configured a limit for is never asked
// for more than its answers say there is, and that all of it is used.
func TestHeadersSlowDownBefore429(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]func(limit, left int, reset time.Duration) string{
		"draft": func(limit, left int, reset time.Duration) string {
			return fmt.Sprintf("RateLimit-Policy: \"p\";q=%d;w=60\r\nRateLimit: \"p\";r=%d;t=%d\r\n", limit, left, int(reset.Seconds()))
		},
		"moment": func(limit, left int, reset time.Duration) string {
			// The target's clock is off by a day, and only its Date says so.
			then := time.Now().Add(-24 * time.Hour).UTC()
			return fmt.Sprintf("Date: %s\r\nX-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %d\r\nX-RateLimit-Reset: %d\r\n", then.Format(http.TimeFormat), limit, left, then.Add(reset).Unix())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &window60{limit: 100}
				p := &pipes{handle: w.handle(header)}
				client := p.client(t, NewLimiter(Limits{Concurrency: 16, Adaptive: true}))
				var all sync.WaitGroup
				for range 8 {
					all.Go(func() {
						for range 50 {
							if _, err := client.Do(t.Context(), Request{Method: "POST", Path: "Users", Urgency: CreateUpdate}); err != nil {
								t.Error(err)
							}
						}
					})
				}
				all.Wait()
				if w.refused > 0 {
					t.Errorf("%d were throttled", w.refused)
				}
				// A tenth is kept for removals, so 400 need five windows and no more.
				if took := time.Since(w.start); took > 5*time.Minute {
					t.Errorf("400 at 100 a minute took %s", took)
				}
				// What is left of the first window is spread over it.
				if last := w.answered[89]; last < 20*time.Second {
					t.Errorf("the 90th went after %s: there was nothing left for whoever came later", last)
				}
			})
		})
	}
}

// TestRemovalGoesOnWhatIsLeft checks that a removal may use the last of what a target told is left.
func TestRemovalGoesOnWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{})
		tell := func(left float64) {
			p, err := l.Acquire(t.Context(), "PATCH", "Users/1", Removal, 0)
			if err != nil {
				t.Fatal(err)
			}
			p.told = []budget{{"", 100, left, 40 * time.Second}}
			p.Done(false, false)
		}
		tell(3)
		if wait := l.Wait("PATCH", "Users/2", CreateUpdate); wait != 40*time.Second {
			t.Errorf("an update waits for %s", wait)
		}
		if wait := l.Wait("PATCH", "Users/2", Removal); wait != 0 {
			t.Errorf("a removal waits for %s", wait)
		}
		if wait := l.Wait("POST", "Users", CreateUpdate); wait != 0 {
			t.Errorf("a create, of which the target told nothing, waits for %s", wait)
		}
		tell(0)
		if wait := l.Wait("PATCH", "Users/2", Removal); wait != 40*time.Second {
			t.Errorf("with nothing left a removal waits for %s", wait)
		}
		// Longer than a request may wait is told at once.
		if _, err := l.Acquire(t.Context(), "PATCH", "Users/2", CreateUpdate, time.Second); err == nil {
			t.Error("a request without patience was let go")
		}
	})
}

// TestRetryAfterByTheTargetsClock checks that a date is measured against the answer's own, and that a 429
// which says until when its limit is used up needs no Retry-After.
func TestRetryAfterByTheTargetsClock(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]func(then time.Time) string{
		"Retry-After": func(then time.Time) string { return "Retry-After: " + then.Add(9*time.Second).Format(http.TimeFormat) },
		"X-RateLimit-Reset": func(then time.Time) string {
			return fmt.Sprintf("X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: %d", then.Unix()+9)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pipes{handle: func(n int, _ *http.Request, c net.Conn) {
					then := time.Now().Add(-3 * time.Hour).UTC()
					if n == 1 {
						answer(c, "429 Too Many Requests", "Date: "+then.Format(http.TimeFormat)+"\r\n"+header(then)+"\r\n", "")
						return
					}
					answer(c, "200 OK", "", `{"id":"1"}`)
				}}
				start := time.Now()
				if _, err := p.client(t, nil).Do(t.Context(), Request{Method: "POST", Path: "Users"}); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start).Round(100 * time.Millisecond); took != 9*time.Second {
					t.Errorf("it took %s, want 9s", took)
				}
			})
		})
	}
}

// TestLevelIsHandedOver checks that two processes one after the other use no more than one would, whether
// the first ended well or was killed.
func TestLevelIsHandedOver(t *testing.T) {
	t.Parallel()
	limits := Limits{Buckets: []Bucket{{Name: "posts", Methods: []string{"POST"}, Path: "Users", PerMinute: 60, Burst: 20}}}
	for name, c := range map[string]struct {
		unseen time.Duration // before the level was written down the last time
		ago    time.Duration
		left   int
	}{
		"at once":                    {0, 0, 4},
		"a while later":              {0, 10 * time.Second, 14},
		"much later":                 {0, time.Hour, 20},
		"a clock that was set back":  {0, -time.Hour, 4},
		"killed":                     {3 * time.Second, 0, -3},
		"killed, and a while later":  {3 * time.Second, 13 * time.Second, 10},
		"killed, and found long ago": {3 * time.Second, time.Hour, 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := NewLimiter(limits)
				run(t, first, 16, "POST", "Users", CreateUpdate, 0)
				first.Pause(time.Now().Add(time.Minute))
				level := first.Level(c.unseen)
				second := NewLimiter(limits)
				second.Restore(level, c.ago)
				if got := second.Usage().Tokens["posts"]; got != c.left {
					t.Errorf("%d tokens are left, want %d", got, c.left)
				}
				if paused := second.PausedUntil().After(time.Now()); paused != (c.ago < time.Minute) {
					t.Errorf("paused: %v", paused)
				}
				// Its own level, and one that has more, tell a limiter nothing.
				before := second.Usage().Tokens["posts"]
				second.Restore(second.Level(time.Minute), 0)
				second.Restore(NewLimiter(limits).Level(0), 0)
				if got := second.Usage().Tokens["posts"]; got != before {
					t.Errorf("%d tokens after that, want %d", got, before)
				}
			})
		})
	}
}

// TestLearnedIsHandedOver checks that what the target told is kept too.
func TestLearnedIsHandedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := NewLimiter(Limits{})
		p, err := first.Acquire(t.Context(), "POST", "Users", CreateUpdate, 0)
		if err != nil {
			t.Fatal(err)
		}
		p.told = []budget{{"", 100, 5, time.Minute}}
		p.Done(false, false)
		second := NewLimiter(Limits{})
		second.Restore(first.Level(0), 20*time.Second)
		if wait := second.Wait("POST", "Users", CreateUpdate); wait != 40*time.Second {
			t.Errorf("a create waits for %s, want 40s", wait)
		}
	})
}

func TestReconfigure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		posts := Bucket{Name: "posts", Methods: []string{"POST"}, PerMinute: 60, Burst: 20}
		l := NewLimiter(Limits{Buckets: []Bucket{posts}})
		run(t, l, 15, "POST", "Users", CreateUpdate, 0)
		waiting := make(chan []time.Duration, 1)
		go func() { waiting <- run(t, l, 10, "POST", "Users", CreateUpdate, 0) }()
		synctest.Wait()
		posts.PerMinute = 600
		l.Reconfigure(Limits{Buckets: []Bucket{posts}, Concurrency: 3})
		if at := <-waiting; at[9] > 2*time.Second {
			t.Errorf("those who waited went after %s, at the old rate", at[9])
		}
		if u := l.Usage(); u.Window != 3 {
			t.Errorf("the window is %d", u.Window)
		}
		l.Reconfigure(Limits{})
		if u := l.Usage(); len(u.Tokens) != 0 {
			t.Errorf("buckets are left: %v", u.Tokens)
		}
	})
}
