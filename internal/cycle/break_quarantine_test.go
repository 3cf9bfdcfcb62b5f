package cycle_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
)

// A target that fails every second write is left alone after tens of requests, not thousands, and the
// cause stands beside the exchange that shows it.
func TestEverySecondRequestFails(t *testing.T) {
	w := onSQLite(t)
	w.people("p", 400)
	w.app.Provisioning.Scope = "all"
	w.app.Provisioning.Quarantine.Failures = 100 // answers come in any order: five failures may well follow each other
	var writes atomic.Int64
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && writes.Add(1)%2 == 0 {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		next.ServeHTTP(rw, r)
	})
	w.save()
	r, err := w.trySync()
	if err != nil || r.Stopped == nil {
		t.Fatalf("it went on: %+v, %v", r, err)
	}
	if n := writes.Load(); n > 60 {
		t.Errorf("%d writes until it was left alone", n)
	}
	q := w.stands().Quarantine
	if q == nil || !strings.Contains(q.Rule, "quarantine.share") || q.Exchange == nil || q.Exchange.Status != http.StatusBadGateway {
		t.Errorf("%+v", q)
	}
}

// Objects at which the target always fails do not keep the others from it.
func TestObjectsThatFailHoldNobodyUp(t *testing.T) {
	w := onSQLite(t)
	names := w.people("p", 60)
	w.app.Provisioning.Scope = "all"
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		var id string
		if r.Method == http.MethodPatch {
			id = r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		}
		for _, n := range names[:8] {
			if id != "" && id == w.target.UserID(n) {
				rw.WriteHeader(http.StatusInternalServerError)
				return
			}
		}
		next.ServeHTTP(rw, r)
	})
	w.save()
	w.sync()
	for _, n := range names[:8] {
		w.set(n, "title", "x")
	}
	for range 3 { // it trips on those that fail for the first time, and by then each of them has
		if _, err := w.trySync(); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range names[8:] {
		w.set(n, "title", "x")
	}
	w.expect(w.sync(), map[string]int{"update": 52, "failed": 8})
	if p := w.stands(); p.Quarantine != nil || p.Escrow != 8 {
		t.Errorf("%+v", p)
	}
}

