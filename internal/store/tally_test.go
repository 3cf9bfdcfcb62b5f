package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// A chart is the same whether its hours have been counted or not, whenever that happened, and stays when the log is pruned.
func TestTallies(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		ctx := t.Context()
		now := time.Date(2026, 11, 28, 12, 30, 0, 0, time.UTC)
		c.Clock = func() time.Time { return now }
		s := storetest.Open(t, c)
		n := 0
		ended := func(app, state, status string, at time.Time, lag time.Duration) {
			t.Helper()
			n++
			var changed any
			if lag > 0 {
				changed = at.Add(-lag).UnixMilli()
			}
			must(t)(s.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, `insert into operations (id, app_id, cycle_id, type, action, state, urgency, rank, object_id, object_name, cause, reason, want, detail, steps, status, initiated_by, changed_at, created_at, finished_at)
					values ($1, $2, 'c', 'user', 'update', $3, 0, 0, 'u', 'u', '', '', '{}', '{}', '[]', $4, '', $5, $6, $6)`, fmt.Sprint("o", n), app, state, status, changed, at.UnixMilli())
				return err
			}))
		}
		begin := now.Truncate(time.Hour).Add(-49 * time.Hour)
		for i := range 98 {
			at := begin.Add(time.Duration(i) * 30 * time.Minute)
			ended("a", "applied", "success", at, time.Duration(1+i%7)*time.Second)
			ended("b", "applied", "success", at.Add(time.Minute), 0)
			if i%5 == 0 {
				ended("a", "failed", "failure", at, time.Hour)
			}
		}
		ended("a", "dropped", "", now.Add(-time.Hour), 0) // nothing that was done
		look := func(app string, piece time.Duration) []store.Activity {
			t.Helper()
			found, err := s.Activity(ctx, app, begin.Truncate(piece).Add(piece), now, piece)
			must(t)(err)
			return found
		}
		type chart struct {
			app   string
			piece time.Duration
		}
		charts := []chart{{"", time.Hour}, {"a", time.Hour}, {"", 6 * time.Hour}, {"b", 24 * time.Hour}, {"", time.Minute}}
		before := map[chart][]store.Activity{}
		for _, c := range charts {
			before[c] = look(c.app, c.piece)
		}
		if got := before[charts[1]]; len(got) < 48 || got[0].Followed != 2 || got[0].Status["success"] != 2 || got[0].Worst < got[0].Lag || got[0].Lag == 0 {
			t.Fatalf("the chart of the log is %+v", got)
		}
		same := func(when string) {
			t.Helper()
			for _, c := range charts {
				if diff := cmp.Diff(before[c], look(c.app, c.piece)); diff != "" {
					t.Errorf("%s, %q by %s (-log +tallies):\n%s", when, c.app, c.piece, diff)
				}
			}
		}
		must(t)(s.TallyHourly(ctx)) // a day of it
		same("a part is counted")
		for range 4 {
			must(t)(s.TallyHourly(ctx))
		}
		same("all is counted")
		queries := s.Queries()
		must(t)(s.TallyHourly(ctx))
		if n := s.Queries() - queries; n != 0 {
			t.Errorf("with nothing to count %d queries were made", n)
		}
		rows := contents(t, s, "select hour, app_id, status, n from tallies")
		other := storetest.Open(t, store.Config{Data: t.TempDir(), Clock: c.Clock})
		must(t)(other.TallyHourly(ctx)) // of an empty log
		must(t)(s.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "delete from operations where finished_at < $1", now.Truncate(time.Hour).UnixMilli())
			return err
		}))
		delete(before, charts[4])
		charts = charts[:4]
		same("the log is pruned")

		// The hour that runs is counted from the log, and for good when it is over.
		ended("a", "applied", "success", now, time.Minute)
		now = now.Add(time.Hour)
		must(t)(s.TallyHourly(ctx))
		if got := contents(t, s, "select hour, app_id, status, n from tallies"); len(got) != len(rows)+1 {
			t.Errorf("%d hours were counted, and then %d", len(rows), len(got))
		}

		// A clock that was ahead for a while has counted hours that were not over.
		ended("a", "unknown", "warning", now.Add(-10*time.Minute), 0)
		unknown, right := fmt.Sprint("o", n), now
		now = now.Add(30 * 24 * time.Hour)
		for range 32 {
			must(t)(s.TallyHourly(ctx))
		}
		now = right
		must(t)(s.TallyHourly(ctx))
		ended("a", "applied", "success", now, 0)
		now = right.Add(time.Hour)
		must(t)(s.TallyHourly(ctx))
		found, err := s.Activity(ctx, "a", right.Truncate(time.Hour), now, time.Hour)
		must(t)(err)
		if len(found) != 1 || !cmp.Equal(found[0].Status, map[string]int{"success": 1, "warning": 1}) {
			t.Errorf("after the clock was set back the chart is %+v", found)
		}

		// What is replaced whose end was not known ended when it did, and is not counted again.
		must(t)(s.AddOperations(ctx, "", "", nil, []string{unknown}, nil))
		now = now.Add(2 * time.Hour)
		must(t)(s.TallyHourly(ctx))
		if got := contents(t, s, "select n from tallies where status = 'warning'"); len(got) != 1 || got[0] != "1" {
			t.Errorf("one operation that was not known is counted %q times", got)
		}
	})
}
