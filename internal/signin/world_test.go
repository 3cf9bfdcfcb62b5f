package signin_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// cheap keeps the tests quick; one test uses the real cost.
var cheap = signin.Hashing{MemoryKiB: 8, Passes: 1, Threads: 1}

const good = "seven otters juggle plums"

var root = store.Actor{Name: "root", Via: "cli"}

// world is a gate over a real store, with a clock that the test moves.
type world struct {
	*testing.T
	ctx   context.Context
	store *store.Store
	gate  *signin.Gate
	clock *clock
	here  signin.Client
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newWorld(t *testing.T, o signin.Options) *world {
	t.Helper()
	w := &world{T: t, ctx: t.Context(), clock: &clock{at: time.Now()}, here: signin.Client{Address: netip.MustParseAddr("192.0.2.7"), Agent: "Browser/1"}}
	w.store = storetest.Open(t, store.Config{Data: t.TempDir(), Clock: w.clock.now})
	if o.URL == "" {
		o.URL = "https://muster.example.org"
	}
	if o.Hashing == (signin.Hashing{}) {
		o.Hashing = cheap
	}
	var err error
	w.gate, err = signin.New(w.store, o)
	w.ok(err)
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// refused expects a refusal that says something.
func (w *world) refused(err error, says string) *signin.Refusal {
	w.Helper()
	var r *signin.Refusal
	if !errors.As(err, &r) || !strings.Contains(r.Error(), says) {
		w.Fatalf("got %v, want a refusal that says %q", err, says)
	}
	return r
}

// join adds an administrator with the password [good].
func (w *world) join(name, role string) store.Administrator {
	w.Helper()
	a, err := w.store.AddAdministrator(w.ctx, root, store.Administrator{Name: name, Role: role})
	w.ok(err)
	_, token, _, err := w.store.IssueLink(w.ctx, root, name, false)
	w.ok(err)
	in, err := w.gate.FollowLink(w.ctx, w.here, token, "", good)
	w.ok(err)
	w.ok(w.gate.SignOut(w.ctx, w.visitor(in)))
	a, err = w.store.Administrator(w.ctx, a.ID)
	w.ok(err)
	return a
}

// enter signs somebody in by password.
func (w *world) enter(name string) signin.Visitor {
	w.Helper()
	in, err := w.gate.Password(w.ctx, w.here, name, good)
	w.ok(err)
	return w.visitor(in)
}

func (w *world) visitor(in signin.Admission) signin.Visitor {
	w.Helper()
	v, err := w.gate.Visitor(w.ctx, in.Session)
	w.ok(err)
	return v
}

// audited returns how often the audit log says an action.
func (w *world) audited(action string) (n int) {
	w.Helper()
	log, err := w.store.AuditLog(w.ctx, store.AuditQuery{Limit: 10_000})
	w.ok(err)
	for _, e := range log {
		if e.Action == action {
			n++
		}
	}
	return n
}

func contains(s, part string) bool { return strings.Contains(s, part) }
