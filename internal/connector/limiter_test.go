package connector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/provision"
)

// run lets a number of requests through the limiter, each taking its time at the target, and returns
// when each was let go, in order.
func run(t *testing.T, l *Limiter, n int, method, path string, u Urgency, took time.Duration) []time.Duration {
	t.Helper()
	start := time.Now()
	var mu sync.Mutex
	var at []time.Duration
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			p, err := l.Acquire(t.Context(), method, path, u, maxPatience)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			at = append(at, time.Since(start))
			mu.Unlock()
			time.Sleep(took) // of the bubble: it takes no time
			p.Done(false, false)
		})
	}
	all.Wait()
	slices.Sort(at)
	return at
}

func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

func TestBucket(t *testing.T) {
	t.Parallel()
	posts := Bucket{Name: "POST Users", Methods: []string{"POST"}, Path: "Users", PerMinute: 60, Burst: 10}
	for name, c := range map[string]struct {
		limits  Limits
		method  string
		path    string
		urgency Urgency
		n       int
		last    time.Duration
	}{
		"the burst goes at once, but for the reserve": {Limits{Buckets: []Bucket{posts}}, "POST", "Users", CreateUpdate, 9, 0},
		"then one a second":                           {Limits{Buckets: []Bucket{posts}}, "POST", "Users", CreateUpdate, 12, 3 * time.Second},
		"the reserve is for removals":                 {Limits{Buckets: []Bucket{posts}}, "POST", "Users", Removal, 10, 0},
		"an hour lasts a minute":                      {Limits{Buckets: []Bucket{posts}, TimeScale: 60}, "POST", "Users", CreateUpdate, 12, 50 * time.Millisecond},
		"other methods are free":                      {Limits{Buckets: []Bucket{posts}}, "PATCH", "Users", CreateUpdate, 50, 0},
		"other paths are free":                        {Limits{Buckets: []Bucket{posts}}, "POST", "Groups", CreateUpdate, 50, 0},
		"members of a collection are another path":    {Limits{Buckets: []Bucket{posts}}, "POST", "Users/1", CreateUpdate, 50, 0},
		"a slash at the end is no other path":         {Limits{Buckets: []Bucket{posts}}, "POST", "Users/", CreateUpdate, 10, time.Second},
		"any id fits": {
			Limits{Buckets: []Bucket{{Name: "a", Path: "Users/{id}", PerMinute: 60, Burst: 1}}}, "DELETE", "Users/U123", CreateUpdate, 3, 2 * time.Second,
		},
		"the narrower of two counts": {
			Limits{Buckets: []Bucket{posts, {Name: "all", PerMinute: 6, Burst: 2}}}, "POST", "Users", CreateUpdate, 3, 20 * time.Second,
		},
		"no burst is a second's worth": {Limits{Buckets: []Bucket{{Name: "a", PerMinute: 300}}}, "GET", "Users", CreateUpdate, 5, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := run(t, NewLimiter(c.limits), c.n, c.method, c.path, c.urgency, 0)
				if last := rounded(at[len(at)-1]); last != c.last {
					t.Errorf("the last of %d went after %s, want %s", c.n, last, c.last)
				}
			})
		})
	}
}

// TestOrder checks who goes first: the more urgent, and of those the elder.
func TestOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{Concurrency: 1, Buckets: []Bucket{{Name: "all", PerMinute: 60, Burst: 1}}})
		if _, err := l.Acquire(t.Context(), "GET", "x", CreateUpdate, 0); err != nil { // takes the token
			t.Fatal(err)
		}
		l.mu.Lock()
		l.inFlight = 0
		l.mu.Unlock()
		var mu sync.Mutex
		var order []string
		var all sync.WaitGroup
		for i, u := range []Urgency{ReconcileRead, Groups, CreateUpdate, CreateUpdate, OnDemand, Removal, Groups, Removal} {
			all.Go(func() {
				p, err := l.Acquire(t.Context(), "GET", "x", u, maxPatience)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, fmt.Sprint(int(u), "-", i))
				mu.Unlock()
				p.Done(false, false)
			})
			synctest.Wait() // it waits in the queue before the next comes
		}
		if u := l.Usage(); u.Waiting != 8 {
			t.Errorf("%d wait", u.Waiting)
		}
		all.Wait()
		want := []string{"0-5", "0-7", "1-4", "3-2", "3-3", "4-1", "4-6", "5-0"}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// TestNobodyWaitsForAnothersBucket checks that a full bucket holds back only who needs it, even behind
