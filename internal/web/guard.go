package web

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/muster-id/muster/internal/admin"
)

// note is what is remembered of a request while it is answered.
type note struct {
	id        string
	principal string // id, "" for nobody
	events    bool   // whoever asks wants server-sent events
	resume    string // where their stream broke off
}

type noteKey struct{}

func noteOf(ctx context.Context) *note {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		return n
	}
	return &note{}
}

// requestID is what a proxy in front may have named a request.
var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// guarded puts around all routes what each needs: a name for the request, a line in the log, headers
// that keep browsers from doing harm, and a refusal of requests that other sites make them send.
func (s *Server) guarded(inner http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, &admin.Problem{Exit: admin.ExitTarget, Code: "forbidden", Message: "another site made the browser send this", Next: "open Muster itself"})
	}))
	inner = crossOrigin.Handler(inner)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := &note{id: r.Header.Get("X-Request-Id"), events: acceptsEvents(r), resume: r.Header.Get("Last-Event-ID")}
		if !requestID.MatchString(n.id) {
			n.id = uuid.NewString()
		}
		h := w.Header()
		h.Set("X-Request-Id", n.id)
		for name, value := range headers {
			h.Set(name, value)
		}
		ctx, span := s.traced(r, n)
		r = r.WithContext(context.WithValue(ctx, noteKey{}, n))
		if r.ContentLength != 0 { // without a body a deadline would end the request itself
			r.Body = hurried(w, r.Body, s.requestTime)
		}
		seen := &watched{ResponseWriter: w}
		begun := time.Now()
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					panic(v)
				}
				s.log.Error("a request broke off", "request", n.id, "route", r.Pattern, "panic", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
				if seen.status == 0 {
					fail(seen, &admin.Problem{Exit: admin.ExitInternal, Code: "internal", Message: "this is a fault of Muster", Next: "the server's log has request " + n.id})
				}
			}
			s.logged(r, seen, n, begun)
			endTrace(span, r, seen)
		}()
		inner.ServeHTTP(seen, r)
	})
}

// hurried lets a body come within a time, so that nobody holds a connection by sending a byte now and then. Routes that
// take much set a later deadline.
func hurried(w http.ResponseWriter, body io.ReadCloser, within time.Duration) io.ReadCloser {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(within)) // where it cannot be set the server's own holds
	return &hurriedBody{body, c}
}

type hurriedBody struct {
	io.ReadCloser
	c *http.ResponseController
}

// Read lifts the deadline when the body has come: what is done with it may take longer.
func (b *hurriedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.c.SetReadDeadline(time.Time{})
	}
	return n, err
}

// headers are those of every answer. Pages put a policy of their own in place of the strictest one.
var headers = map[string]string{
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
	"Cache-Control":                "no-store",
}

// logged writes the line of a request. The route stands for the path, which names people, and the
// query is left out.
func (s *Server) logged(r *http.Request, w *watched, n *note, begun time.Time) {
	level := slog.LevelInfo
	if w.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	line := []any{
		"request", n.id, "method", r.Method, "route", r.Pattern, "status", w.status,
		"bytes", w.bytes, "ms", time.Since(begun).Milliseconds(), "principal", n.principal,
	}
	if id := traceOf(r.Context()); id != "" {
		line = append(line, "trace", id)
	}
	s.log.Log(r.Context(), level, "request", line...)
}

// watched notes what was answered.
type watched struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets [http.ResponseController] reach what is beneath.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
