package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muster-id/muster/internal/connector/connectortest"
)

// refuseFiles lets every write to a file by another process fail from now on, or no longer. It is the kernel that
// refuses them, with EFBIG: SQLite takes that as it takes EROFS and EIO, for a write that failed on a file that is open.
// Root is refused too, whom no permission stops, and a file system cannot be made read-only while somebody writes.
func refuseFiles(t *testing.T, pid int, refuse bool) {
	t.Helper()
	var limit unix.Rlimit
	err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &limit)
	if limit.Cur = limit.Max; refuse {
		limit.Cur = 0
	}
	if err := cmp.Or(err, unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil)); err != nil {
		t.Errorf("prlimit: %v", err)
	}
}

// TestDataUnwritableInTheMiddle: a server whose data can no longer be written in the middle of a cycle ends it with what is
// under way, says so in its status, and goes on by itself when it can be; nobody is made twice.
func TestDataUnwritableInTheMiddle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	muster := func(args ...string) []byte {
		t.Helper()
		cmd := muster(t, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "MUSTER_KEY="+strings.Repeat("ab", 32))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("muster %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return out
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}

	const people = 400
	var n atomic.Pointer[node]
	var creates atomic.Int64
	target := connectortest.NewTarget(connectortest.Token, connectortest.Behaviour{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if creates.Add(1) == 40 {
				refuseFiles(t, n.Load().cmd.Process.Pid, true)
			}
			select { // so that results are recorded meanwhile
			case <-time.After(5 * time.Millisecond):
			case <-r.Context().Done():
			}
		}
		target.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	var csv strings.Builder
	csv.WriteString("userName\n")
	for i := range people {
		fmt.Fprintf(&csv, "p%03d\n", i)
	}
	muster("import", write("people.csv", csv.String()), "--data", data)
	muster("config", "apply", "--data", data, write("target.yaml", fmt.Sprintf(
		"applications:\n- name: target\n  template: scim2\n  connection: {endpoint: %q, auth: {type: bearer, token: %s}, limits: {concurrency: 4}}\n  provisioning: {status: off, scope: all}\n",
		server.URL+"/scim/v2/", connectortest.Token)))
	var token struct{ Token string }
	if err := json.Unmarshal(muster("token", "create", "--role", "owner", "--data", data, "-o", "json"), &token); err != nil {
		t.Fatal(err)
	}
	n.Store(startNode(t, "server", "--data", data))
	over := []string{"--server", n.Load().url, "--token", token.Token}
	muster(append([]string{"config", "apply", write("on.yaml", strings.Replace(string(mustRead(t, filepath.Join(dir, "target.yaml"))), "status: off", "status: on", 1))}, over...)...)
	trouble := func() string {
		var s struct {
			Applications []struct{ Trouble *struct{ Reason string } }
		}
		if err := json.Unmarshal(muster(append([]string{"status", "-o", "json"}, over...)...), &s); err != nil {
			t.Fatal(err)
		}
		if x := s.Applications[0].Trouble; x != nil {
			return x.Reason
		}
		return ""
	}
	took := comesTo(t, 15*time.Second, "the status tells it", func() bool { return strings.Contains(trouble(), "cannot be read or written") })
	// What was marked to be sent before is what may have been sent; nothing follows it.
	sent := creates.Load()
	if sent > 300 {
		t.Errorf("%d of %d were sent all the same", sent, people)
	}
	ready := func() int {
		t.Helper()
		resp, err := http.Get(n.Load().url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := ready(); got != http.StatusServiceUnavailable {
		t.Errorf("/readyz says %d", got)
	}
	for range 3 {
		trouble() // a second or so, in which it tries again
	}
	if more := creates.Load(); more != sent {
		t.Errorf("%d were sent while nothing could be recorded", more-sent)
	}
	refuseFiles(t, n.Load().cmd.Process.Pid, false)
	rest := comesTo(t, 15*time.Second, "work goes on", func() bool { return len(target.UserIDs()) == people && trouble() == "" && ready() == http.StatusOK })
	t.Logf("told after %s, with %d sent; over %s after it could be written", took.Round(time.Millisecond), sent, rest.Round(time.Millisecond))
	made := 0
	for _, l := range target.Log() {
		if l.Method == http.MethodPost && l.Status == http.StatusCreated {
			made++
		}
	}
	if made != people {
		t.Errorf("%d accounts were made for %d people", made, people)
	}
	var again struct{ Requests int }
	if err := json.Unmarshal(muster(append([]string{"sync", "target", "-o", "json"}, over...)...), &again); err != nil || again.Requests != 0 {
		t.Errorf("running again sent %d requests, %v", again.Requests, err)
	}
	n.Load().end()
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
