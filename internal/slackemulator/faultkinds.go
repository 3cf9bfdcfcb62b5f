package slackemulator

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// faultKind is one row of the table of faults: what it is for, what its argument may be, and what
// it does to a request's effects.
type faultKind struct {
	FaultName
	check func(arg string) error
	apply func(*effects, string)
}

// faultKinds is in three parts: answers given instead of doing the work, work done and the answer
// spoiled, and work done wrongly.
var faultKinds = []faultKind{
	// Nothing happens in the workspace.
	{
		named("latency", "every request takes this long (real time)", "100ms", "", "/", -1), isDuration,
		func(f *effects, arg string) { d, _ := time.ParseDuration(arg); f.latency += d },
	},
	{
		named("hang", "no answer until the client gives up; nothing is done", "", "", "/scim/", 1), noArg,
		instead(func(_ *Emulator, c *call, _ http.ResponseWriter) { <-c.request.Context().Done() }),
	},
	{
		named("drop-before-commit", "the connection closes without an answer; nothing is done", "", "", "/scim/", 1), noArg,
		instead(func(*Emulator, *call, http.ResponseWriter) { panic(http.ErrAbortHandler) }),
	},
	{
		named("server-error", "this status in Slack's error shape; nothing is done", "500", "", "/scim/", 1), isStatus,
		func(f *effects, arg string) {
			status, _ := strconv.Atoi(arg)
			errorInstead(f, "internal_error", status)
		},
	},
	{
		named("group-patch-500", "500 on a group's PATCH, as v1 was seen to do", "", http.MethodPatch, "/Groups/", -1), noArg,
		func(f *effects, _ string) { errorInstead(f, "internal_error", http.StatusInternalServerError) },
	},
	{
		named("invited-user-not-created", "creating a person fails; the next try works", "", http.MethodPost, "/Users$", 1), noArg,
		func(f *effects, _ string) { errorInstead(f, "invited_user_not_created", http.StatusBadRequest) },
	},
	{
		named("html-502", "a proxy's HTML page with status 502", "", "", "/scim/", 1), noArg,
		instead(func(_ *Emulator, c *call, w http.ResponseWriter) {
			sendRaw(w, http.StatusBadGateway, "text/html", "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>\n")
		}),
	},
	{
		named("html-200", "a login page with status 200", "", "", "/scim/", 1), noArg,
		instead(func(_ *Emulator, c *call, w http.ResponseWriter) {
			sendRaw(w, http.StatusOK, "text/html; charset=utf-8", "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form><input name=\"email\"></form></body></html>\n")
		}),
	},
	{named("rate-limited", "429; the argument is Retry-After: seconds, date:SECONDS for an HTTP date, or none", "1", "", "/scim/", 1), isRetryAfter, rateLimited},
	{
		named("unauthorized", "the token is refused from now on, by auth.test too", "", "", "/", -1), noArg,
		instead(func(e *Emulator, c *call, w http.ResponseWriter) {
			out := &reply{status: http.StatusOK, value: webError{Error: "invalid_auth"}, code: "invalid_auth"}
			if strings.HasPrefix(c.request.URL.Path, "/scim/") {
				out = (&scimError{code: "invalid_authentication", v1Shape: true}).reply(c.version, c.policies, e.clock)
			}
			c.code = out.code
			writeReply(w, out, out.encode(false))
		}),
	},
	{
		named("unsupported-version", "v2 as it was in 2023: 400 unsupported_version in v1's shape", "", "", "/scim/v2/", -1), noArg,
		instead(func(e *Emulator, c *call, w http.ResponseWriter) {
			out := (&scimError{code: "unsupported_version", v1Shape: true}).reply(c.version, c.policies, e.clock)
			c.code = out.code
			writeReply(w, out, out.encode(false))
		}),
	},
	{
		named("redirect", "307 to another host; the argument is where to", "https://elsewhere.example/", "", "/scim/", 1), isURL,
		func(f *effects, arg string) {
			instead(func(_ *Emulator, c *call, w http.ResponseWriter) {
				w.Header().Set("Location", strings.TrimSuffix(arg, "/")+c.request.URL.RequestURI())
				w.WriteHeader(http.StatusTemporaryRedirect)
			})(f, arg)
		},
	},

	// The work is done and the answer spoiled.
	{
		named("drop-after-commit", "the work is done, then the connection closes without an answer", "", "", "/scim/", 1), noArg,
		onAnswer(func(*call, http.ResponseWriter, *reply, []byte, string) { panic(http.ErrAbortHandler) }),
	},
	{
		named("hang-after-commit", "the work is done, then no answer until the client gives up", "", "", "/scim/", 1), noArg,
		onAnswer(func(c *call, _ http.ResponseWriter, _ *reply, _ []byte, _ string) { <-c.request.Context().Done() }),
	},
	{
		named("error-after-commit", "the work is done, the answer is this status", "500", "", "/scim/", 1), isStatus,
		onAnswer(func(c *call, w http.ResponseWriter, _ *reply, _ []byte, arg string) {
			status, _ := strconv.Atoi(arg)
			sendRaw(w, status, "text/plain", http.StatusText(status)+"\n")
		}),
	},
	{
		named("empty-body", "the work is done, the status is right, the body is empty", "", "", "/scim/", 1), noArg,
		onAnswer(func(_ *call, w http.ResponseWriter, out *reply, _ []byte, _ string) { writeReply(w, out, []byte{}) }),
	},
	{
		named("empty-object", "the work is done, the status is right, the body is {}", "", "", "/scim/", 1), noArg,
		onAnswer(func(_ *call, w http.ResponseWriter, out *reply, _ []byte, _ string) { writeReply(w, out, []byte("{}")) }),
	},
	{
		named("truncated-json", "the work is done, the body ends half-way", "", "", "/scim/", 1), noArg,
		onAnswer(func(_ *call, w http.ResponseWriter, out *reply, body []byte, _ string) {
			writeReply(w, out, body[:len(body)/2])
		}),
	},
	{
		named("cut-body", "the work is done, the connection closes half-way through the body", "", "", "/scim/", 1), noArg,
		onAnswer(func(_ *call, w http.ResponseWriter, out *reply, body []byte, _ string) {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
			writeReply(w, out, body[:len(body)/2])
			_ = http.NewResponseController(w).Flush() // a recorder cannot flush; the panic below ends both
			panic(http.ErrAbortHandler)
		}),
	},
	{
		named("deep-json", "the work is done, the body is JSON nested this deep", "10000", "", "/scim/", 1), isCount,
		onAnswer(func(_ *call, w http.ResponseWriter, out *reply, _ []byte, arg string) {
			n, _ := strconv.Atoi(arg)
			writeReply(w, out, []byte(strings.Repeat(`{"a":`, n)+"1"+strings.Repeat("}", n)))
		}),
	},
	{named("huge-body", "the work is done, the body is valid JSON of this many megabytes", "64", "", "/scim/", 1), isCount, onAnswer(hugeBody)},
	{named("endless-body", "the work is done, the body never ends", "", "", "/scim/", 1), noArg, onAnswer(endlessBody)},
	{
		named("v1-error", "errors of v2 come in v1's shape", "", "", "/scim/v2/", -1), noArg,
		func(f *effects, _ string) { f.v1Errors = true },
	},

	// The work is done wrongly.
	{
		named("stale-read", "reads show objects as they were before their last change", "", http.MethodGet, "/scim/", -1), noArg,
		func(f *effects, _ string) { f.staleRead = true },
	},
	{
		named("discard-write", "writes answer as if they had been kept, and are not", "", "", "/scim/", 1), noArg,
		func(f *effects, _ string) { f.discard = true },
	},
	{
		named("ignore-attribute", "this attribute is not kept; the answer shows the old value", "title", "", "/scim/", -1), someArg,
		func(f *effects, arg string) { f.ignore = strings.ToLower(arg) },
	},
	{
		named("pretend-attribute", "this attribute is not kept; the answer claims it is", "title", "", "/scim/", -1), someArg,
		func(f *effects, arg string) { f.ignore, f.pretend = strings.ToLower(arg), true },
	},
	{
		named("ignore-filter", "lists ignore the filter and show everybody", "", http.MethodGet, "/scim/", -1), noArg,
		func(f *effects, _ string) { f.ignoreFilter = true },
	},
	{
		named("total-too-big", "lists claim this many more results than there are", "1000", http.MethodGet, "/scim/", -1), isCount,
		func(f *effects, arg string) { f.paging.more, _ = strconv.Atoi(arg) },
	},
	{
		named("repeated-page", "every page of a list is the first one", "", http.MethodGet, "/scim/", -1), noArg,
		func(f *effects, _ string) { f.paging.repeat = true },
	},
	{
		named("empty-page", "the next page of a list that is not its first is empty", "", http.MethodGet, "/scim/", 1), noArg,
		func(f *effects, _ string) { f.paging.empty = true },
	},
	{
		named("short-page", "lists give at most this many a page, whatever count says", "1", http.MethodGet, "/scim/", -1), isCount,
		func(f *effects, arg string) { f.paging.atMost, _ = strconv.Atoi(arg) },
	},
}

