package cycle_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// What a mapping calls sensitive is in no record of what is over, whatever became of it.
func TestSensitiveValuesAreNotKept(t *testing.T) {
	w := onSQLite(t)
	const secret = "Confidential-4711"
	for i, m := range w.app.Mappings.Users {
		if m.Target == "title" {
			w.app.Mappings.Users[i].Sensitive = true
		}
	}
	w.target.AddUser(map[string]any{"userName": "ada", "active": true, "title": secret + " there"})
	w.target.AddUser(map[string]any{"userName": "bob", "active": true, "title": secret})
	w.user("ada", "title", secret)
	w.user("bob", "title", secret)
	w.user("cleo", "title", secret)
	w.user("dora", "title", secret)
	w.user("emil", "title", secret)
	w.group("All", "ada", "bob", "cleo", "dora", "emil")
	w.assign("All")
	app, _ := w.store.Application(t.Context(), "target")
	plan, err := w.engine.Plan(t.Context(), app, cycle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range w.operations(plan.ID) {
		if text, _ := json.Marshal(o.Changes()); strings.Contains(string(text), secret) {
			t.Errorf("the plan shows %s", text)
		}
	}
	refuse := func(rw http.ResponseWriter, body string) {
		rw.WriteHeader(400)
		_, _ = fmt.Fprintf(rw, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","detail":"the title %s is not allowed"}`, body)
	}
	var drops atomic.Int64
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		b := make([]byte, 1<<16)
		n, _ := r.Body.Read(b)
		body := string(b[:n])
		r.Body = http.NoBody
		if n > 0 {
			r.Body = readCloser{strings.NewReader(body)}
		}
		switch {
		case r.Method == "POST" && strings.Contains(body, "dora"):
			refuse(rw, secret)
			return
		case r.Method == "POST" && strings.Contains(body, "emil") && drops.Add(1) == 1:
			rw.WriteHeader(500) // perhaps it was carried out
			return
		}
		next.ServeHTTP(rw, r)
	})
	w.save()
	w.sync()
	w.set("cleo", "title", secret+" new")
	w.sync()
	w.leave("All", "cleo", "dora", "emil")
	w.sync()
	w.sync()
	for table, columns := range map[string]string{
		"operations": "reason || want || detail || steps || coalesce(error, '') || coalesce(exchange, '')",
		"escrow":     "error",
		"cycles":     "summary || coalesce(error, '')",
	} {
		where := ""
		if table == "operations" {
			where = " where cycle_id <> '" + plan.ID + "'"
		}
		for _, row := range w.rows(`select ` + columns + ` from ` + table + where) {
			if strings.Contains(row, "Confidential") {
				t.Errorf("%s keeps %s", table, row)
			}
		}
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// rows reads one text column past the store.
func (w *world) rows(query string) []string {
	w.t.Helper()
	var out []string
	err := w.store.Read(w.t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(w.t.Context(), query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			out = append(out, s)
		}
		return rows.Err()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// A plan that is made while a reconcile runs takes nothing from under it.
func TestPlanBesideAReconcile(t *testing.T) {
	onEach(t, func(w *world) {
		w.app.Provisioning.Drift.Accounts = "repair"
		var n atomic.Int64
		var on atomic.Bool
		w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			if on.Load() && r.Method == "GET" && strings.HasPrefix(r.URL.Path, "/scim/v2/Groups") && n.Add(1) == 1 {
				// People have been read: now somebody else asks for a plan, which is slow to read them.
				app, _ := w.store.Application(context.Background(), "target")
				started := make(chan struct{})
				slow := w.engine2(func(ctx context.Context) { close(started); <-ctx.Done() })
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = slow.Plan(ctx, app, cycle.Options{Reconcile: true})
				}()
				<-started
				cancel()
				<-done
			}
			next.ServeHTTP(rw, r)
		})
		small(w)
		on.Store(true)
		w.expect(w.sync(reconciling), map[string]int{"skip": 4})
		if n := len(w.target.UserIDs()); n != 3 {
			w.t.Errorf("%d accounts, want 3", n)
		}
	})
}

// engine2 is another engine on the same store, whose reading of the target calls back at its first page.
func (w *world) engine2(at func(ctx context.Context)) *cycle.Engine {
	e := *w.engine
	e.Node = "other"
	e.Open = func(ctx context.Context, app *provision.Application) (cycle.Target, error) {
		copied := *app
		target, err := w.open(ctx, &copied)
		target.Connector = &callback{Connector: target.Connector, at: at}
		return target, err
	}
	return &e
}

// Two engines on one database do everything once.
func TestTwoEnginesOneApplication(t *testing.T) {
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		if c.Database == "" {
			return // an embedded database has one process
		}
		w := newWorld(t, storetest.Open(t, c))
		c.Data = t.TempDir()
		names := w.people("p", 60)
		w.group("All", names...)
		w.assign("All")
		other := *w.engine
		other.Node = "other"
		var all sync.WaitGroup
		for _, e := range []*cycle.Engine{w.engine, &other, w.engine, &other} {
			all.Add(1)
			go func() {
				defer all.Done()
				app, err := w.store.Application(context.Background(), "target")
				if err != nil {
					t.Error(err)
					return
				}
				var busy *cycle.ErrBusy
				if _, err := e.Run(context.Background(), app, cycle.Options{}); err != nil && !errors.As(err, &busy) {
					t.Error(err)
				}
			}()
		}
		all.Wait()
		if n := w.target.Count("POST", "Users"); n != 60 {
			t.Errorf("%d creates for 60 people", n)
		}
		w.again()
	})
}

