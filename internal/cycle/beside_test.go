package cycle_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/store"
)

// What people do while a cycle runs.

// titles maps another constant to everybody's title.
func (w *world) titles(title string) {
	w.t.Helper()
	w.app.Mappings.Users = slices.Clone(w.app.Mappings.Users)
	for i, m := range w.app.Mappings.Users {
		if m.Target == "title" {
			w.app.Mappings.Users[i] = mapping.Mapping{Target: "title", Constant: title}
		}
	}
	w.save()
}

// Who leaves and comes back while a pass reads the target, or plans, is on in the end: what went ahead of the pass is not the last word.
func TestBackBeforeThePassHasRead(t *testing.T) {
	w := onSQLite(t)
	large(w, 1200)
	w.app.Provisioning.Scope = "all"
	w.save()
	w.sync()
	seen := false
	w.sync(reconciling, both(
		stage("reading", 1, func() { w.set("ada", "active", false) }),
		stage("reading", 2, func() {
			seen = true
			w.active("ada", false)
			w.set("ada", "active", true)
		}),
	))
	if !seen {
		t.Error("nothing was read afterwards")
	}
	w.active("ada", true)
	w.again()
}

// Removals that are planned while other operations are being taken from the queue are weighed before they are taken.
func TestRemovalsAreWeighedBeforeTheyAreTaken(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Hold.Max = 4
	names := crowd(w, 40)
	joiners := w.people("j", 1500)
	w.group("Joiners", joiners...)
	w.assign("Joiners")
	var posts atomic.Int64
	var busy sync.WaitGroup
	leavers := names
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		// Now and then people leave, and the database is busy while the pass plans that and takes more of the queue.
		if n := posts.Add(1); r.Method == http.MethodPost && n%200 == 100 && len(leavers) >= 5 {
			some := leavers[:5]
			leavers = leavers[5:]
			w.leave("All", some...)
			busy.Go(func() {
				err := w.store.Write(t.Context(), func(*store.Tx) error {
					<-time.After(600 * time.Millisecond) // longer than the pass goes without a look
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		next.ServeHTTP(rw, r)
	})
	w.save()
	w.sync()
	busy.Wait()
	for _, name := range names {
		w.active(name, true)
	}
	if n := len(names) - len(leavers); n < 10 || len(w.held()) < n {
		t.Errorf("%d left, %d are held", n, len(w.held()))
	}
}

// Who has just come and is wanted at once beside a running cycle gets one account.
func TestOnDemandOfANewcomerBesideACycle(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		w.people("p", 400)
		w.app.Provisioning.Scope = "all"
		w.concurrency = 2
		var order made
		began := make(chan struct{})
		var once sync.Once
		w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			if order.note(r) != "" {
				once.Do(func() { close(began) })
				<-time.After(20 * time.Millisecond)
			}
			next.ServeHTTP(rw, r)
		})
		w.on()
		end, _ := w.load()
		<-began
		asker := *w.engine
		for i := range 4 {
			name := fmt.Sprintf("new%d", i)
			w.user(name)
			report, err := w.demand(&asker, name)
			if err != nil {
				w.t.Fatal(err)
			}
			if n := count(order.so(), name); n != 1 || report.Failed > 0 {
				w.t.Errorf("%s was created %d times: %v, %d failed", name, n, report.Summary, report.Failed)
			}
		}
		_ = end()
	})
}

// A cycle that runs while its configuration is changed ends, and the next one goes on by the new one: neither do thousands get what
// somebody has just corrected, nor is the correction taken for done.
func TestConfigurationChangesDuringACycle(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		names := w.people("p", 100)
		w.app.Provisioning.Scope = "all"
		var order made
		changed := make(chan struct{})
		w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			if order.note(r); len(order.so()) > 20 {
				<-changed
			}
			next.ServeHTTP(rw, r)
		})
		w.titles("Old")
		w.on()
		w.serving()
		w.until("it is in the middle", func() bool { return len(order.so()) > 20 })
		w.titles("New")
		time.AfterFunc(time.Second, func() { close(changed) }) // long after it was noticed
		w.until("all have what the mapping says now", func() bool {
			return !slices.ContainsFunc(names, func(n string) bool { return !w.titled(n, "New") })
		})
		w.settled()
		if n := len(order.so()); n != len(names) {
			w.t.Errorf("%d creates for %d people", n, len(names))
		}
		old := 0
		for _, l := range w.target.Log() {
			if l.Method == http.MethodPost && strings.Contains(l.Body, `"Old"`) {
				old++
			}
		}
		if old > 60 {
			w.t.Errorf("%d of %d were made by the old mapping", old, len(names))
		}
		w.again()
	})
}

