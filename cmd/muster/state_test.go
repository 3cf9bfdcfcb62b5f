package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/pgtest"
	"github.com/muster-id/muster/internal/store"
)

// typing runs commands on one state, as if they were typed one after the other.
type typing struct {
	t     *testing.T
	flags []string
	dir   string
}

// run runs a command line of words and returns what it printed; want is the exit status.
func (p *typing) run(want int, line string, more ...string) (stdout, stderr string) {
	p.t.Helper()
	var out, errs bytes.Buffer
	args := append(append(append([]string{}, p.flags...), strings.Fields(line)...), more...)
	if got := run(p.t.Context(), args, streams{in: strings.NewReader(""), out: &out, err: &errs}); got != want {
		p.t.Fatalf("muster %s: exit status %d, want %d\n%s%s", line, got, want, &out, &errs)
	}
	return out.String(), errs.String()
}

func (p *typing) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// TestPostgres does the main job with the state in PostgreSQL, and moves it to SQLite by a backup.
func TestPostgres(t *testing.T) {
	t.Parallel()
	target := httptest.NewServer(connectortest.NewTarget(connectortest.Token, connectortest.Behaviour{}))
	t.Cleanup(target.Close)
	dir := t.TempDir()
	p := &typing{t: t, dir: dir, flags: []string{"--data", filepath.Join(dir, "data"), "--database", pgtest.Database(t)}}
	p.run(0, "import", p.write("people.csv", "userName,emails,groups\nada@example.org,ada@example.org,Everyone\ngrace@example.org,grace@example.org,Everyone\n"))
	p.run(0, "config apply", p.write("target.yaml", fmt.Sprintf(`applications:
- name: target
  template: scim2
  connection: {endpoint: %q, auth: {type: bearer, token: %s}}
  assignments: [{group: Everyone}]
`, target.URL+"/scim/v2/", connectortest.Token)))
	p.run(0, "test target")
	if out, _ := p.run(0, "plan target"); !strings.Contains(out, "2 to create; nothing has been sent") {
		t.Errorf("plan: %s", out)
	}
	p.run(0, "sync target")
	if out, _ := p.run(0, "sync target -o json"); !strings.Contains(out, `"requests": 0`) {
		t.Errorf("the second sync: %s", out)
	}
	out, _ := p.run(0, "logs -o json")
	var records []map[string]any
	if err := json.Unmarshal([]byte(out), &records); err != nil || len(records) != 2 {
		t.Errorf("%d records, %v", len(records), err)
	}
	p.run(0, "explain target --user ada@example.org")
	p.run(0, "status")
	p.run(0, "doctor")
	backup := filepath.Join(dir, "all.muster")
	p.run(0, "backup", backup)

	moved := &typing{t: t, dir: dir, flags: []string{"--data", filepath.Join(dir, "moved")}}
	if err := os.MkdirAll(filepath.Join(dir, "moved"), 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "data", "muster.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "moved", "muster.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := moved.run(0, "restore -o json", backup); !strings.Contains(out, `"missing_keys": []`) {
		t.Errorf("restore: %s", out)
	}
	if out, _ := moved.run(0, "sync target -o json"); !strings.Contains(out, `"cycle": "reconcile"`) {
		t.Errorf("the first sync after the restore: %s", out)
	}
}

// TestInUse: beside a writer, what writes is refused in a line that names the writer, and what reads works.
func TestInUse(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	s, err := store.Open(context.Background(), store.Config{Data: data, Command: "muster serve"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	p := &typing{t: t, dir: t.TempDir(), flags: []string{"--data", data}}
	_, stderr := p.run(1, "user add ada@example.org")
	if !strings.Contains(stderr, "in use by `muster serve` (pid ") || !strings.Contains(stderr, "--server") {
		t.Errorf("a writer is told: %s", stderr)
	}
	out, _ := p.run(1, "migrate -o json")
	var doc struct {
		Error struct{ Code, Message, Next string }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Error.Code != "in_use" || doc.Error.Next == "" {
		t.Errorf("%s: %v", out, err)
	}
	p.run(0, "status")
	p.run(0, "user list")
	p.run(0, "backup", filepath.Join(p.dir, "all.muster"))
}

// TestPlanAfterKill: what a killed process had under way is planned again, not taken for done.
func TestPlanAfterKill(t *testing.T) {
	t.Parallel()
	target := connectortest.NewTarget(connectortest.Token, connectortest.Behaviour{})
	reached, once := make(chan struct{}), sync.Once{}
	var open atomic.Bool
	type early struct{} // key of a connection made before the target was open: what is read from it late, of the process killed meanwhile, creates nothing either
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.Context().Value(early{}) == true {
			once.Do(func() { close(reached) })
			panic(http.ErrAbortHandler) // nothing is created, and nobody is told
		}
		target.ServeHTTP(w, r)
	}))
	server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, early{}, !open.Load())
	}
	server.Start()
	t.Cleanup(server.Close)
	dir := t.TempDir()
	p := &typing{t: t, dir: dir, flags: []string{"--data", filepath.Join(dir, "data")}}
	people := "userName,emails\n"
	for i := range 40 {
		people += fmt.Sprintf("p%[1]d@example.org,p%[1]d@example.org\n", i)
	}
	p.run(0, "import", p.write("people.csv", people))
	p.run(0, "config apply", p.write("target.yaml", fmt.Sprintf("applications:\n- name: target\n  template: scim2\n  connection: {endpoint: %q, auth: {type: bearer, token: %s}}\n  provisioning: {scope: all}\n", server.URL+"/scim/v2/", connectortest.Token)))
	c := muster(t, append(p.flags, "sync", "target")...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	// Connections are accepted in their order: once this one is answered, none of the killed process still waits to be.
	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	open.Store(true)
	server.CloseClientConnections()
	if out, _ := p.run(0, "plan target"); !strings.Contains(out, "40 to create") {
		t.Errorf("the plan: %s", out)
	}
	if out, _ := p.run(0, "sync target"); !strings.Contains(out, "40 created") {
		t.Errorf("the sync: %s", out)
	}
}

// TestNoWrite ends with 1 when the output takes nothing more.
func TestNoWrite(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var errs bytes.Buffer
	if got := run(t.Context(), []string{"version"}, streams{in: strings.NewReader(""), out: full, err: &errs}); got != 1 || !strings.Contains(errs.String(), "writing the output") {
		t.Errorf("exit status %d: %s", got, &errs)
	}
}

// A backup gets its name on a file system without hard links, too, and replaces nothing there either.
func TestBackupAppears(t *testing.T) {
	t.Parallel()
	none := func(whole, name string) error {
		return &os.LinkError{Op: "link", Old: whole, New: name, Err: syscall.EPERM}
	}
	for how, link := range map[string]func(string, string) error{"links": os.Link, "no links": none} {
		dir := t.TempDir()
		whole, name := filepath.Join(dir, "backup.123"), filepath.Join(dir, "backup")
		for i, text := range []string{"first", "second"} {
			if err := os.WriteFile(whole, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := appear(whole, name, link); (err == nil) != (i == 0) {
				t.Errorf("%s, %s: %v", how, text, err)
			}
			if b, err := os.ReadFile(name); err != nil || string(b) != "first" {
				t.Errorf("%s, after the %s: %q, %v", how, text, b, err)
			}
		}
	}
}
