package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// Eight writers beside a reader that only ever asks for what comes after the last number it saw: it
// must see every change, and on PostgreSQL the writers really run at once.
func TestFeedLosesNothing(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		const writers, each = 8, 25
		ctx := context.Background()
		done := make(chan struct{})
		go func() {
			defer close(done)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range each {
						_, err := s.CreateUser(ctx, admin, store.UserEdit{Attributes: directory.Edit{"userName": fmt.Sprintf("w%d-%d", w, i)}})
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		}()
		var after int64
		seen := map[string]int{}
		for last := false; ; {
			changes, next, err := s.Changes(ctx, after, 10)
			must(t)(err)
			for i, c := range changes {
				if c.Seq != after+1+int64(i) {
					t.Fatalf("after %d comes %d", after+int64(i), c.Seq)
				}
				seen[c.Object]++
			}
			after = next
			if len(changes) == 0 {
				if last {
					break
				}
				select {
				case <-done:
					last = true
				default:
				}
			}
		}
		if len(seen) != writers*each {
			t.Errorf("the reader saw %d of %d people", len(seen), writers*each)
		}
	})
}

// The same reader with numbers from a sequence, as they are given out before the commit: it passes
// the number of a transaction that is still open, and loses its row. This is why the feed counts in
// a row of a table.
func TestSequenceWouldLose(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Postgres(t)) // SQLite has no sequences, and one writer at a time
	ctx := t.Context()
	exec := func(tx *store.Tx, q string) {
		_, err := tx.Exec(ctx, q)
		must(t)(err)
	}
	must(t)(s.Write(ctx, func(tx *store.Tx) error {
		exec(tx, "create sequence numbers")
		exec(tx, "create table naive (seq bigint default nextval('numbers') primary key)")
		return nil
	}))
	count := func(after int64) (n int, last int64) {
		must(t)(s.Read(ctx, func(tx *store.Tx) error {
			return tx.QueryRow(ctx, "select count(*), coalesce(max(seq), $1) from naive where seq > $1", after).Scan(&n, &last)
		}))
		return n, last
	}
	var seen int
	var after int64
	must(t)(s.Write(ctx, func(slow *store.Tx) error {
		exec(slow, "insert into naive default values") // takes 1, and is not committed
		must(t)(s.Write(ctx, func(fast *store.Tx) error { exec(fast, "insert into naive default values"); return nil }))
		seen, after = count(0)
		return nil
	}))
	more, _ := count(after)
	if seen+more != 1 {
		t.Errorf("the reader saw %d rows: sequences have learnt to wait, and the feed's counter may go", seen+more)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c.Clock = func() time.Time { return now }
		s := storetest.Open(t, c)
		ctx := t.Context()
		for i := range 10 {
			person(t, s, fmt.Sprint("p", i))
		}
		app := application("app")
		_, err := s.SaveApplication(ctx, admin, app)
		must(t)(err)
		exec := func(q string, args ...any) {
			t.Helper()
			must(t)(s.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, q, args...)
				return err
			}))
		}
		count := func(table string) (n int) {
			must(t)(s.Read(ctx, func(tx *store.Tx) error {
				return tx.QueryRow(ctx, "select count(*) from "+table).Scan(&n)
			}))
			return n
		}
		prune := func(wantChanges, wantAudit int) {
			t.Helper()
			_, err := s.Prune(ctx)
			must(t)(err)
			if n := count("changes"); n != wantChanges {
				t.Errorf("%d changes left, want %d", n, wantChanges)
			}
			if n := count("audit"); n != wantAudit {
				t.Errorf("%d audit rows left, want %d", n, wantAudit)
			}
		}
		exec("update applications set watermark = 4")
		prune(10, 11)
		now = now.Add(25 * time.Hour)
		prune(6, 11)
		exec("insert into cycles (id, app_id, type, state, watermark, basis, summary, initiated_by, created_at) values ('c', $1, 'initial', 'planned', 2, '', '{}', '', $2)", app.ID, now.UnixMilli())
		exec("update applications set watermark = 8")
		prune(6, 11)
		exec("update cycles set state = 'done', finished_at = $1", now.UnixMilli())
		prune(2, 11)
		// An application that stands still for longer than the feed is kept begins anew.
		now = now.Add(181 * 24 * time.Hour)
		prune(0, 0)
		if n := count("cycles"); n != 0 {
			t.Errorf("%d cycles left", n)
		}
		p, err := s.Progress(ctx, app.ID)
		if err != nil || p.Watermark != 0 {
			t.Errorf("watermark %v, %v", p, err)
		}
	})
}