// A cycle that is too short to notice takes nothing for done either.
func TestConfigurationChangesDuringAShortCycle(t *testing.T) {
	onEach(t, func(w *world) {
		w.user("ada")
		w.app.Provisioning.Scope = "all"
		w.titles("Old")
		var once sync.Once
		w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(rw, r)
			if r.Method == http.MethodPost {
				once.Do(func() { w.titles("New") })
			}
		})
		w.save()
		w.sync()
		if !w.titled("ada", "New") {
			w.t.Errorf("ada has %v", w.account("ada")["title"])
		}
		w.again()
	})
}

// Who stops or pauses an application means whatever runs, also what somebody began by hand, be it while the application is off. What
// is begun by hand afterwards goes on.
func TestEndsACycleByHand(t *testing.T) {
	for name, x := range map[string]struct {
		status string
		end    func(w *world) error
		why    store.Halt
	}{
		"paused":            {"on", func(w *world) error { return w.store.Pause(t.Context(), by, w.app, time.Time{}) }, store.Paused},
		"switched off":      {"on", func(w *world) error { w.app.Provisioning.Status = "off"; w.save(); return nil }, store.Off},
		"stopped while off": {"off", func(w *world) error { return w.store.EndCycle(t.Context(), w.app.ID) }, store.Off},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(w *world) {
				names := w.people("p", 100)
				w.app.Provisioning.Scope, w.app.Provisioning.Status = "all", x.status
				var writes atomic.Int64
				open := make(chan struct{})
				w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
					if r.Method == http.MethodPost && writes.Add(1) > 20 {
						<-open
					}
					next.ServeHTTP(rw, r)
				})
				w.save()
				ended := make(chan error, 1)
				go func() { _, err := w.trySync(); ended <- err }()
				w.until("it is in the middle", func() bool { return writes.Load() > 20 })
				if err := x.end(w); err != nil {
					w.t.Fatal(err)
				}
				time.AfterFunc(5*time.Second, func() { close(open) }) // long after it was noticed, on a busy machine too
				var halted *cycle.ErrHalted
				if err := <-ended; !errors.As(err, &halted) || halted.Why != x.why {
					w.t.Errorf("it ended with %v", err)
				}
				if n := writes.Load(); n > 60 {
					w.t.Errorf("%d of 100 accounts were made all the same", n)
				}
				w.sync()
				if n := len(w.target.UserIDs()); n != len(names) || writes.Load() != 100 {
					w.t.Errorf("%d accounts by %d requests", n, writes.Load())
				}
			})
		})
	}
}

// A restart beside a running cycle is not undone by that cycle's end.
func TestRestartDuringACycle(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.sync()
		var once sync.Once
		w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(rw, r)
			if r.Method != http.MethodPatch {
				return
			}
			once.Do(func() { // bob's account was made anew by somebody
				w.target.RemoveUser(w.target.UserID("bob"))
				w.target.AddUser(map[string]any{"userName": "bob", "active": true, "title": "Anew"})
				if err := w.store.Restart(w.t.Context(), w.app.ID, "links"); err != nil {
					w.t.Error(err)
				}
			})
		})
		w.save()
		w.set("ada", "title", "Countess")
		w.sync()
		w.sync()
		u, err := w.store.UserByName(w.t.Context(), "bob")
		if err != nil {
			w.t.Fatal(err)
		}
		links, err := w.store.Links(w.t.Context(), w.app.ID, directory.KindUser, []string{u.ID})
		if err != nil || links[u.ID] == nil || links[u.ID].Account.ID != w.target.UserID("bob") {
			w.t.Errorf("bob is linked to %+v, %v", links[u.ID], err)
		}
		w.again()
	})
}

// A node that was only thought dead has no say about what it had sent: more has followed that it knows nothing of.
func TestLateRecord(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.sync()
		answered, answer := make(chan struct{}), make(chan struct{})
		var first atomic.Bool
		w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(rw, r)
			if r.Method == http.MethodPatch && !first.Swap(true) {
				close(answered)
				<-answer
			}
		})
		w.save()
		stopped := *w.engine
		stopped.Node, stopped.LeaseTime = "stopped", time.Hour // it does not look after its lease
		w.set("ada", "active", false)
		app, err := w.store.Application(w.t.Context(), "target")
		if err != nil {
			w.t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { _, err := stopped.Run(w.t.Context(), app, cycle.Options{ByHand: true}); ended <- err }()
		<-answered
		if err := w.store.Write(w.t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(w.t.Context(), "delete from leases") // which ran out
			return err
		}); err != nil {
			w.t.Fatal(err)
		}
		w.set("ada", "active", true)
		w.sync()
		w.active("ada", true)
		close(answer)
		if err := <-ended; err == nil {
			w.t.Error("the stopped node has recorded what it had sent")
		}
		w.set("ada", "active", false)
		w.sync()
		w.active("ada", false)
		w.again()
	})
}

