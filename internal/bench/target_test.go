package bench

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
)

// paced is what a target turns away: more than so many requests a second, and so many at once.
type paced struct{ perSecond, burst float64 }

// bucket refuses what goes beyond.
type bucket struct {
	paced
	mu     sync.Mutex
	tokens float64
	last   time.Time
}

func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens, b.last = min(b.burst, b.tokens+b.perSecond*now.Sub(b.last).Seconds()), now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// counts is what a target has seen since it was emptied.
type counts struct {
	mu      sync.Mutex
	seen    sync.Cond
	all     int
	reads   int
	refused int
	wrote   time.Time // when the last request came that changes something
}

func (c *counts) count(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all++
	if r.Method == http.MethodGet {
		c.reads++
		return
	}
	c.wrote = time.Now()
	c.seen.Broadcast()
}

// serveTarget is an obedient SCIM target. POST /reset empties it, /counts tells what it has seen, and
// /wrote?after=T when a request that changes something came after T, and waits for one.
func serveTarget(latency string) {
	wait, err := time.ParseDuration(latency)
	if err != nil {
		panic(err)
	}
	var limit *bucket
	if text := os.Getenv("MUSTER_BENCH_LIMIT"); text != "" {
		limit = &bucket{}
		if _, err := fmt.Sscan(text, &limit.perSecond, &limit.burst); err != nil {
			panic(err)
		}
	}
	var target atomic.Pointer[connectortest.Target]
	c := &counts{}
	c.seen.L = &c.mu
	reset := func() {
		target.Store(connectortest.NewTarget(connectortest.Token, connectortest.Behaviour{}))
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all, c.reads, c.refused = 0, 0, 0
		if limit != nil {
			limit.tokens, limit.last = limit.burst, time.Now()
		}
	}
	reset()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/reset":
			reset()
			return
		case "/counts":
			c.mu.Lock()
			defer c.mu.Unlock()
			fmt.Fprint(w, c.all, c.reads, c.refused)
			return
		case "/wrote":
			after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
			c.mu.Lock()
			defer c.mu.Unlock()
			for c.wrote.UnixNano() <= after {
				c.seen.Wait()
			}
			fmt.Fprint(w, c.wrote.UnixNano())
			return
		}
		c.count(r)
		if limit != nil && !limit.take() {
			c.mu.Lock()
			c.refused++
			c.mu.Unlock()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if wait > 0 {
			time.Sleep(wait) // the latency of a network, not a wait for anything
		}
		target.Load().ServeHTTP(w, r)
	}))
	fmt.Println(server.URL)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark ends
}

type target struct{ url string }

// startTarget starts a target that goes with the benchmark.
func startTarget(b *testing.B, latency time.Duration, limit ...paced) target {
	b.Helper()
	t, stop, err := spawnTarget(latency, limit...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	return t
}

func spawnTarget(latency time.Duration, limit ...paced) (t target, stop func(), err error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MUSTER_BENCH_TARGET="+latency.String())
	for _, l := range limit {
		cmd.Env = append(cmd.Env, fmt.Sprintf("MUSTER_BENCH_LIMIT=%g %g", l.perSecond, l.burst))
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return t, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return t, nil, err
	}
	if err := cmd.Start(); err != nil {
		return t, nil, err
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	return target{strings.TrimSpace(url)}, func() { in.Close(); _ = cmd.Wait() }, err
}

func (t target) reset(b *testing.B) { t.get(b, "/reset") }

// counts returns how many requests came, how many of them to read, and how many were turned away.
func (t target) counts(b *testing.B) (all, reads, refused int) {
	b.Helper()
	if _, err := fmt.Sscan(t.get(b, "/counts"), &all, &reads, &refused); err != nil {
		b.Fatal(err)
	}
	return all, reads, refused
}

// wrote waits for a request that changes something, and returns when it came.
func (t target) wrote(b *testing.B, after time.Time) time.Time {
	b.Helper()
	ns, err := strconv.ParseInt(t.get(b, "/wrote?after="+strconv.FormatInt(after.UnixNano(), 10)), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Unix(0, ns)
}

func (t target) get(b *testing.B, path string) string {
	b.Helper()
	resp, err := http.Get(t.url + path)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return string(body)
}
