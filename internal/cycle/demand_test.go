package cycle_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// made notes whose accounts a target was asked to create, in order.
type made struct {
	mu    sync.Mutex
	names []string
}

func (m *made) note(r *http.Request) (name string) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/Users") {
		return ""
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, rest, _ := strings.Cut(string(body), `"userName":"`)
	name, _, _ = strings.Cut(rest, `"`)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names = append(m.names, name)
	return name
}

func (m *made) so() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string{}, m.names...)
}

func count(names []string, name string) (n int) {
	for _, s := range names {
		if s == name {
			n++
		}
	}
	return n
}

// demand asks an engine for one person.
func (w *world) demand(e *cycle.Engine, name string) (*cycle.Report, error) {
	w.t.Helper()
	u, err := w.store.UserByName(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	app, err := w.store.Application(w.t.Context(), "target")
	if err != nil {
		w.t.Fatal(err)
	}
	return e.Run(w.t.Context(), app, cycle.Options{Kind: directory.KindUser, Object: u.ID, ByHand: true, Initiator: "asker"})
}

// load runs a cycle until the returned function is called, or it has ended.
func (w *world) load() (end func() error, ended chan struct{}) {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended = make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		stored, aerr := w.store.Application(ctx, "target")
		if err = aerr; err == nil {
			_, err = w.engine.Run(ctx, stored, cycle.Options{Scheduled: true, Initiator: "schedule"})
		}
	}()
	end = func() error { cancel(); <-ended; return err }
	w.t.Cleanup(func() { _ = end() })
	return end, ended
}

// Whoever is wanted at once has the account before another handful of those who wait has theirs, be it
// that the pass has taken their operation already or not, and the asker is told of that one alone.
func TestOnDemandDuringAFirstLoad(t *testing.T) {
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		w := newWorld(t, storetest.Open(t, c))
		var order made
		began := make(chan bool)
		var once sync.Once
		throttled := w.onSlack(func(r *http.Request) {
			if order.note(r) != "" && len(order.so()) == 25 { // the burst is over
				once.Do(func() { close(began) })
			}
		})
		w.people("p", 400)
		w.on()
		asker := *w.engine
		asker.Node = "asker"
		if c.Database != "" { // another node, which knows nothing but the database
			c.Data = t.TempDir()
			asker.Store = storetest.Open(t, c)
		}
		end, ended := w.load()
		select {
		case <-began:
		case <-ended:
			t.Fatalf("the load ended: %v", end())
		}
		for _, name := range []string{"p240", "p399"} {
			before := len(order.so())
			report, err := w.demand(&asker, name)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			w.expect(report, map[string]int{"create": 1})
			if len(report.Operations) != 1 || report.Operations[0].Source.Name != name || len(report.Operations[0].Steps) == 0 {
				t.Errorf("%s: the operations of the answer: %+v", name, report.Operations)
			}
			names := order.so()
			at := -1
			for i, n := range names {
				if n == name {
					at = i
				}
			}
			if at < 0 || at-before > 8 {
				t.Errorf("%s has place %d, asked at %d", name, at, before)
			}
			if count(names, name) != 1 {
				t.Errorf("%s was created %d times", name, count(names, name))
			}
		}
		select {
		case <-ended:
			t.Error("the load ended before")
		default:
		}
		if n := throttled.Load(); n > 0 {
			t.Errorf("%d requests were throttled", n)
		}
		if err := end(); !errors.Is(err, context.Canceled) {
			t.Errorf("the load: %v", err)
		}
	})
}

