package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/pgtest"
	"github.com/muster-id/muster/internal/store"
)

// node is a `muster serve` as a process of its own.
type node struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  string // file of what it says
	url  string
	gone chan struct{}
}

// startNode starts a server on a database and waits until it is ready.
func startNode(t *testing.T, name string, args ...string) *node {
	t.Helper()
	return startNodeWith(t, name, nil, args...)
}

// startNodeWith is startNode with further variables.
func startNodeWith(t *testing.T, name string, env []string, args ...string) *node {
	t.Helper()
	n := &node{t: t, log: filepath.Join(t.TempDir(), name+".log"), gone: make(chan struct{})}
	log, err := os.Create(n.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	n.cmd = muster(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	n.cmd.Dir, n.cmd.Stderr = t.TempDir(), log
	n.cmd.Env = slices.Concat(os.Environ(), []string{"MUSTER_KEY=" + strings.Repeat("ab", 32)}, env)
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = n.cmd.Process.Kill()
		<-n.gone
		if t.Failed() {
			text, _ := os.ReadFile(n.log)
			t.Logf("%s (pid %d) said:\n%s", name, n.cmd.Process.Pid, text[max(0, len(text)-3000):])
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, out)
		_ = n.cmd.Wait()
		close(n.gone)
	}()
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("%s begins with %q, %v", name, line, err)
	}
	n.url = url
	return n
}

func (n *node) signal(s os.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

// end tells the node to end, and expects that it does so in time and well.
func (n *node) end() {
	n.t.Helper()
	n.signal(syscall.SIGTERM)
	select {
	case <-n.gone:
	case <-time.After(slowness * 10 * time.Second):
		n.t.Fatal("the node does not end")
	}
	if status := n.cmd.ProcessState.ExitCode(); status != 0 {
		n.t.Errorf("the node ended with %d", status)
	}
}

// slowness is how many times as long as an idle machine may take something is waited for: the tests run beside others.
const slowness = 4

// comesTo waits for a condition that an idle machine has fulfilled in so long at the most, and returns how long it took.
func comesTo(t *testing.T, most time.Duration, what string, is func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !is() {
		if time.Since(begin) > slowness*most {
			t.Fatalf("after %s it has not come to this: %s", slowness*most, what)
		}
		<-time.After(10 * time.Millisecond)
	}
	return time.Since(begin)
}

// looks asks once a second, as a node looks who is due, until a condition is fulfilled, and returns how often it asked. Where a busy
// machine lets nodes look less often it asks less often too, so that as many looks may be all that is waited for.
func looks(t *testing.T, most int, what string, is func() bool) int {
	t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; n <= most; n++ {
		<-tick.C
		if is() {
			return n
		}
	}
	t.Fatalf("after %d looks, one a second, it has not come to this: %s", most, what)
	return 0
}

// wire is a proxy in front of a database that can be cut: what is sent then goes nowhere, and nobody
// is told.
type wire struct {
	net.Listener
	mu  sync.Mutex
	cut chan struct{} // closed while the wire is whole
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	whole := make(chan struct{})
	close(whole)
	w := &wire{Listener: l, cut: whole}
	t.Cleanup(func() { w.Close(); w.mend() })
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			go w.carry(a, b)
			go w.carry(b, a)
		}
	}()
	return w
}

func (w *wire) carry(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		whole := w.cut
		w.mu.Unlock()
		<-whole
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (w *wire) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = make(chan struct{})
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.cut:
	default:
		close(w.cut)
	}
}