func named(name, help, arg, method, path string, count int) FaultName {
	return FaultName{name, help, arg, method, path, count}
}

func instead(answer func(*Emulator, *call, http.ResponseWriter)) func(*effects, string) {
	return func(f *effects, _ string) {
		if f.instead == nil {
			f.instead = answer
		}
	}
}

func onAnswer(answer func(*call, http.ResponseWriter, *reply, []byte, string)) func(*effects, string) {
	return func(f *effects, arg string) {
		if f.onAnswer == nil {
			f.onAnswer = func(c *call, w http.ResponseWriter, out *reply, body []byte) { answer(c, w, out, body, arg) }
		}
	}
}

func errorInstead(f *effects, code string, status int) {
	instead(func(e *Emulator, c *call, w http.ResponseWriter) {
		out := refuse(code).reply(c.version, Policies{Statuses: map[string]int{code: status}}, e.clock)
		c.code = code
		writeReply(w, out, out.encode(false))
	})(f, "")
}

func rateLimited(f *effects, arg string) {
	instead(func(e *Emulator, c *call, w http.ResponseWriter) {
		out := refuse("too_many_requests").reply(c.version, c.policies, e.clock)
		switch seconds, isDate := strings.CutPrefix(arg, "date:"); {
		case arg == "none":
			out.header.Del("Retry-After")
		case isDate:
			n, _ := strconv.Atoi(seconds)
			at := e.clock.real().Add(time.Duration(n) * time.Second)
			out.header.Set("Retry-After", at.UTC().Format(http.TimeFormat))
		default:
			out.header.Set("Retry-After", arg)
		}
		c.code = out.code
		writeReply(w, out, out.encode(false))
	})(f, arg)
}