// A leaver does not wait behind all that was taken before.
func TestLeaverGoesAheadOfTheQueue(t *testing.T) {
	w := onSQLite(t)
	var writes, seen atomic.Int64
	var on atomic.Bool
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if on.Load() && r.Method != "GET" {
			n := writes.Add(1)
			if n == 10 {
				w.off("ada")
			}
			if r.Method == "PATCH" && seen.Load() == 0 {
				seen.Store(n)
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-r.Context().Done():
			}
		}
		next.ServeHTTP(rw, r)
	})
	w.app.Provisioning.Groups.Enabled = false
	w.user("ada")
	w.group("All", "ada")
	w.assign("All")
	w.sync()
	w.app.Connection.Limits.Concurrency = 4
	w.save()
	w.join("All", w.people("p", 240)...)
	on.Store(true)
	w.sync()
	if n := seen.Load(); n == 0 || n > 200 {
		t.Errorf("the leaver's turn came as write %d of 241", n)
	}
}

// Whatever ends a pass in the middle, the next one ends where an undisturbed one would have.
func TestEndedInTheMiddle(t *testing.T) {
	for name, end := range map[string]func(w *world, cancel func()){
		"credentials": func(w *world, _ func()) { w.target.Fail(connectortest.Fault{Status: 401, Times: -1}) },
		"cancelled":   func(_ *world, cancel func()) { cancel() },
		"target gone": func(w *world, _ func()) {
			w.target.Fail(connectortest.Fault{Drop: connectortest.AfterWrite, Times: -1})
		},
		"database": func(w *world, _ func()) { w.lock() },
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			var n atomic.Int64
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method == "POST" && n.Add(1) == 25 {
					end(w, cancel)
				}
				next.ServeHTTP(rw, r)
			})
			// The target shows some values late, so that something is still to be looked at again.
			w.target.Behave(func(b *connectortest.Behaviour) { b.StaleReads = 1 })
			names := w.people("p", 60)
			w.group("All", names...)
			w.assign("All")
			app, _ := w.store.Application(t.Context(), "target")
			r, err := w.engine.Run(ctx, app, cycle.Options{ByHand: true})
			if err == nil && r.Stopped == nil {
				t.Fatal("the pass was not ended")
			}
			w.target.Heal()
			w.unlock()
			for range 3 {
				w.sync()
			}
			if n := len(w.target.UserIDs()); n != 60 {
				t.Errorf("%d accounts, want 60", n)
			}
			w.groupMembers("All", names...)
			w.again()
		})
	}
}

// What a pass that died did to a group is Muster's doing also for members of whom nothing had been recorded: they
// leave the group as others do, whenever they leave it in the directory. They were taken for people who had been
// in the group before Muster came, and stayed.
func TestGroupMadeBeforeItsMembersWereRecorded(t *testing.T) {
	for name, leaves := range map[string]int{"before the next pass": 0, "after it": 1} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			var first, made sync.Once
			inside, leave, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
			w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method == http.MethodPost {
					first.Do(func() {
						go func() { // the disk is busy, and then it is full
							defer close(over)
							_ = w.store.Write(context.Background(), func(tx *store.Tx) error {
								close(inside)
								<-leave
								_, err := tx.Exec(context.Background(), broken)
								return err
							})
						}()
						<-inside
					})
				}
				next.ServeHTTP(rw, r)
				if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/Groups") {
					made.Do(func() { close(leave); <-over })
				}
			})
			names := w.people("p", 5)
			w.group("All", names...)
			w.assign("All")
			if _, err := w.trySync(); err == nil {
				t.Fatal("the pass was not ended")
			}
			w.groupMembers("All", names...)
			w.unlock()
			w.group("Others", names...)
			w.assign("Others")
			for i := range 2 {
				if i == leaves {
					w.leave("All", names[0], names[1])
				}
				w.sync()
			}
			w.groupMembers("All", names[2:]...)
			w.groupMembers("Others", names...)
			w.again()
		})
	}
}

// lock and unlock take the database's right to make links away, as a full disk would.
func (w *world) lock()   { w.statement(broken) }
func (w *world) unlock() { w.statement(`drop trigger if exists broken`) }

const broken = `create trigger broken before insert on links begin select raise(abort, 'disk I/O error'); end`

func (w *world) statement(text string) {
	if err := w.store.Write(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Exec(context.Background(), text)
		return err
	}); err != nil {
		w.t.Error(err)
	}
}

// callback is a connector that says when it is asked to read.
type callback struct {
	connector.Connector
	at func(ctx context.Context)
}

func (c *callback) Read(ctx context.Context, q connector.Query) iter.Seq2[connector.Account, error] {
	c.at(ctx)
	return c.Connector.Read(ctx, q)
}
