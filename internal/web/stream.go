package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
)

const (
	// heartbeat is the pause between signs of life on a stream: proxies end what is silent for a minute.
	heartbeat = 15 * time.Second
	// writeTime is how long a reader may take for one event.
	writeTime = 30 * time.Second
	// progressPause is the least time between two tellings of progress.
	progressPause = 100 * time.Millisecond
)

// stream sends server-sent events. It is safe for concurrent use.
type stream struct {
	mu   sync.Mutex
	w    http.ResponseWriter
	c    *http.ResponseController
	done chan struct{}
	err  error
}

// newStream begins a stream of events; end ends it.
func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy is to pass events on as they come
	w.WriteHeader(http.StatusOK)
	s := &stream{w: w, c: http.NewResponseController(w), done: make(chan struct{})}
	s.write(":\n\n")
	go s.beat()
	return s
}

func (s *stream) end() { close(s.done) }

func (s *stream) beat() {
	t := time.NewTicker(heartbeat)
	defer t.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-t.C:
			s.write(":\n\n")
		}
	}
}

// send sends an event; id, which may be empty, is where a reader takes up again.
func (s *stream) send(event, id string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return s.write(id + "event: " + event + "\ndata: " + string(b) + "\n\n") // JSON has no line breaks
}

func (s *stream) write(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
		return s.err
	default:
	}
	if s.err == nil {
		_ = s.c.SetWriteDeadline(time.Now().Add(writeTime)) // where it cannot be set the server's own holds
		if _, s.err = s.w.Write([]byte(text)); s.err == nil {
			s.err = s.c.Flush()
		}
	}
	return s.err
}

// streamed is the output of routes that write their answer themselves.
type streamed struct {
	Body func(huma.Context)
}

// wantsEvents reports whether whoever asks wants to be told as it goes.
func wantsEvents(ctx context.Context) bool { return noteOf(ctx).events }

// work registers a route whose request is a piece of work. Whoever accepts text/event-stream is told of
// the progress; the last event is the result or an error. Others wait for the result alone. The work
// ends when whoever asked is gone.
func work[I, T any](s *Server, op huma.Operation, do func(ctx context.Context, d *admin.Desk, in *I, progress func(any)) (T, error), options ...option) {
	schema := huma.SchemaFromType(s.api.OpenAPI().Components.Schemas, typeOf[T]())
	op.Responses = map[string]*huma.Response{"200": {Description: "The result; as text/event-stream events named progress, and at last result or error.", Content: map[string]*huma.MediaType{
		"application/json":  {Schema: schema},
		"text/event-stream": {Schema: &huma.Schema{Type: "string"}},
	}}}
	route(s, op, func(ctx context.Context, d *admin.Desk, in *I) (*streamed, error) {
		if !wantsEvents(ctx) {
			result, err := do(ctx, d, in, func(any) {})
			return &streamed{func(out huma.Context) { s.writeJSON(out, result) }}, err
		}
		return &streamed{func(out huma.Context) {
			_, w := humago.Unwrap(out)
			events := newStream(w)
			defer events.end()
			result, err := do(ctx, d, in, paced(events))
			if err != nil {
				_ = events.send(api.ErrorEvent, "", s.told(ctx, err)) // whoever asked may be gone
				return
			}
			_ = events.send(api.ResultEvent, "", result)
		}}, nil
	}, append(options, long)...)
}

// paced tells progress, not more often than anybody can see.
func paced(events *stream) func(any) {
	var mu sync.Mutex
	var last time.Time
	return func(v any) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(last) >= progressPause {
			last = now
			_ = events.send(api.ProgressEvent, "", v) // the work's own context tells that nobody reads
		}
	}
}

func (s *Server) writeJSON(out huma.Context, v any) {
	out.SetHeader("Content-Type", "application/json")
	if err := s.api.Marshal(out.BodyWriter(), "application/json", v); err != nil {
		s.log.ErrorContext(out.Context(), "an answer was not written", "error", err)
	}
}

// acceptsEvents reports whether a request asks for events.
func acceptsEvents(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}
