package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// started runs `muster serve` until the test, or stop, ends it, and returns what it says when it is
// ready.
func started(t *testing.T, args ...string) (said map[string]string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	var errs bytes.Buffer
	go func() {
		status := run(ctx, append([]string{"serve", "--listen", "127.0.0.1:0", "-o", "json"}, args...), streams{in: strings.NewReader(""), out: in, err: &errs})
		_ = in.Close()
		ended <- status
	}()
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		cancel()
		t.Fatalf("it ended with %d: %s", <-ended, errs.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return said, func() {
		cancel()
		if status := <-ended; status != 0 {
			t.Errorf("it ended with %d: %s", status, errs.String())
		}
	}
}

// The first start prints a link that makes the first owner; while there is one, none is printed.
func TestServeSetsItselfUp(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	said, stop := started(t, "--data", data)
	link := said["set_up_link"]
	if !strings.HasPrefix(link, "http://localhost:") {
		t.Fatalf("it says %v", said)
	}
	stop()
	said, stop = started(t, "--data", data)
	defer func() { stop() }()
	if said["set_up_link"] == link {
		t.Error("the second start prints the same link")
	}
	jar, _ := cookiejar.New(nil) // never fails
	// Whatever localhost is here, the server listens on 127.0.0.1.
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(said["listening"], "http://"))
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{DialContext: dial}}
	form := url.Values{"name": {"ada@example.org"}, "password": {"seven otters juggle plums"}, "again": {"seven otters juggle plums"}}
	res, err := client.PostForm(said["set_up_link"], form)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != 200 || !strings.Contains(string(text), "ada@example.org") {
		t.Fatalf("%d %v at %s:\n%s", res.StatusCode, err, res.Request.URL, text)
	}
	stop()
	said, stop = started(t, "--data", data, "--public-url", "https://muster.example.org")
	if said["set_up_link"] != "" {
		t.Errorf("there is an owner, and it says %v", said)
	}
	stop()
	stop = func() {}

	// A link made beside it names the place where the console is reached.
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"--data", data, "admin", "reset-password", "ada@example.org"}, streams{in: strings.NewReader(""), out: &out, err: &errs}); status != 0 || !strings.HasPrefix(out.String(), "https://muster.example.org/link/") {
		t.Errorf("%d: %s%s", status, out.String(), errs.String())
	}
}

func TestServeRefusesWhatCannotBeMeant(t *testing.T) {
	t.Parallel()
	for says, args := range map[string][]string{
		"public URL":            {"--public-url", "muster.example.org"},
		"--trusted-proxy":       {"--trusted-proxy", "everybody"},
		"end so soon":           {"--session-idle", "1s"},
		"--session-lifetime no": {"--session-lifetime", "1h"},
	} {
		var errs bytes.Buffer
		status := run(t.Context(), append([]string{"--data", t.TempDir(), "serve", "--listen", "127.0.0.1:0"}, args...), streams{in: strings.NewReader(""), out: io.Discard, err: &errs})
		if status != 2 || !strings.Contains(errs.String(), says) {
			t.Errorf("%v: %d %s", args, status, errs.String())
		}
	}
}

// What a command that finds the data directory taken is told to use can be used: an address that stands for all is no place to go to.
func TestServerIsNear(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://[::]:8080": "http://[::1]:8080", "http://0.0.0.0:8080": "http://127.0.0.1:8080", "http://127.0.0.1:8080": "http://127.0.0.1:8080", "http://10.0.0.1:8080": "http://10.0.0.1:8080",
	} {
		if got := (&served{url: url}).near(); got != want {
			t.Errorf("%s is reached at %s, want %s", url, got, want)
		}
	}
}
