package connector

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// pipes is a network without a network: connections are pairs of ends in memory, so that tests with
// them can let the time of synctest pass.
type pipes struct {
	handle func(n int, req *http.Request, c net.Conn) // answers the n-th request of all
	ends   sync.WaitGroup
	dials  atomic.Int64
	served atomic.Int64
}

// client makes a client whose every connection is one of the pipes.
func (p *pipes) client(t *testing.T, limiter *Limiter) *Client {
	t.Helper()
	c, err := NewClient(Options{Connection: provision.Connection{Endpoint: "http://127.0.0.1:1/scim/v2"}, Token: "secret-token", Limiter: limiter, Version: "1.2"})
	if err != nil {
		t.Fatal(err)
	}
	c.wire.DialContext = func(context.Context, string, string) (net.Conn, error) {
		p.dials.Add(1)
		near, far := net.Pipe()
		p.ends.Go(func() { p.serve(far) })
		return near, nil
	}
	t.Cleanup(func() {
		c.Close()
		p.ends.Wait()
	})
	return c
}

func (p *pipes) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		n := p.served.Add(1)
		if p.handle != nil {
			p.handle(int(n), req, c)
		}
	}
}

// answer writes one HTTP answer by hand.
func answer(c net.Conn, status string, header string, body string) {
	_, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\n"+header+"Content-Length: "+itoa(len(body))+"\r\n\r\n"+body)
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// asError returns what Do failed with.
func asError(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := err.(*Error)
	if !ok {
		t.Fatalf("got %#v, want an *Error", err)
	}
	return e
}

func TestSilentTargetTimesOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		after  time.Duration
		sent   int
	}{
		{"POST", headerTimeout, 1},
		{"GET", 4 * headerTimeout, 4},
	} {
		t.Run(c.method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pipes{}
				client := p.client(t, nil)
				start := time.Now()
				ans, err := client.Do(t.Context(), Request{Method: c.method, Path: "Users"})
				e := asError(t, err)
				if e.Kind != Unavailable || e.Code != CodeTimeout || e.Unknown != (c.method == "POST") {
					t.Errorf("got %+v", e)
				}
				if took := time.Since(start); took < c.after || took > c.after+10*time.Second {
					t.Errorf("it took %s, want about %s", took, c.after)
				}
				if ans.Requests != c.sent || int(p.served.Load()) != c.sent {
					t.Errorf("%d requests counted, %d served, want %d", ans.Requests, p.served.Load(), c.sent)
				}
			})
		})
	}
}

// TestDrippingAnswerTimesOut checks that an answer that comes byte by byte ends as well.
func TestDrippingAnswerTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{handle: func(_ int, _ *http.Request, c net.Conn) {
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{"); err != nil {
				return
			}
			for {
				time.Sleep(time.Second) // of the bubble: it takes no time
				if _, err := io.WriteString(c, " "); err != nil {
					return
				}
			}
		}}
		client := p.client(t, nil)
		start := time.Now()
		_, err := client.Do(t.Context(), Request{Method: "PATCH", Path: "Users/1", Body: []byte("{}")})
		if e := asError(t, err); e.Code != CodeTimeout || !e.Unknown {
			t.Errorf("got %+v", e)
		}
		if took := time.Since(start); took != wholeTimeout {
			t.Errorf("it took %s", took)
		}
	})
}

// TestRetryAfter checks that a pause is waited out by everybody, within bounds.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status   string
		header   func(now time.Time) string
		method   string
		throttle int // answers before the good one, negative for always
		took     time.Duration
		sent     int
		code     string // of the error, "" for success
	}{
		"seconds":             {header: seconds("7"), throttle: 1, took: 7 * time.Second, sent: 2},
		"twice":               {header: seconds("7"), throttle: 2, took: 14 * time.Second, sent: 3},
		"a fraction":          {header: seconds("2.5"), throttle: 1, took: 2500 * time.Millisecond, sent: 2},
		"a date":              {header: func(now time.Time) string { return now.Add(9 * time.Second).UTC().Format(http.TimeFormat) }, throttle: 1, took: 9 * time.Second, sent: 2},
		"a date in the past":  {header: func(now time.Time) string { return now.Add(-time.Hour).UTC().Format(http.TimeFormat) }, throttle: 1, took: time.Second, sent: 2},
		"nothing":             {header: seconds(""), throttle: 1, took: time.Second, sent: 2},
		"nonsense":            {header: seconds("soon"), throttle: 1, took: time.Second, sent: 2},
		"negative":            {header: seconds("-5"), throttle: 1, took: time.Second, sent: 2},
		"not a number":        {header: seconds("NaN"), throttle: 1, took: time.Second, sent: 2},
		"beyond all patience": {header: seconds("99999999999"), throttle: -1, took: 0, sent: 1, code: CodeThrottled},
		"without end":         {header: seconds("60"), throttle: -1, took: maxPatience, sent: 6, code: CodeThrottled},
		"503 on a read":       {status: "503 Service Unavailable", method: "GET", header: seconds("7"), throttle: 1, took: 7 * time.Second, sent: 2},
		"503 on a write":      {status: "503 Service Unavailable", header: seconds("7"), throttle: 1, took: 0, sent: 1, code: CodeMaintenance},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, method := "429 Too Many Requests", "POST"
				if c.status != "" {
					status = c.status
				}
				if c.method != "" {
					method = c.method
				}
				p := &pipes{handle: func(n int, _ *http.Request, conn net.Conn) {
					if c.throttle < 0 || n <= c.throttle {
						answer(conn, status, "Retry-After: "+c.header(time.Now())+"\r\n", "")
						return
					}
					answer(conn, "200 OK", "", `{"id":"1"}`)
				}}
				limiter := NewLimiter(Limits{})
				client := p.client(t, limiter)
				start := time.Now()
				ans, err := client.Do(t.Context(), Request{Method: method, Path: "Users"})
				if c.code == "" && err != nil {
					t.Fatal(err)
				}
				if c.code != "" {
					if e := asError(t, err); e.Kind != Unavailable || e.Code != c.code || e.RetryAfter <= 0 {
						t.Errorf("got %+v", e)
					}
				}
				if took := time.Since(start); took < c.took/2 || took > c.took+time.Second {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				if ans.Requests != c.sent {
					t.Errorf("%d requests, want %d", ans.Requests, c.sent)
				}
			})
		})
	}
}

