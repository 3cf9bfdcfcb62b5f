package cycle_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/provision"
)

// What was to be tried again, or looked at, by a clock that was ahead does not wait until that time has
// really come.
func TestClockSetBackWhileSomethingWaits(t *testing.T) {
	w, clock := withClock(t)
	w.user("ada")
	w.app.Provisioning.Reconcile = 0 // it would look at everybody
	w.on()
	w.group("Team", "ada")
	w.assign("Team")
	w.target.Fail(connectortest.Fault{Method: http.MethodPost, Path: "Users", Status: http.StatusBadRequest, Times: 1})
	w.expect(w.sync(), map[string]int{"create": 1, "failed": 1})
	bob := w.user("bob")
	if _, err := w.store.Assign(t.Context(), by, w.app.ID, provision.Assignment{User: bob.ID}); err != nil {
		t.Fatal(err)
	}
	clock.ms.Add(-(30 * 24 * time.Hour).Milliseconds())
	w.serving()
	w.until("who is due has an account", func() bool { return w.target.UserID("bob") != "" })
	w.until("who was in escrow has an account", func() bool { return w.target.UserID("ada") != "" })
	w.settled()
}

// A clock that jumps while a server runs, forward by a day and back by an hour, brings what is due by the schedule once
// and nothing else: no cycle after the other, and no change that is overlooked.
func TestClockJumpsWhileServing(t *testing.T) {
	for name, jumps := range map[string][]time.Duration{
		"a day forward":       {24 * time.Hour},
		"an hour back":        {-time.Hour},
		"forward and back":    {24 * time.Hour, -24 * time.Hour},
		"back, then it comes": {-time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w, clock := withClock(t)
			names := w.people("p", 30)
			w.app.Provisioning.Scope = "all"
			w.on()
			w.serving()
			w.until("all have accounts", func() bool { return len(w.target.UserIDs()) == len(names) })
			w.settled()
			before := w.cycles()
			for i, jump := range jumps {
				w.set(names[0], "title", fmt.Sprint("Before ", i)) // on its way when the clock jumps
				clock.ms.Add(jump.Milliseconds())
				w.set(names[1], "title", fmt.Sprint("After ", i))
				w.until("both changes arrive", func() bool {
					return w.titled(names[0], fmt.Sprint("Before ", i)) && w.titled(names[1], fmt.Sprint("After ", i))
				})
				w.settled()
			}
			if jumps[0] > 0 {
				w.until("the daily reconcile has run", func() bool { return w.reconciles() > 0 })
			}
			// What would follow a jump by itself has had its turn when changes have gone through after several looks.
			for i := range 3 {
				<-time.After(1100 * time.Millisecond) // the schedule looks once a second, by the clock that does not jump
				w.set(names[2], "title", fmt.Sprint("Later ", i))
				w.until("a change arrives", func() bool { return w.titled(names[2], fmt.Sprint("Later ", i)) })
			}
			w.settled()
			if n := w.reconciles(); n > len(jumps) {
				t.Errorf("%d reconciles", n)
			}
			// Each change its cycle, each jump at most one by the interval and a reconcile.
			if n := w.cycles() - before; n > 2*len(jumps)+3+2*len(jumps) {
				t.Errorf("%d cycles followed %d jumps", n, len(jumps))
			}
			w.again()
		})
	}
}

func (w *world) cycles() int {
	w.t.Helper()
	list, err := w.store.Cycles(w.t.Context(), w.app.ID, "", 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

func (w *world) reconciles() (n int) {
	w.t.Helper()
	list, err := w.store.Cycles(w.t.Context(), w.app.ID, "", 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range list {
		if c.Type == cycle.Reconcile && c.State == "done" {
			n++
		}
	}
	return n
}