// A node that was only thought dead plans nothing any more: whoever took over has planned, and its rows would stand in the place of theirs.
func TestLatePlan(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.sync()
		asked, answer := make(chan struct{}), make(chan struct{})
		var first atomic.Bool
		w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodGet && !first.Swap(true) {
				close(asked)
				<-answer
			}
			next.ServeHTTP(rw, r)
		})
		w.save()
		stopped := *w.engine
		stopped.Node, stopped.LeaseTime = "stopped", time.Hour // it does not look after its lease
		w.user("carl")
		w.join("Engineering", "carl")
		app, err := w.store.Application(w.t.Context(), "target")
		if err != nil {
			w.t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { _, err := stopped.Run(w.t.Context(), app, cycle.Options{ByHand: true}); ended <- err }()
		<-asked
		late, err := w.store.Cycles(w.t.Context(), app.ID, "", 1)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.store.Write(w.t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(w.t.Context(), "delete from leases") // which ran out
			return err
		}); err != nil {
			w.t.Fatal(err)
		}
		w.sync()
		w.active("carl", true)
		close(answer)
		if err := <-ended; err == nil {
			w.t.Error("the stopped node has gone on")
		}
		if counts, err := w.store.Counts(w.t.Context(), late[0].ID); err != nil || len(counts) != 0 {
			w.t.Errorf("the stopped node has planned %v, %v", counts, err)
		}
		w.again()
	})
}

// Who lets through what is held means what was due then, and not what somebody brings about by mistake while the cycle lasts.
func TestApprovalIsForWhatWasDue(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 40)
	w.off(names[:7]...)
	w.expect(w.sync(), map[string]int{"held": 7})
	w.people("j", 20)
	w.app.Provisioning.Scope, w.app.Provisioning.Groups.Enabled = "all", true
	w.save()
	var once sync.Once
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost {
			once.Do(func() { // at once: two who are seen alone are too few to be held
				var leavers records
				for i, n := range names[10:20] {
					leavers = append(leavers, source.Record{Line: i + 2, Kind: directory.KindUser, Name: n, Attributes: map[string]any{"userName": n, "active": false}})
				}
				if r, err := w.store.Import(w.t.Context(), leavers, store.ImportOptions{Source: "hr", Actor: by}); err != nil || r.Updated != 10 {
					w.t.Errorf("%+v, %v", r, err)
				}
			})
		}
		next.ServeHTTP(rw, r)
	})
	w.save()
	r := w.sync(func(o *cycle.Options) { o.ApproveHeld = true })
	if r.Summary["disable"] != 7 || len(w.held()) != 10 {
		t.Errorf("%v, %d held", r.Summary, len(w.held()))
	}
	for _, n := range names[10:20] {
		w.active(n, true)
	}
}

// A held update that was rejected is not proposed again, also when the window is over; another value is.
func TestRejectedUpdate(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 20)
	w.app.Provisioning.Hold.Updates = provision.Threshold{Share: provision.Off, Count: 5}
	w.save()
	w.sync()
	for i, n := range names[:7] {
		w.set(n, "title", fmt.Sprint("b", i), "nickName", "Nick")
	}
	w.expect(w.sync(), map[string]int{"held": 7})
	w.reject(w.held()...)
	w.sync()
	w.app.Provisioning.Hold.Updates = provision.NoThreshold
	w.save()
	w.target.Forget()
	w.sync(reconciling)
	if w.target.Writes() > 0 || len(w.held()) > 0 {
		t.Fatalf("%d writes, %d held", w.target.Writes(), len(w.held()))
	}
	w.set(names[0], "title", "c")
	w.expect(w.sync(), map[string]int{"update": 1})
	if !w.titled(names[0], "c") || w.account(names[0])["nickName"] == "Nick" {
		t.Errorf("the account is %v", w.account(names[0]))
	}
	w.again()
}