// TestPruneDaily: once a day what is over goes, a plan that nobody ran after a week, and never what the
// guard still counts.
func TestPruneDaily(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c.Clock = func() time.Time { return now }
		s := storetest.Open(t, c)
		ctx := t.Context()
		app := application("app")
		app.Provisioning.Hold.Window = provision.Duration(48 * time.Hour)
		_, err := s.SaveApplication(ctx, admin, app)
		must(t)(err)
		must(t)(s.SetRetention(ctx, admin, store.Retention{Operations: provision.Duration(time.Hour)}))
		if err := s.SetRetention(ctx, admin, store.Retention{Audit: -1}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a negative retention: %v", err)
		}
		add := func(id, cycle, state string, finished any) {
			t.Helper()
			must(t)(s.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, `insert into operations (id, app_id, cycle_id, type, action, state, urgency, rank, object_id, object_name, cause, reason, want, detail, steps, initiated_by, created_at, finished_at)
					values ($1, $2, $3, 'user', 'disable', $4, 0, 0, $1, '', '', '', '{}', '{}', '[]', '', 0, $5)`, id, app.ID, cycle, state, finished)
				return err
			}))
		}
		must(t)(s.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "insert into cycles (id, app_id, type, state, watermark, basis, summary, initiated_by, created_at) values ('plan', $1, 'initial', 'planned', 2, '', '{}', '', $2)", app.ID, now.UnixMilli())
			return err
		}))
		add("planned", "plan", "planned", nil)
		add("counted", "c", "applied", now.UnixMilli())
		add("held", "c", "held", nil)
		for _, step := range []struct {
			later time.Duration
			want  string
		}{
			{0, "counted held planned"}, {47 * time.Hour, "counted held planned"}, {2 * time.Hour, "counted held planned"}, // not twice a day
			{24 * time.Hour, "held planned"}, {5 * 24 * time.Hour, "held"},
		} {
			now = now.Add(step.later)
			must(t)(s.PruneDaily(ctx))
			if got := strings.Join(contents(t, s, "select id from operations order by id"), " "); got != step.want {
				t.Errorf("%s later there are %q, want %q", step.later, got, step.want)
			}
		}
		if left := contents(t, s, "select id from cycles"); len(left) > 0 {
			t.Errorf("cycles left: %q", left)
		}
	})
}

// A change costs the same number of statements in a small directory and in a large one.
func TestQueriesDoNotGrow(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		cost := map[int]int64{}
		ids := map[int]string{}
		_, err := s.Import(ctx, made{to: 1000, bare: true}, store.ImportOptions{Source: "made"})
		must(t)(err)
		for _, n := range []int{1000, 20_000} {
			for copy := 1; copy < n/1000; copy++ {
				must(t)(s.Write(ctx, func(tx *store.Tx) error {
					_, err := tx.Exec(ctx, `insert into users (id, source, user_name, user_name_key, active, attributes, search, created_at, modified_at)
						select id || $1, source, user_name || $1, user_name_key || $1, active, attributes, search, created_at, modified_at
						from users where user_name like 'bare%' and user_name not like '%copy%'`, fmt.Sprint("copy", copy))
					return err
				}))
			}
			ids[n] = person(t, s, fmt.Sprint("probe", n))
			before := s.Queries()
			_, changed, err := s.UpdateUser(ctx, store.Actor{}, ids[n], store.UserEdit{Attributes: directory.Edit{"title": "new"}})
			if err != nil || !changed {
				t.Fatal(changed, err)
			}
			cost[n] = s.Queries() - before
		}
		if cost[1000] != cost[20_000] || cost[1000] > 5 {
			t.Errorf("one update takes %d statements among 1,000 and %d among 20,000", cost[1000], cost[20_000])
		}
		before := s.Queries()
		_, changed, err := s.UpdateUser(ctx, store.Actor{}, ids[1000], store.UserEdit{Attributes: directory.Edit{"title": "new"}})
		if n := s.Queries() - before; err != nil || changed || n != 1 {
			t.Errorf("an update that changes nothing: %v, %v, %d statements", changed, err, n)
		}
	})
}