func sendRaw(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client may be gone
}

func hugeBody(_ *call, w http.ResponseWriter, out *reply, _ []byte, arg string) {
	megabytes, _ := strconv.Atoi(arg)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(out.status)
	_, _ = io.WriteString(w, `{"padding":"`)
	block := strings.Repeat("x", 1<<20)
	for range megabytes {
		if _, err := io.WriteString(w, block); err != nil {
			return
		}
	}
	_, _ = io.WriteString(w, `"}`)
}

func endlessBody(_ *call, w http.ResponseWriter, out *reply, _ []byte, _ string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(out.status)
	_, _ = io.WriteString(w, `{"Resources":[`)
	block := strings.Repeat(`{"id":"U0"},`, 1000)
	for {
		if _, err := io.WriteString(w, block); err != nil {
			return // the client closed the connection
		}
	}
}

// paging is what faults do to a list.
type paging struct {
	more   int
	repeat bool
	empty  bool
	atMost int
}

func (f paging) apply(p page, ids []string, total *int) []string {
	*total += f.more
	switch {
	case f.repeat:
		p.start = 1
	case f.empty && p.start > 1:
		return nil
	}
	if f.atMost > 0 {
		p.count = min(p.count, f.atMost)
	}
	return p.cut(ids)
}

func noArg(arg string) error {
	if arg != "" {
		return errors.New("it takes no argument")
	}
	return nil
}

func someArg(arg string) error {
	if arg == "" {
		return errors.New("say which attribute")
	}
	return nil
}

func isDuration(arg string) error {
	d, err := time.ParseDuration(arg)
	if err == nil && d < 0 {
		err = errors.New("it is negative")
	}
	return err
}

func isCount(arg string) error {
	if n, err := strconv.Atoi(arg); err != nil || n < 1 {
		return errors.New("say a number from 1")
	}
	return nil
}

func isStatus(arg string) error {
	if n, err := strconv.Atoi(arg); err != nil || n < 400 || n > 599 {
		return errors.New("say a status from 400 to 599")
	}
	return nil
}

func isURL(arg string) error {
	u, err := url.Parse(arg)
	if err == nil && (u.Scheme == "" || u.Host == "") {
		err = fmt.Errorf("say an absolute address")
	}
	return err
}

func isRetryAfter(arg string) error {
	seconds := strings.TrimPrefix(arg, "date:")
	if n, err := strconv.Atoi(seconds); arg != "none" && (err != nil || n < 0) {
		return errors.New("say seconds, date:SECONDS or none")
	}
	return nil
}

// onlyWhen says what else a request must be for a fault to hit it.
var onlyWhen = map[string]func(*http.Request) bool{
	"empty-page": func(r *http.Request) bool {
		start, err := strconv.Atoi(r.URL.Query().Get("startIndex"))
		return err == nil && start > 1
	},
}