func seconds(s string) func(time.Time) string { return func(time.Time) string { return s } }

// TestPauseHoldsEverybody checks that one request's 429 holds the others back.
func TestPauseHoldsEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{handle: func(n int, _ *http.Request, c net.Conn) {
			if n == 1 {
				answer(c, "429 Too Many Requests", "Retry-After: 30\r\n", "")
				return
			}
			answer(c, "200 OK", "", "{}")
		}}
		client := p.client(t, nil)
		start := time.Now()
		done := make(chan time.Duration, 2)
		send := func() {
			if _, err := client.Do(t.Context(), Request{Method: "GET", Path: "Users/1"}); err != nil {
				t.Error(err)
			}
			done <- time.Since(start)
		}
		go send()
		synctest.Wait()
		if until := client.Limiter().PausedUntil(); !until.Equal(start.Add(30 * time.Second)) {
			t.Errorf("paused until %s", until.Sub(start))
		}
		go send()
		for range 2 {
			if after := <-done; after != 30*time.Second {
				t.Errorf("a request ended after %s", after)
			}
		}
		if !client.Limiter().PausedUntil().IsZero() {
			t.Error("still paused")
		}
	})
}

// TestOnceWaitsForNothing checks that a test of the connection answers at once during a pause.
func TestOnceWaitsForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{}
		client := p.client(t, nil)
		client.Limiter().Pause(time.Now().Add(time.Minute))
		start := time.Now()
		_, err := client.Do(t.Context(), Request{Method: "GET", Path: "Users", Once: true})
		if e := asError(t, err); e.Code != CodeThrottled || e.RetryAfter != time.Minute || time.Since(start) != 0 || p.served.Load() != 0 {
			t.Errorf("got %+v after %s", e, time.Since(start))
		}
	})
}

// TestHeaders checks what every request carries.
func TestHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got http.Header
		p := &pipes{handle: func(_ int, req *http.Request, c net.Conn) {
			got = req.Header
			answer(c, "200 OK", "", "{}")
		}}
		if _, err := p.client(t, nil).Do(t.Context(), Request{Method: "POST", Path: "Users", Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"Authorization": "Bearer secret-token", "User-Agent": "Muster/1.2", "Accept": "application/scim+json, application/json",
			"Content-Type": "application/scim+json", "Accept-Encoding": "",
		} {
			if got.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, got.Get(name), want)
			}
		}
	})
}

// TestConnectionIsKept checks that answers are read to their end, so that one connection serves many.
func TestConnectionIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{handle: func(n int, _ *http.Request, c net.Conn) {
			switch n % 3 {
			case 0:
				answer(c, "400 Bad Request", "", strings.Repeat("x", 1000))
			case 1:
				answer(c, "200 OK", "", "<html>")
			default:
				answer(c, "204 No Content", "", "")
			}
		}}
		client := p.client(t, nil)
		for range 30 {
			_, _ = client.Do(t.Context(), Request{Method: "POST", Path: "Users"})
		}
		if p.dials.Load() != 1 {
			t.Errorf("%d connections for 30 requests", p.dials.Load())
		}
	})
}

// TestRefusedConnection checks that a write is repeated when it provably never left.
func TestRefusedConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{handle: func(_ int, _ *http.Request, c net.Conn) { answer(c, "201 Created", "", `{"id":"1"}`) }}
		client := p.client(t, nil)
		transport := client.wire
		dial, fails := transport.DialContext, 2
		transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if fails--; fails >= 0 {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
			}
			return dial(ctx, network, addr)
		}
		if ans, err := client.Do(t.Context(), Request{Method: "POST", Path: "Users"}); err != nil || ans.Requests != 3 || p.served.Load() != 1 {
			t.Errorf("%d requests, %d served, %v", ans.Requests, p.served.Load(), err)
		}
		fails = 1000
		transport.CloseIdleConnections()
		_, err := client.Do(t.Context(), Request{Method: "POST", Path: "Users"})
		if e := asError(t, err); e.Unknown || e.Kind != Unavailable || e.Code != CodeUnreachable {
			t.Errorf("got %+v", e)
		}
	})
}
