package client_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/client"
)

const token = "muster_SECRET"

func open(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{Server: url, Token: token, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// The token goes to the server that was named, and to nobody that it sends to.
func TestTokenIsNotSentElsewhere(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer other.Close()
	named := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("the named server gets %q", r.Header.Get("Authorization"))
		}
		http.Redirect(w, r, other.URL+"/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer named.Close()
	_, err := open(t, named.URL).Status(t.Context(), "")
	p := admin.Explain(err)
	if p == nil || p.Code != "server_wrong" || p.Exit != admin.ExitTarget || !strings.Contains(p.Message, other.URL) {
		t.Errorf("a redirect is %v", err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}

func TestServersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		o    client.Options
		code string
	}{
		"no scheme":         {client.Options{Server: "muster.example.org", Token: token}, "usage"},
		"another scheme":    {client.Options{Server: "ftp://muster.example.org", Token: token}, "usage"},
		"clear text":        {client.Options{Server: "http://muster.example.org", Token: token}, "usage"},
		"a password in it":  {client.Options{Server: "https://u:hush@muster.example.org", Token: token}, "usage"},
		"no token":          {client.Options{Server: "https://muster.example.org"}, "unauthorized"},
		"allowed":           {client.Options{Server: "http://muster.example.org", Token: token, AllowHTTP: true}, ""},
		"loopback":          {client.Options{Server: "http://[::1]:8080/", Token: token}, ""},
		"below a proxy":     {client.Options{Server: "https://example.org/muster/", Token: token}, ""},
		"loopback by name":  {client.Options{Server: "http://LOCALHOST:8080", Token: token}, ""},
		"almost loopback":   {client.Options{Server: "http://127.0.0.1.example.org", Token: token}, "usage"},
		"nothing but space": {client.Options{Server: "https://muster.example.org", Token: " "}, "unauthorized"},
	} {
		_, err := client.New(test.o)
		p := admin.Explain(err)
		if p == nil && test.code != "" || p != nil && p.Code != test.code {
			t.Errorf("%s: %v, want %q", name, err, test.code)
		}
		if p != nil && (strings.Contains(p.Error(), "hush") || strings.Contains(p.Error(), token)) {
			t.Errorf("%s: the message tells a secret: %v", name, p)
		}
	}
}

// What is no answer of Muster is said to be none: half of one, a page, another problem.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"a page":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>welcome</html>") },
		"not found": http.NotFound,
		"half":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"applications":[`) },
		"empty problem": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(500)
		},
	} {
		server := httptest.NewServer(answer)
		_, err := open(t, server.URL).Status(t.Context(), "")
		if p := admin.Explain(err); p == nil || p.Code != "server_wrong" || strings.Contains(p.Error(), token) {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

// A backup, and work, that break off are no success.
func TestWhatBreaksOffIsNoSuccess(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/cycles") {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "event: progress\ndata: {\"stage\":\"applying\",\"done\":1,\"planned\":2,\"failed\":0}\n\n")
			return
		}
		_, _ = io.WriteString(w, "half of it")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	c := open(t, server.URL)
	var b bytes.Buffer
	if _, err := c.Backup(t.Context(), &b); admin.Explain(err) == nil || admin.Explain(err).Code != "server_wrong" {
		t.Errorf("half a backup: %v", err)
	}
	if run, err := c.Sync(t.Context(), "app", admin.SyncOptions{}); admin.Explain(err) == nil || admin.Explain(err).Code != "server_wrong" {
		t.Errorf("a cycle that broke off: %+v, %v", run, err)
	}
}
