package cycle

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

func TestDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	// An application that has nothing to do.
	calm := store.Slot{Every: 10 * time.Minute, ReconcileEvery: 24 * time.Hour, Completed: ago(time.Minute), Reconciled: ago(time.Hour)}
	for name, test := range map[string]struct {
		change func(*store.Slot)
		want   string
	}{
		"nothing":            {func(s *store.Slot) {}, ""},
		"never run":          {func(s *store.Slot) { s.Completed = time.Time{} }, "initial"},
		"interval":           {func(s *store.Slot) { s.Completed = ago(10 * time.Minute) }, "interval"},
		"reconcile":          {func(s *store.Slot) { s.Reconciled = ago(24 * time.Hour) }, "reconcile"},
		"no reconciles":      {func(s *store.Slot) { s.Reconciled, s.ReconcileEvery = time.Time{}, 0 }, ""},
		"due":                {func(s *store.Slot) { s.Due = now }, "something is due"},
		"due later":          {func(s *store.Slot) { s.Due = now.Add(time.Second) }, ""},
		"woken":              {func(s *store.Slot) { s.Woken, s.Due = ago(time.Second), now }, ""},
		"the job was lost":   {func(s *store.Slot) { s.Woken = ago(store.WakeLost) }, "its job was lost"},
		"runs":               {func(s *store.Slot) { s.Leased, s.Running, s.Completed = true, true, ago(time.Hour) }, ""},
		"its node died":      {func(s *store.Slot) { s.Running = true }, "its node died"},
		"a change":           {func(s *store.Slot) { s.Behind = ago(time.Second) }, ""},
		"a change that lies": {func(s *store.Slot) { s.Behind = ago(behindFor) }, "changes wait"},
		"quarantine": {func(s *store.Slot) {
			s.Quarantine, s.Due = &store.Quarantine{Since: ago(time.Hour), NextProbe: now.Add(time.Minute)}, now
		}, ""},
		"a probe":                {func(s *store.Slot) { s.Quarantine = &store.Quarantine{Since: ago(time.Hour), NextProbe: now} }, "probe"},
		"trouble":                {func(s *store.Slot) { s.Trouble, s.Due = &store.Trouble{RetryAt: now.Add(time.Second)}, now }, ""},
		"trouble that is over":   {func(s *store.Slot) { s.Trouble, s.Due = &store.Trouble{RetryAt: now}, now }, "something is due"},
		"clock set back an hour": {func(s *store.Slot) { s.Completed = now.Add(time.Hour) }, "interval"},
		"set back, reconcile":    {func(s *store.Slot) { s.Reconciled = now.Add(time.Hour) }, "reconcile"},
		"set back, quarantine": {func(s *store.Slot) {
			s.Quarantine = &store.Quarantine{Since: now.Add(time.Hour), NextProbe: now.Add(time.Hour)}
		}, "probe"},
		"set back, woken":     {func(s *store.Slot) { s.Woken = now.Add(time.Hour) }, "its job was lost"},
		"set back, behind":    {func(s *store.Slot) { s.Behind = now.Add(time.Hour) }, "changes wait"},
		"set back, trouble":   {func(s *store.Slot) { s.Trouble, s.Due = &store.Trouble{RetryAt: now.Add(3 * time.Hour)}, now }, "something is due"},
		"clocks of two nodes": {func(s *store.Slot) { s.Completed, s.Reconciled = now.Add(time.Second), now.Add(time.Second) }, ""},
	} {
		s := calm
		test.change(&s)
		if got := due(s, now); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// A process that was stopped for longer than its lease lasts sends nothing more, whatever it believes.
func TestNothingIsSentWithoutTheLease(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		ctx := t.Context()
		s := storetest.Open(t, c)
		app := &provision.Application{Name: "app", Template: "scim2", Provisioning: provision.Provisioning{Status: "on"}}
		if _, err := s.SaveApplication(ctx, store.Actor{Name: "tester"}, app); err != nil {
			t.Fatal(err)
		}
		e := &Engine{Store: s, Node: "first", LeaseTime: time.Hour, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		held, err := e.lease(ctx, app, "first", 0, false)
		if err != nil {
			t.Fatal(err)
		}
		defer held.release()
		if err := held.check(); err != nil {
			t.Fatalf("with the lease: %v", err)
		}
		long := time.Now().Add(-2 * time.Hour)
		held.renewed.Store(&long)
		if err := held.check(); err != nil {
			t.Fatalf("after a stop in which nobody else began: %v", err)
		}
		// Somebody else began meanwhile.
		if err := s.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "update leases set holder = $1, node = 'second' where app_id = $2", heldBy(t, s)+"/second", app.ID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		held.renewed.Store(&long)
		var busy *ErrBusy
		if err := held.check(); !errors.As(err, &busy) || busy.Node != "second" {
			t.Errorf("after a stop in which somebody else began: %v", err)
		}
		if held.open.Err() == nil {
			t.Error("more may be begun")
		}
		// The wall's clock tells what the steady one does not: that the machine slept.
		slept := time.Now().Round(0).Add(-2 * time.Hour)
		held.renewed.Store(&slept)
		if held.fresh() {
			t.Error("a machine that slept believes in its lease")
		}
	})
}

// heldBy returns the part of a lease's holder that names the process.
func heldBy(t *testing.T, s *store.Store) string {
	t.Helper()
	var holder string
	if err := s.Read(context.Background(), func(tx *store.Tx) error {
		return tx.QueryRow(context.Background(), "select holder from leases").Scan(&holder)
	}); err != nil {
		t.Fatal(err)
	}
	return holder[:len(holder)-len("/first")]
}
