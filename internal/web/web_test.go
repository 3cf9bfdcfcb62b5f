package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/scim"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
	"github.com/muster-id/muster/internal/web"
)

var by = store.Actor{Name: "tester", Via: "test"}

// protocols speaks SCIM, as the command's table does.
var protocols = map[string]admin.Protocol{"scim": {Open: func(c admin.Connection) (cycle.Target, error) {
	client, err := connector.NewClient(connector.Options{Connection: c.Application.Connection, Credentials: c.Credentials, Limiter: c.Limiter, Version: c.Version})
	if err != nil {
		return cycle.Target{}, err
	}
	made, err := scim.New(scim.Options{Client: client, Users: c.Users, Groups: c.Groups})
	return cycle.Target{Connector: made}, err
}}}

// house is a server over a real store, with a token for each role.
type house struct {
	t      *testing.T
	store  *store.Store
	desk   *admin.Desk
	url    string
	tokens map[admin.Role]string
	log    *safe
	clock  *clock
}

// clock is a time that a test moves.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// safe is a buffer for several goroutines.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func open(t *testing.T) *house {
	t.Helper()
	return openWith(t, 0)
}

// openWith is [open] with a time for requests.
func openWith(t *testing.T, requestTime time.Duration) *house {
	t.Helper()
	h := &house{t: t, clock: &clock{}, log: &safe{}, tokens: map[admin.Role]string{}}
	h.store = storetest.Open(t, store.Config{Data: t.TempDir(), Clock: h.clock.now})
	h.desk = admin.New(h.store, admin.Options{By: by, Protocols: protocols, Version: "test"})
	gate, err := signin.New(h.store, signin.Options{Hashing: signin.Hashing{MemoryKiB: 8, Passes: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := web.New(web.Options{Desk: h.desk, Version: "test", SignIn: web.SignIn{Gate: gate}, Log: slog.New(slog.NewTextHandler(h.log, nil)), RequestTime: requestTime})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	h.url = server.URL
	for _, role := range admin.Roles {
		made, err := h.desk.CreateToken(t.Context(), admin.TokenRequest{Role: string(role), Name: "the " + string(role)})
		if err != nil {
			t.Fatal(err)
		}
		h.tokens[role] = made.Secret
	}
	return h
}

// reply is an answer that has been read.
type reply struct {
	status int
	header http.Header
	text   string
	doc    map[string]any
}

// ask sends a request with a token ("" for none) and reads the answer; body is JSON, "" for none.
func (h *house) ask(token, method, path, body string, header ...string) reply {
	h.t.Helper()
	res := h.send(token, method, path, body, header...)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	r := reply{status: res.StatusCode, header: res.Header, text: string(b)}
	_ = json.Unmarshal(b, &r.doc) // what is no object stays text
	return r
}

// send sends a request and returns the answer unread.
func (h *house) send(token, method, path, body string, header ...string) *http.Response {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	return res
}

// as asks with the token of a role.
func (h *house) as(role admin.Role, method, path, body string, header ...string) reply {
	h.t.Helper()
	return h.ask(h.tokens[role], method, path, body, header...)
}

// want checks status and, of problems, the code.
func (r reply) want(t *testing.T, status int, code ...string) reply {
	t.Helper()
	if r.status != status || len(code) > 0 && fmt.Sprint(r.doc["code"]) != code[0] {
		t.Fatalf("%d %s, want %d %v", r.status, r.text, status, code)
	}
	if status >= 400 && r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a problem comes as %s", r.header.Get("Content-Type"))
	}
	return r
}