// Managers whom the target refuses are no fault of the connection.
func TestRefusedReferencesAreNoQuarantine(t *testing.T) {
	w := onSQLite(t)
	w.user("boss")
	for i := range 50 {
		w.user(fmt.Sprintf("p%02d", i), "manager", "boss")
	}
	w.app.Provisioning.Scope = "all"
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"manager"`) {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(rw, r)
	})
	w.save()
	r, err := w.trySync()
	if err != nil || r.Stopped != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if p := w.stands(); p.Quarantine != nil || p.Escrow != 50 {
		t.Errorf("%+v", p)
	}
}

// Rights that are lost in the middle of a pass end it, and park nearly nobody.
func TestRightsLostInTheMiddle(t *testing.T) {
	w := onSQLite(t)
	w.people("p", 200)
	w.app.Provisioning.Scope = "all"
	w.app.Connection.Limits.Concurrency = 2
	var writes atomic.Int64
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		n := writes.Load()
		if r.Method == http.MethodPost {
			n = writes.Add(1)
		}
		switch {
		case n == 20: // this one object
			rw.WriteHeader(http.StatusForbidden)
		case n > 40:
			rw.WriteHeader(http.StatusForbidden)
		default:
			next.ServeHTTP(rw, r)
		}
	})
	w.save()
	r, err := w.trySync()
	if err != nil || r.Stopped == nil {
		t.Fatalf("it went on: %+v, %v", r, err)
	}
	if p := w.stands(); p.Quarantine == nil || p.Parked > 2 {
		t.Errorf("%d are parked, quarantine %+v", p.Parked, p.Quarantine)
	}
}

// That the question about rights finds no answer does not make one refusal everybody's.
func TestUnansweredQuestionAboutRights(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.set("ada", "title", "x")
	w.target.Fail(connectortest.Fault{Method: "PATCH", Status: 403, Times: -1})
	w.target.Fail(connectortest.Fault{Method: "GET", Status: 429, Header: map[string]string{"Retry-After": "1"}, Times: 1})
	r, err := w.trySync()
	if err != nil || r.Stopped != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if p := w.stands(); p.Quarantine != nil || p.Parked != 1 {
		t.Errorf("%+v", p)
	}
}

// A pause that the target asked for is no failure of anybody: nothing is escrowed, nobody is told, and the
// work goes on after it.
func TestPauseIsNoQuarantine(t *testing.T) {
	w := onSQLite(t)
	names := w.people("p", 20)
	w.app.Provisioning.Scope = "all"
	w.save()
	w.sync()
	for _, n := range names {
		w.set(n, "title", "x")
	}
	w.target.Fail(connectortest.Fault{Method: "PATCH", Status: 429, Header: map[string]string{"Retry-After": "3000"}, Times: -1})
	r, err := w.trySync()
	if err != nil || r.Stopped == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	// Those that were under way when the pause began met it, and no others.
	if p := w.stands(); p.Quarantine != nil || p.Escrow > 16 {
		t.Errorf("%+v", p)
	}
	w.target.Heal()
	w.expect(w.sync(), map[string]int{"update": 20})
	w.again()
}

// Such a pause is none either when it is a read that asks for it, of one person or of all, and what serves notes it as
// the target's wish and not as its own trouble.
func TestPauseOfReads(t *testing.T) {
	for name, people := range map[string]int{"of one": 1, "of all": 200} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			w.people("p", people)
			w.app.Provisioning.Scope = "all"
			w.target.Fail(connectortest.Fault{Status: 429, Header: map[string]string{"Retry-After": "3000"}, Times: -1})
			w.on()
			w.serving()
			w.until("the pass has ended", func() bool { p := w.stands(); return p.Trouble != nil || p.Quarantine != nil })
			p := w.stands()
			if p.Quarantine != nil || p.Escrow != 0 || p.Trouble == nil {
				t.Fatalf("%+v", p)
			}
			if x := p.Trouble; !x.Pause || x.RetryAt.Sub(w.store.Now()) < 40*time.Minute {
				t.Errorf("%+v", x)
			}
			w.target.Heal()
			w.expect(w.sync(), map[string]int{"create": people})
		})
	}
}

// Probes back off, and the application comes back by itself with its position.
func TestComesBackByItself(t *testing.T) {
	w, c := withClock(t)
	small(w)
	w.target.Fail(connectortest.Fault{Status: 503, Times: -1})
	w.set("ada", "title", "x")
	w.set("bob", "title", "x")
	byItself := func(o *cycle.Options) { o.ByHand = false }
	began := w.stands().Watermark
	var pauses []time.Duration
	for i := range 4 {
		if _, err := w.trySync(byItself); err != nil {
			t.Fatal(err)
		}
		q := w.stands().Quarantine
		if q == nil {
			c.add(time.Hour) // two failures are not enough: the next try of each is due
			continue
		}
		if q.Exchange == nil {
			t.Errorf("probe %d left no exchange", i)
		}
		pauses = append(pauses, q.NextProbe.Sub(w.store.Now()))
		c.add(q.NextProbe.Sub(w.store.Now()))
	}
	for i := 1; i < len(pauses); i++ {
		if pauses[i] != 2*pauses[i-1] {
			t.Errorf("pauses %v", pauses)
		}
	}
	if got := w.stands().Watermark; got < began {
		t.Errorf("the position went back from %d to %d", began, got)
	}
	w.target.Heal()
	c.add(24 * time.Hour)
	if _, err := w.trySync(byItself); err != nil {
		t.Fatal(err)
	}
	if q := w.stands().Quarantine; q != nil {
		t.Errorf("still in quarantine: %+v", q)
	}
	for _, n := range []string{"ada", "bob"} {
		if w.account(n)["title"] != "x" {
			t.Errorf("%s was not updated", n)
		}
	}
}

// What put an application into quarantine and what keeps it there have one name where they are one cause, and say what to do: a second
// name would be told to people as a second cause.
func TestProbesNameTheSameCause(t *testing.T) {
	for status, code := range map[int]string{http.StatusUnauthorized: connector.DiagnosisToken, http.StatusBadGateway: connector.DiagnosisUnreachable} {
		t.Run(code, func(t *testing.T) {
			w := onSQLite(t)
			w.people("p", 20)
			w.app.Provisioning.Scope = "all"
			w.save()
			w.target.Fail(connectortest.Fault{Status: status, Times: -1})
			for _, when := range []string{"at first", "after a probe"} {
				if r, err := w.trySync(); err != nil || r.Stopped == nil {
					t.Fatalf("%s: it went on: %+v, %v", when, r, err)
				}
				if q := w.stands().Quarantine; q == nil || q.Code != code || q.Next == "" {
					t.Errorf("%s: quarantine %+v, want %s", when, q, code)
				}
			}
		})
	}
}