// somebody more urgent.
func TestNobodyWaitsForAnothersBucket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{Buckets: []Bucket{{Name: "posts", Methods: []string{"POST"}, PerMinute: 1, Burst: 1}, {Name: "all", PerMinute: 6000, Burst: 100}}})
		run(t, l, 1, "POST", "Users", OnDemand, 0)
		var urgent, other time.Duration
		var all sync.WaitGroup
		all.Go(func() { urgent = run(t, l, 1, "POST", "Users", OnDemand, 0)[0] })
		synctest.Wait()
		all.Go(func() { other = run(t, l, 1, "PATCH", "Users/1", Groups, 0)[0] })
		all.Wait()
		if other != 0 || rounded(urgent) != time.Minute {
			t.Errorf("the urgent one went after %s, the other after %s", urgent, other)
		}
	})
}

// TestLeaverOvertakesJoiners is what the reserve is for: with a thousand joiners waiting at Slack's
// limits, somebody who leaves does not wait.
func TestLeaverOvertakesJoiners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{Concurrency: 16, Buckets: []Bucket{
			{Name: "writes", Methods: []string{"POST", "PUT", "PATCH", "DELETE"}, PerMinute: 600, Burst: 180},
			{Name: "PATCH Users", Methods: []string{"PUT", "PATCH"}, Path: "Users/{id}", PerMinute: 180, Burst: 20},
		}})
		var all sync.WaitGroup
		var joiners []time.Duration
		all.Go(func() { joiners = run(t, l, 1000, "PATCH", "Users/1", CreateUpdate, 100*time.Millisecond) })
		time.Sleep(10 * time.Second)
		for range 2 {
			if at := run(t, l, 1, "PATCH", "Users/2", Removal, 100*time.Millisecond); at[0] != 0 {
				t.Errorf("the leaver waited %s", at[0])
			}
		}
		all.Wait()
		// 180 a minute for 1,000 less the burst of 18.
		if last := joiners[len(joiners)-1]; last < 320*time.Second || last > 335*time.Second {
			t.Errorf("the last joiner went after %s", last)
		}
	})
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{Concurrency: 4})
		var all sync.WaitGroup
		var last []time.Duration
		all.Go(func() { last = run(t, l, 12, "GET", "Users", CreateUpdate, time.Second) })
		synctest.Wait()
		if u := l.Usage(); u.InFlight != 4 || u.Waiting != 8 {
			t.Errorf("%+v", u)
		}
		if at := run(t, l, 1, "DELETE", "Users/1", Removal, 0); at[0] != 0 {
			t.Errorf("a removal waited %s for a place", at[0])
		}
		all.Wait()
		if last[11] != 2*time.Second {
			t.Errorf("the last went after %s", last[11])
		}
		if u := l.Usage(); u.InFlight != 0 || u.Waiting != 0 || u.Granted != 13 {
			t.Errorf("%+v", u)
		}
	})
}