// TestThreeNodes runs three servers on one PostgreSQL database while people come, change and leave. The
// one that provisions is killed, stopped and cut off from the database, then all are replaced one by
// one. In the end the target must have everybody once, as the directory says.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	database := pgtest.Database(t)
	parsed, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, parsed.Host)
	parsed.Host = w.Addr().String()

	target := connectortest.NewTarget(connectortest.Token, connectortest.Behaviour{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		select { // long enough that work is always under way
		case <-time.After(15 * time.Millisecond):
		case <-r.Context().Done():
		}
		target.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	stranger := target.AddUser(map[string]any{"userName": "stranger", "active": true, "title": "Not ours"})

	first := startNode(t, "first", "--database", database)
	second := startNode(t, "second", "--database", parsed.String())
	third := startNode(t, "third", "--database", database)
	s, err := store.Open(ctx, store.Config{Database: database, Key: []byte(strings.Repeat("\xab", 32))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })

	config := filepath.Join(t.TempDir(), "target.yaml")
	text := fmt.Sprintf("applications:\n- name: target\n  template: scim2\n  connection: {endpoint: %q, auth: {type: bearer, token: %s}, limits: {concurrency: 4}}\n  provisioning: {status: on, scope: all, hold: {removals: off, max: 100000}}\n", server.URL+"/scim/v2/", connectortest.Token)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	apply := muster(t, "config", "apply", config, "--database", database)
	apply.Dir, apply.Env = t.TempDir(), append(os.Environ(), "MUSTER_KEY="+strings.Repeat("ab", 32))
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("config apply: %v: %s", err, out)
	}
	app, err := s.Application(ctx, "target")
	if err != nil {
		t.Fatal(err)
	}

	load := startLoad(t, s)
	holder := func() string {
		var node string
		err := s.Read(ctx, func(tx *store.Tx) error {
			return tx.QueryRow(ctx, "select coalesce((select node from leases where app_id = $1), '')", app.ID).Scan(&node)
		})
		if err != nil {
			t.Fatal(err)
		}
		return node
	}
	is := func(n *node) bool { return strings.HasSuffix(holder(), fmt.Sprintf("(pid %d)", n.cmd.Process.Pid)) }
	nodes := []*node{first, second, third}
	working := func() *node {
		for _, n := range nodes {
			if is(n) {
				return n
			}
		}
		return nil
	}
	writes := func() int { return target.Writes() }
	// takeover waits until another node works at the target.
	takeover := func(from *node, how string) {
		t.Helper()
		took := looks(t, 15, "another node takes over from one that was "+how, func() bool { n := working(); return n != nil && n != from })
		before := writes()
		comesTo(t, 10*time.Second, "the other node writes", func() bool { return writes() > before+5 })
		t.Logf("%s: taken over after %d looks", how, took)
	}
	// someone is a node at work: between two cycles there is none for a moment.
	someone := func() (n *node) {
		t.Helper()
		comesTo(t, 30*time.Second, "a node works", func() bool { n = working(); return n != nil && writes() > 20 })
		return n
	}

	// Killed.
	victim := someone()
	victim.signal(syscall.SIGKILL)
	<-victim.gone
	takeover(victim, "killed")
	replacement := startNode(t, "replacement", "--database", database)
	for i := range nodes {
		if nodes[i] == victim {
			nodes[i] = replacement
		}
	}

	// Stopped, and going on when it is too late.
	victim = someone()
	victim.signal(syscall.SIGSTOP)
	takeover(victim, "stopped")
	victim.signal(syscall.SIGCONT)

	// Cut off from the database: the work is brought to the node on the wire first.
	if slices.Contains(nodes, second) {
		for _, n := range nodes {
			if n != second {
				n.signal(syscall.SIGSTOP)
			}
		}
		comesTo(t, 20*time.Second, "the node on the wire works", func() bool { return is(second) })
		for _, n := range nodes {
			if n != second {
				n.signal(syscall.SIGCONT)
			}
		}
		w.sever()
		takeover(second, "cut off")
		w.mend()
	}

	// Replaced one by one.
	for i, old := range nodes {
		fresh := startNode(t, fmt.Sprint("fresh", i), "--database", database)
		old.end()
		nodes[i] = fresh
	}
	load.stop()

	comesTo(t, 60*time.Second, "every change has been looked at", func() bool {
		seq, err := s.FeedSeq(ctx)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Progress(ctx, app.ID)
		if err != nil {
			t.Fatal(err)
		}
		return p.Watermark == seq && !p.Running && p.Escrow == 0 && holder() == ""
	})
	load.check(target)
	if doc := target.User(stranger); doc["active"] != true || doc["title"] != "Not ours" {
		t.Errorf("the stranger was touched: %v", doc)
	}
	if n := len(target.UserIDs()); n > load.people()+1 {
		t.Errorf("%d accounts for %d people and a stranger", n, load.people())
	}
	created := map[string]int{}
	for _, l := range target.Log() {
		if l.Method == http.MethodPost && l.Status == http.StatusCreated {
			created["accounts"]++
		}
	}
	if created["accounts"] > load.people() {
		t.Errorf("%d accounts were made for %d people", created["accounts"], load.people())
	}
	for _, n := range nodes {
		n.end()
	}
	if left := holder(); left != "" {
		t.Errorf("after the end of all nodes %s holds the lease", left)
	}
	for _, state := range []string{"applying", "planned", "unknown"} {
		var n int
		if err := s.Read(ctx, func(tx *store.Tx) error {
			return tx.QueryRow(ctx, "select count(*) from operations o where state = $1 and exists (select 1 from cycles c where c.id = o.cycle_id and c.state <> 'planned')", state).Scan(&n)
		}); err != nil || n > 0 {
			t.Errorf("%d operations are left %s, %v", n, state, err)
		}
	}
}

