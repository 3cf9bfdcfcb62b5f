package cycle_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// TestMain lets the test binary be a process that runs one cycle, for the tests that kill it.
func TestMain(m *testing.M) {
	if data := os.Getenv("MUSTER_CRASH_DATA"); data != "" {
		if err := crashChild(data, os.Getenv("MUSTER_CRASH_DATABASE")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// crashChild runs one cycle on a data directory.
func crashChild(data, database string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Data: data, Database: database})
	if err != nil {
		return err
	}
	w := &world{t: &testing.T{}, store: s}
	e := &cycle.Engine{Store: s, Open: w.open, Node: "child", LeaseTime: 900 * time.Millisecond, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Rand: rand.Float64, RandN: rand.Uint64N}
	app, err := s.Application(ctx, "target")
	if err != nil {
		return err
	}
	if _, err := e.Run(ctx, app, cycle.Options{ByHand: true, Initiator: "child"}); err != nil {
		return err
	}
	return s.Close()
}

// killer is a target that kills the process which talks to it at the n-th write, before or after it
// has carried the write out.
type killer struct {
	*connectortest.Target
	left   atomic.Int64
	after  bool
	mu     sync.Mutex
	victim *os.Process
}

func (k *killer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	kill := r.Method != http.MethodGet && k.left.Add(-1) == 0
	if kill && !k.after {
		k.kill()
		return
	}
	k.Target.ServeHTTP(rw, r)
	if kill {
		k.kill()
	}
}

func (k *killer) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.victim != nil {
		_ = k.victim.Kill()
	}
}

// TestKilledAtAnyMoment kills a real process with SIGKILL at moments that a printed seed chooses,
// again and again until the work is done, and compares the end with that of an undisturbed run.
func TestKilledAtAnyMoment(t *testing.T) {
	rounds := 20
	if more, err := strconv.Atoi(os.Getenv("MUSTER_CRASH_ROUNDS")); err == nil {
		rounds = more
	}
	seed := rand.Uint64()
	if given, err := strconv.ParseUint(os.Getenv("MUSTER_CRASH_SEED"), 10, 64); err == nil {
		seed = given
	}
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		t.Logf("repeat with MUSTER_CRASH_SEED=%d", seed)
		rnd := rand.New(rand.NewPCG(seed, 1))
		k := &killer{Target: connectortest.NewTarget(connectortest.Token, connectortest.Behaviour{})}
		server := httptest.NewServer(k)
		t.Cleanup(server.Close)
		stranger := k.AddUser(map[string]any{"userName": "stranger", "active": true, "title": "Not ours"})

		s, err := store.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, s)
		w.target, w.app.Connection.Endpoint = k.Target, server.URL+"/scim/v2/"
		var names []string
		for i := range 60 {
			name := fmt.Sprintf("p%02d", i)
			if i > 0 && i%3 == 0 {
				w.user(name, "manager", fmt.Sprintf("p%02d", i/2))
			} else {
				w.user(name)
			}
			names = append(names, name)
		}
		w.group("One", names[:30]...)
		w.group("Two", names[20:]...)
		w.assign("One", "Two")
		close := func() {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		reopen := func() {
			if s, err = store.Open(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			w.store, w.engine.Store = s, s
		}
		for round := range rounds {
			// Something is always due: somebody leaves, comes back or changes.
			name := names[rnd.IntN(len(names))]
			u, err := w.store.UserByName(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			w.set(name, "active", !u.Active)
			for range 3 {
				w.set(names[rnd.IntN(len(names))], "title", fmt.Sprintf("Title %d", round))
			}
			close()
			k.after = rnd.IntN(2) == 0
			k.left.Store(int64(1 + rnd.IntN(6)))
			runChild(t, c, k)
			k.left.Store(0)
			if round == 0 {
				k.left.Store(int64(20 + rnd.IntN(20)))
				runChild(t, c, k)
				k.left.Store(0)
			}
			reopen()
		}
		w.app, err = w.store.Application(t.Context(), "target")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if r, err := w.trySync(); err != nil || r.Stopped != nil {
				t.Fatalf("sync: %+v, %v", r, err)
			}
		}
		if n := len(k.UserIDs()); n > len(names)+1 {
			t.Errorf("%d accounts for %d people and a stranger", n, len(names))
		}
		if doc := k.User(stranger); doc["active"] != true || doc["title"] != "Not ours" {
			t.Errorf("the stranger was touched: %v", doc)
		}
		var one, two []string
		for i, name := range names {
			u, err := w.store.UserByName(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if !u.Active && k.UserID(name) == "" {
				continue // left before there was an account
			}
			doc := w.account(name)
			if doc["active"] != u.Active {
				t.Errorf("%s is active: %v, the directory says %v", name, doc["active"], u.Active)
			}
			if title, _ := u.Attributes["title"].(string); u.Active && title != "" && doc["title"] != title {
				t.Errorf("%s has title %v, the directory says %q", name, doc["title"], title)
			}
			if i < 30 {
				one = append(one, name)
			}
			if i >= 20 {
				two = append(two, name)
			}
		}
		w.contains("One", one...)
		w.contains("Two", two...)
		w.again()
		close()
	})
}

// contains checks that the active people among names are members of a target's group, and nobody
// else is.
func (w *world) contains(group string, names ...string) {
	w.t.Helper()
	there := map[string]bool{}
	for _, id := range w.target.Members(w.target.GroupID(group)) {
		there[id] = true
	}
	for _, n := range names {
		id := w.target.UserID(n)
		if w.account(n)["active"] == true && !there[id] {
			w.t.Errorf("%s is missing in %s", n, group)
		}
		delete(there, id)
	}
	for id := range there {
		w.t.Errorf("%s has %s, who does not belong there", group, id)
	}
}

func runChild(t *testing.T, c store.Config, k *killer) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MUSTER_CRASH_DATA="+c.Data, "MUSTER_CRASH_DATABASE="+c.Database)
	out := &lockedBuffer{}
	cmd.Stderr = out
	k.mu.Lock()
	if err := cmd.Start(); err != nil {
		k.mu.Unlock()
		t.Fatal(err)
	}
	k.victim = cmd.Process
	k.mu.Unlock()
	err := cmd.Wait()
	if _, killed := err.(*exec.ExitError); err != nil && (!killed || out.String() != "") {
		t.Fatalf("the cycle failed by itself: %v: %s", err, out.String())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  []byte
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	return len(p), nil
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}