// What a running pass has seen fail is tried again when somebody asks, and whoever has their account is
// told that nothing is to be done.
func TestOnDemandTriesAgainWhatFailed(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		w.user("first")
		w.people("p", 300)
		w.app.Provisioning.Scope = "all"
		w.concurrency = 4
		var order made
		refused, next := make(chan bool), make(chan bool)
		w.between(func(rw http.ResponseWriter, r *http.Request, target http.Handler) {
			name := order.note(r)
			switch {
			case name == "first" && count(order.so(), name) == 1:
				defer close(refused)
				http.Error(rw, `{"status":"400","detail":"not today"}`, http.StatusBadRequest)
				return
			case name != "" && name != "first":
				<-next
			}
			target.ServeHTTP(rw, r)
		})
		w.on()
		end, _ := w.load()
		<-refused
		pace, stop := time.NewTicker(5*time.Millisecond), make(chan bool)
		go func() { // the target lets one after the other go
			for {
				select {
				case <-pace.C:
					next <- true
				case <-stop:
					close(next)
					return
				}
			}
		}()
		report, err := w.demand(w.engine, "first")
		if err != nil {
			w.t.Fatal(err)
		}
		w.expect(report, map[string]int{"create": 1})
		if n := len(order.so()); n >= 302 {
			w.t.Errorf("%d creates came before the answer: all of them", n)
		}
		again, err := w.demand(w.engine, "first")
		if err != nil {
			w.t.Fatal(err)
		}
		w.expect(again, map[string]int{"skip": 1})
		close(stop)
		w.until("everybody has an account", func() bool { return len(w.target.UserIDs()) == 301 })
		w.settled()
		if err := end(); err != nil {
			w.t.Errorf("the load: %v", err)
		}
		if n := count(order.so(), "first"); n != 2 {
			w.t.Errorf("first was sent %d times, want the refused one and one more", n)
		}
		w.again()
	})
}

// A pass whose node has died takes up nothing: the asker does it when the lease has run out, once. And
// what an asker who has died left behind is dealt with by the next cycle, once.
func TestNobodyAnswersARequest(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		ada, bob := w.user("ada"), w.user("bob")
		w.app.Provisioning.Scope = "all"
		w.save()
		if ours, _, err := w.store.Lease(w.t.Context(), w.app.ID, "dead", "dead", 700*time.Millisecond); err != nil || !ours {
			w.t.Fatal(ours, err)
		}
		report, err := w.demand(w.engine, "ada")
		if err != nil {
			w.t.Fatal(err)
		}
		w.expect(report, map[string]int{"create": 1})
		if report.Operations != nil {
			w.t.Errorf("a pass of one's own tells of operations: %+v", report.Operations)
		}
		if n := w.rows("select id from requests"); len(n) != 0 {
			w.t.Errorf("requests are left: %v", n)
		}
		for _, u := range []directory.User{ada, bob} {
			if err := w.store.AddRequest(w.t.Context(), &store.Request{AppID: w.app.ID, Kind: directory.KindUser, ObjectID: u.ID, Initiator: "dead"}); err != nil {
				w.t.Fatal(err)
			}
		}
		w.expect(w.sync(), map[string]int{"create": 1, "skip": 3})
		if n := w.rows("select id from requests where cycle_id = ''"); len(n) != 0 {
			w.t.Errorf("requests still wait: %v", n)
		}
		w.again()
	})
}

// A saved plan that runs does nothing but what it says, and yet answers whoever wants somebody at once.
func TestOnDemandDuringASavedPlan(t *testing.T) {
	w := onSQLite(t)
	w.people("p", 240)
	w.app.Provisioning.Scope, w.concurrency = "all", 4
	var order made
	began, ended := make(chan bool), make(chan error, 1)
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if order.note(r) != "" && len(order.so()) == 8 {
			close(began)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.Context().Done():
		}
		next.ServeHTTP(rw, r)
	})
	w.save()
	app, err := w.store.Application(t.Context(), "target")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := w.engine.Plan(t.Context(), app, cycle.Options{ByHand: true})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := w.engine.Run(t.Context(), app, cycle.Options{PlanID: plan.ID, ByHand: true})
		ended <- err
	}()
	select {
	case <-began:
	case err := <-ended:
		t.Fatalf("the plan ended: %v", err)
	}
	w.user("late")
	w.user("later")
	for _, name := range []string{"p239", "late"} {
		report, err := w.demand(w.engine, name)
		if err != nil {
			t.Fatal(err)
		}
		w.expect(report, map[string]int{"create": 1})
		if n := len(order.so()); n > 200 {
			t.Errorf("%s was the %dth", name, n)
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if names := order.so(); count(names, "later") != 0 || count(names, "late") != 1 || len(names) != 241 {
		t.Errorf("%d were created; later: %d, late: %d", len(names), count(names, "later"), count(names, "late"))
	}
	w.expect(w.sync(), map[string]int{"create": 1, "skip": 1}) // late is known already
	w.again()
}