// load is people who come, change and leave without a pause.
type load struct {
	t      *testing.T
	store  *store.Store
	cancel context.CancelFunc
	done   chan struct{}
	ids    []string
}

func startLoad(t *testing.T, s *store.Store) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{t: t, store: s, cancel: cancel, done: make(chan struct{})}
	seed := rand.Uint64()
	t.Logf("load with seed %d", seed)
	go l.run(ctx, rand.New(rand.NewPCG(seed, 1)))
	t.Cleanup(l.stop)
	return l
}

func (l *load) run(ctx context.Context, rnd *rand.Rand) {
	defer close(l.done)
	by := store.Actor{Name: "load", Via: "test"}
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var err error
		if len(l.ids) < 60 || i%10 == 0 && len(l.ids) < 400 {
			var u directory.User
			u, err = l.store.CreateUser(l.t.Context(), by, store.UserEdit{Attributes: directory.Edit{"userName": fmt.Sprintf("p%04d", len(l.ids)), "displayName": "P", "title": "New"}})
			l.ids = append(l.ids, u.ID)
		} else {
			edit := directory.Edit{"title": fmt.Sprintf("Title %d", i)}
			if i%4 == 0 {
				edit = directory.Edit{"active": rnd.IntN(2) == 0}
			}
			_, _, err = l.store.UpdateUser(l.t.Context(), by, l.ids[rnd.IntN(len(l.ids))], store.UserEdit{Attributes: edit})
		}
		if err != nil {
			l.t.Errorf("the directory refuses a change: %v", err)
			return
		}
	}
}

func (l *load) stop() {
	l.cancel()
	<-l.done
}

func (l *load) people() int { return len(l.ids) }

// check compares the target with the directory.
func (l *load) check(target *connectortest.Target) {
	l.t.Helper()
	for _, id := range l.ids {
		u, err := l.store.UserByName(l.t.Context(), id)
		if err != nil {
			l.t.Fatal(err)
		}
		doc := target.User(target.UserID(u.UserName))
		title, _ := u.Attributes["title"].(string)
		switch {
		case doc == nil && !u.Active: // left before there was an account
		case doc == nil:
			l.t.Errorf("%s has no account", u.UserName)
		case doc["active"] != u.Active:
			l.t.Errorf("%s is active: %v, the directory says %v", u.UserName, doc["active"], u.Active)
		case u.Active && doc["title"] != title:
			l.t.Errorf("%s has title %v, the directory says %q", u.UserName, doc["title"], title)
		}
	}
}
