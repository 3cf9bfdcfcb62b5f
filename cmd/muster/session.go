package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"os/user"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/term"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/client"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/tracing/otlp"
)

// session is what a verb runs in: the streams, how to print, and the way to the desk.
type session struct {
	context.Context
	streams
	paint
	cli     *commands
	json    bool
	width   int
	verb    string       // without arguments, which may be private
	traces  *otlp.Traces // nil before anything is traced
	printed bool         // something of the answer is on stdout
	broken  error        // stdout does not take what is written
}

func newSession(ctx context.Context, cli *commands, std streams) *session {
	s := &session{Context: ctx, cli: cli, json: cli.Output == "json", width: screen(std.out), paint: paintFor(std.out)}
	s.streams = std
	s.out = &watched{to: std.out, s: s}
	return s
}

// watched notes whether anything was written, and the first failure.
type watched struct {
	to io.Writer
	s  *session
}

func (w *watched) Write(b []byte) (int, error) {
	w.s.printed = true
	n, err := w.to.Write(b)
	if err != nil && w.s.broken == nil {
		w.s.broken = fmt.Errorf("writing the output: %w", err)
	}
	return n, err
}

// desk opens the state for reading, which works beside whoever writes, or the way to the server.
func (s *session) desk() (desk, func(), error) { return s.reach(true) }

// writingDesk opens the state for changes, one process at a time on the embedded default, or the way
// to the server.
func (s *session) writingDesk() (desk, func(), error) { return s.reach(false) }

func (s *session) reach(readOnly bool) (desk, func(), error) {
	if s.cli.Server != "" {
		c, err := client.New(client.Options{Server: s.cli.Server, Token: s.cli.Token, AllowHTTP: s.cli.PlainHTTP, Version: versionOf().Version})
		if err != nil {
			return nil, nil, err
		}
		return c, c.Close, nil
	}
	d, _, end, err := s.open(readOnly)
	return d, end, err
}

func (s *session) open(readOnly bool) (*admin.Desk, *store.Store, func(), error) {
	c, err := s.config(readOnly)
	if err != nil {
		return nil, nil, nil, err
	}
	st, err := store.Open(s, c)
	if err != nil {
		return nil, nil, nil, err
	}
	o := admin.Options{By: s.actor(), Protocols: protocols, Version: versionOf().Version, Log: s.log()}
	if !readOnly {
		o.Tracer = s.trace()
	}
	return admin.New(st, o), st, func() {
		s.flush(flushTime)
		if err := st.Close(); err != nil {
			s.log().Warn("closing the database", "error", err)
		}
	}, nil
}

// config says where the state is.
func (s *session) config(readOnly bool) (store.Config, error) {
	c := store.Config{Data: s.cli.Data, Database: s.cli.Database, ReadOnly: readOnly, Command: "muster " + s.verb, Log: s.log()}
	if s.cli.Server != "" {
		return c, &admin.Problem{
			Exit: admin.ExitUsage, Code: "no_server", Message: "`muster " + s.verb + "` works on --data or --database alone, and not over --server",
			Next: "run it where the state is, without --server and MUSTER_SERVER",
		}
	}
	var err error
	c.Key, err = givenKey()
	return c, err
}

// givenKey is the key that the environment gives, itself or by the name of a file; nil when it does not.
func givenKey() ([]byte, error) {
	text, _ := environment("MUSTER_KEY")
	from := "MUSTER_KEY"
	if file, _ := environment("MUSTER_KEY_FILE"); text == "" && file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, unreadable(file, err)
		}
		text, from = string(b), "MUSTER_KEY_FILE"
	}
	if text == "" {
		return nil, nil
	}
	key, err := store.ParseKey(text)
	if err != nil {
		p := admin.Explain(err)
		return nil, &admin.Problem{Exit: p.Exit, Code: p.Code, Message: from + ": " + p.Message, Next: p.Next, Err: err}
	}
	return key, nil
}

// actor is who the audit log says did it: the user of the operating system.
func (s *session) actor() store.Actor {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return store.Actor{Name: name, Via: "cli"}
}

// flushTime is how long a command and a server that ends wait for their last spans to be taken.
const flushTime = 3 * time.Second

// trace makes the spans of what is done here, where the environment says that somebody collects them.
func (s *session) trace() trace.Tracer {
	if s.traces == nil {
		var err error
		s.traces, err = otlp.Open(s, otlp.Options{Env: func(name string) string { v, _ := environment(name); return v }, Version: versionOf().Version, Log: s.log()})
		if err != nil {
			s.log().Warn("no traces are sent", "error", err)
		}
	}
	return s.traces.Tracer()
}

// flush sends the last spans, also when the session has ended.
func (s *session) flush(within time.Duration) {
	if s.traces == nil {
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(s), within)
	defer done()
	if err := s.traces.Close(ctx); err != nil {
		s.log().Warn("the last traces were not sent", "error", err)
	}
	s.traces = nil
}

// log is what happens inside, on stderr, when somebody asks for it.
func (s *session) log() *slog.Logger {
	var level slog.Level
	asked := s.cli.LogLevel
	if asked == "" && s.verb == "serve" {
		asked = "info"
	}
	if asked == "off" || level.UnmarshalText([]byte(asked)) != nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
}

// show prints an answer: a script gets it as JSON, a person what text prints.
func (s *session) show(answer any, text func()) {
	if s.json {
		printJSON(s.out, answer)
		return
	}
	text()
}

// note says something beside the answer, on stderr.
func (s *session) note(format string, args ...any) {
	fmt.Fprintln(s.err, tame(fmt.Sprintf(format, args...)))
}

// say prints a line of the answer.
func (s *session) say(format string, args ...any) {
	fmt.Fprintln(s.out, tame(fmt.Sprintf(format, args...)))
}

// interactive reports whether somebody watches stderr, where progress goes.
func (s *session) interactive() bool {
	f, ok := s.err.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printJSON writes one document. What the answers are made of always marshals.
func printJSON(w io.Writer, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("muster: %T does not marshal: %v", v, err))
	}
	_, _ = w.Write(b.Bytes()) // watched notes a failure
}

// streamJSON writes one document whose last key is a list that is too long for memory. An error in
// the list ends it: a document that breaks off is no JSON, so nobody takes it for the whole.
func streamJSON[T any](w io.Writer, head any, key string, list iter.Seq2[T, error]) error {
	out := bufio.NewWriterSize(w, 1<<16)
	opening := "{"
	if head != nil {
		b, err := json.Marshal(head)
		if err != nil {
			return err
		}
		opening = string(bytes.TrimSuffix(b, []byte("}")))
		if opening != "{" {
			opening += ","
		}
	}
	if key != "" {
		opening += fmt.Sprintf("%q:[", key)
	} else {
		opening = "["
	}
	first := true
	begin := func() { _, _ = out.WriteString(opening) }
	for v, err := range list {
		if err != nil {
			if !first {
				_ = out.Flush()
			}
			return err
		}
		if first {
			begin()
		} else {
			_ = out.WriteByte(',')
		}
		first = false
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return err
		}
		_ = out.WriteByte('\n')
		_, _ = out.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	}
	if first {
		begin()
	}
	end := "]}\n"
	if key == "" {
		end = "]\n"
	}
	_, _ = out.WriteString(end)
	return out.Flush()
}