// Leavers whom somebody at the target has switched on, and whom a person wants left on, stay on also when few of them are left.
func TestRejectedReactivation(t *testing.T) {
	w := onSQLite(t)
	names := crowd(w, 20)
	w.app.Provisioning.Hold.Removals = provision.Off
	w.save()
	w.off(names[:7]...)
	w.sync()
	w.app.Provisioning.Hold.Removals = 10
	w.save()
	for _, n := range names[:7] {
		w.target.EditUser(w.target.UserID(n), func(doc map[string]any) { doc["active"] = true })
	}
	w.sync(reconciling)
	w.reject(w.held()...)
	for _, n := range names[3:7] {
		w.target.EditUser(w.target.UserID(n), func(doc map[string]any) { doc["active"] = false })
	}
	for range 2 {
		w.sync(reconciling)
		for _, n := range names[:3] {
			w.active(n, true)
		}
		if n := len(w.held()); n > 0 {
			t.Errorf("%d are held", n)
		}
	}
	w.app.Provisioning.Hold.Removals = provision.Off
	w.save()
	w.set(names[0], "active", true)
	w.sync()
	w.set(names[0], "active", false)
	w.sync()
	w.active(names[0], false) // another leave is another question
}

// What has to be looked at now is, whatever is to be looked at some day when a grace period is over.
func TestLookDuringGrace(t *testing.T) {
	w, _ := withClock(t)
	w.app.Provisioning.Grace = provision.Duration(30 * 24 * time.Hour)
	w.app.Provisioning.Reconcile = 0
	w.user("mona")
	w.user("rita", "manager", "mona")
	w.group("Team", "rita")
	w.group("Bosses", "mona")
	w.assign("Team")
	w.sync()
	w.leave("Team", "rita")
	w.sync()
	w.join("Team", "rita")
	w.sync()
	w.assign("Bosses")
	w.sync()
	w.sync()
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	ext, _ := w.account("rita")[enterprise].(map[string]any)
	manager, _ := ext["manager"].(map[string]any)
	if manager["value"] != w.target.UserID("mona") {
		t.Errorf("rita's account is %v", w.account("rita"))
	}
	w.again()
}

// A clock that is set back while a server runs lets nothing wait until the time has come again.
func TestClockSetBackWhileServing(t *testing.T) {
	w, clock := withClock(t)
	w.app.Provisioning.Reconcile = 0 // it would look at everybody
	w.app.Provisioning.Scope = "all"
	w.on()
	w.serving()
	w.target.Fail(connectortest.Fault{Method: http.MethodPost, Path: "Users", Status: http.StatusBadRequest, Times: 1})
	w.user("ada")
	w.until("she is in escrow", func() bool { return w.stands().Escrow == 1 })
	w.settled()
	clock.add(-30 * 24 * time.Hour)
	w.until("she has an account", func() bool {
		clock.add(time.Millisecond) // it goes on, only earlier
		return w.target.UserID("ada") != ""
	})
	w.settled()
}

// An account whose making was undone, and that somebody at the target switched on all the same, is looked after as every other one: whoever is in
// scope and has an account that is on has it as the directory says.
func TestUndoneAccountSwitchedOnThere(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.user("dora", "title", "Engineer")
	w.join("Engineering", "dora")
	w.undo(w.sync().Cycle.ID)
	w.active("dora", false)
	w.set("dora", "title", "Head of Sales")
	w.sync()
	w.target.EditUser(w.target.UserID("dora"), func(doc map[string]any) { doc["active"] = true })
	w.sync(reconciling)
	if !w.titled("dora", "Head of Sales") {
		t.Errorf("her account is %v", w.account("dora"))
	}
	w.active("dora", true)
	w.again()
}

// However many applications have a long cycle under way, a leaver of another one does not wait for their end.
func TestManyLongCycles(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.on()
	var hanging atomic.Int64
	open := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		hanging.Add(1)
		<-open
		rw.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(open) })
	const many = 50
	for i := range many {
		app := *w.app
		app.ID, app.Name = "", fmt.Sprint("slow", i)
		app.Connection.Endpoint = slow.URL + fmt.Sprintf("/%d/scim/v2/", i)
		app.Connection.Limits.Concurrency = 1
		if _, err := w.store.SaveApplication(t.Context(), by, &app); err != nil {
			t.Fatal(err)
		}
	}
	w.serving()
	w.until("all of them wait for their target", func() bool { return hanging.Load() >= many })
	w.set("ada", "active", false)
	w.until("the leaver is off", func() bool { return w.account("ada")["active"] == false })
}