func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{Buckets: []Bucket{{Name: "all", PerMinute: 60, Burst: 2}}})
		start := time.Now()
		run(t, l, 1, "GET", "Users", CreateUpdate, 0)
		errs := make(chan error, 2)
		go func() { // it waits for a token when the pause comes
			_, err := l.Acquire(t.Context(), "GET", "Users", CreateUpdate, time.Second)
			errs <- err
		}()
		synctest.Wait()
		l.Pause(start.Add(10 * time.Second))
		l.Pause(start.Add(5 * time.Second)) // shorter: nothing changes
		var paused *PausedError
		if err := <-errs; !errors.As(err, &paused) || !paused.Until.Equal(start.Add(10*time.Second)) || time.Since(start) != 0 {
			t.Errorf("got %v", err)
		}
		if _, err := l.Acquire(t.Context(), "GET", "Users", CreateUpdate, 9*time.Second); !errors.As(err, &paused) {
			t.Errorf("got %v", err)
		}
		if wait := l.Wait("GET", "Users", Removal); wait != 10*time.Second {
			t.Errorf("Wait says %s", wait)
		}
		if until := l.PausedUntil(); !until.Equal(start.Add(10 * time.Second)) {
			t.Errorf("paused until %s", until)
		}
		if at := run(t, l, 2, "GET", "Users", Removal, 0); at[0] != 10*time.Second {
			t.Errorf("it went on after %s", at)
		}
		if u := l.Usage(); u.InFlight != 0 || u.Waiting != 0 || !u.PausedUntil.IsZero() {
			t.Errorf("%+v", u)
		}
	})
}

// TestGivenUp checks that who stops waiting leaves no trace.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{Concurrency: 1})
		p, err := l.Acquire(t.Context(), "GET", "Users", CreateUpdate, 0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := l.Acquire(ctx, "GET", "Users", CreateUpdate, 0)
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if _, err := l.Acquire(ctx, "GET", "Users", CreateUpdate, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		p.Done(false, false)
		if u := l.Usage(); u.InFlight != 0 || u.Waiting != 0 {
			t.Errorf("%+v", u)
		}
		run(t, l, 3, "GET", "Users", CreateUpdate, 0)
	})
}

// TestNeverTooMany lets random traffic through and checks the promise that a bucket makes: never more in
// any span of time than its burst and what flows in meanwhile.
func TestNeverTooMany(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			perSecond, burst := float64(1+r.IntN(10)), 1+r.IntN(30)
			l := NewLimiter(Limits{Concurrency: 1 + r.IntN(20), Buckets: []Bucket{{Name: "all", PerMinute: perSecond * 60, Burst: burst}}})
			var mu sync.Mutex
			var at []time.Time
			var all sync.WaitGroup
			for range 200 {
				u, start, took := Urgency(r.IntN(5)), time.Duration(r.IntN(5000))*time.Millisecond, time.Duration(r.IntN(300))*time.Millisecond
				all.Go(func() {
					time.Sleep(start)
					p, err := l.Acquire(t.Context(), "GET", "x", u, time.Hour)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					at = append(at, time.Now())
					mu.Unlock()
					time.Sleep(took)
					p.Done(false, false)
				})
			}
			all.Wait()
			slices.SortFunc(at, time.Time.Compare)
			for i := range at {
				for j := i; j < len(at); j++ {
					if n, most := float64(j-i+1), float64(burst)+at[j].Sub(at[i]).Seconds()*perSecond+0.01; n > most {
						t.Fatalf("seed %d: %v in %s, at most %v", seed, n, at[j].Sub(at[i]), most)
					}
				}
			}
			if u := l.Usage(); u.InFlight != 0 || u.Waiting != 0 {
				t.Fatalf("seed %d: %+v", seed, u)
			}
		})
	}
}

// TestAdaptive checks how the window of an unknown target moves.
func TestAdaptive(t *testing.T) {
	t.Parallel()
	busy := func(most int) func(inFlight int) time.Duration { // a target that works on so many at a time
		return func(n int) time.Duration {
			return 100 * time.Millisecond * time.Duration(max(1, (n+most-1)/most))
		}
	}
	for name, c := range map[string]struct {
		latency  func(inFlight int) time.Duration
		throttle int // 429 above so many in flight
		low      int // bounds of the window in the end
		high     int
	}{
		"grows to the cap while the latency stays flat": {latency: busy(1000), low: 64, high: 64},
		"stops where the latency rises":                 {latency: busy(16), low: 8, high: 40},
		"backs off from 429":                            {latency: busy(1000), throttle: 20, low: 1, high: 21},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewLimiter(Limits{Concurrency: 64, Adaptive: true})
				if u := l.Usage(); u.Window != gentleStart {
					t.Errorf("it starts with %d", u.Window)
				}
				var mu sync.Mutex
				inFlight, highest := 0, 0
				var all sync.WaitGroup
				for range 100 {
					all.Go(func() {
						for range 50 {
							p, err := l.Acquire(t.Context(), "PATCH", "Users/1", CreateUpdate, time.Hour)
							if err != nil {
								t.Error(err)
								return
							}
							mu.Lock()
							inFlight++
							highest = max(highest, inFlight)
							n := inFlight
							mu.Unlock()
							time.Sleep(c.latency(n))
							mu.Lock()
							inFlight--
							mu.Unlock()
							p.Done(c.throttle > 0 && n > c.throttle, false)
						}
					})
				}
				all.Wait()
				if u := l.Usage(); u.Window < c.low || u.Window > c.high {
					t.Errorf("the window is %d, want %d to %d", u.Window, c.low, c.high)
				}
				if c.throttle > 0 && highest > 2*c.throttle {
					t.Errorf("%d were in flight", highest)
				}
			})
		})
	}
}

// TestSlowPagesAreNoTrouble checks that a kind of request that is slow by nature does not shrink the window.
func TestSlowPagesAreNoTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Limits{Concurrency: 32, Adaptive: true})
		var all sync.WaitGroup
		all.Go(func() { run(t, l, 400, "PATCH", "Users/1", CreateUpdate, 20*time.Millisecond) })
		all.Go(func() { run(t, l, 40, "GET", "Users", ReconcileRead, 2*time.Second) })
		all.Wait()
		if u := l.Usage(); u.Window != 32 {
			t.Errorf("the window is %d", u.Window)
		}
	})
}

func TestLimitsWith(t *testing.T) {
	t.Parallel()
	template := Limits{Concurrency: 16, Adaptive: true, Buckets: []Bucket{{Name: "a", PerMinute: 60, Burst: 5}, {Name: "b", PerMinute: 30, Burst: 2}}}
	for name, c := range map[string]struct {
		o    provision.Limits
		want Limits
	}{
		"nothing":           {provision.Limits{}, template},
		"a rate":            {provision.Limits{RequestsPerSecond: 5, Burst: 3}, Limits{Concurrency: 16, Adaptive: true, Buckets: []Bucket{{Name: "connection", PerMinute: 300, Burst: 3}}}},
		"a burst":           {provision.Limits{Burst: 9}, Limits{Concurrency: 16, Adaptive: true, Buckets: []Bucket{{Name: "a", PerMinute: 60, Burst: 9}, {Name: "b", PerMinute: 30, Burst: 9}}}},
		"concurrency":       {provision.Limits{Concurrency: 4}, Limits{Concurrency: 4, Adaptive: true, Buckets: template.Buckets}},
		"off":               {provision.Limits{Off: true}, Limits{Concurrency: 16}},
		"an emulator's":     {provision.Limits{TimeScale: 60}, Limits{Concurrency: 16, Adaptive: true, Buckets: template.Buckets, TimeScale: 60}},
		"off, but not wild": {provision.Limits{Off: true, Concurrency: 2}, Limits{Concurrency: 2}},
	} {
		if diff := cmp.Diff(c.want, template.With(c.o)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if template.Buckets[0].Burst != 5 {
		t.Error("With changed the template")
	}
}

func BenchmarkAcquire(b *testing.B) {
	l := NewLimiter(Limits{Concurrency: 64, Buckets: []Bucket{{Name: "all", PerMinute: 1e9, Burst: 1e9}, {Name: "w", Methods: []string{"POST"}, Path: "Users", PerMinute: 1e9, Burst: 1e9}}})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p, err := l.Acquire(b.Context(), "POST", "Users", CreateUpdate, 0)
			if err != nil {
				b.Error(err)
				return
			}
			p.Done(false, false)
		}
	})
}
