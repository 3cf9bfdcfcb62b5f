package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// Retention is how long each log is kept. Zero is for ever.
type Retention struct {
	Operations provision.Duration `json:"operations"` // the provisioning log
	Cycles     provision.Duration `json:"cycles"`
	Audit      provision.Duration `json:"audit"`
	Changes    provision.Duration `json:"changes"` // how far an application may fall behind before it has to look at everybody
}

const days180 = provision.Duration(180 * 24 * time.Hour)

// Retention returns how long each log is kept: 180 days unless it was set otherwise.
func (s *Store) Retention(ctx context.Context) (Retention, error) {
	r := Retention{Operations: days180, Cycles: days180, Audit: days180, Changes: days180}
	text, err := s.Setting(ctx, RetentionSetting)
	if err != nil || text == "" {
		return r, err
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, fmt.Errorf("reading the retention: %w", err)
	}
	return r, nil
}

// SetRetention sets how long each log is kept. What the guard still counts is kept longer.
func (s *Store) SetRetention(ctx context.Context, by Actor, r Retention) error {
	return s.SetRetentionIf(ctx, by, "", r)
}

// SetRetentionIf is [Store.SetRetention] while the setting is at a version that match names; "" asks for nothing.
func (s *Store) SetRetentionIf(ctx context.Context, by Actor, match string, r Retention) error {
	if min(r.Operations, r.Cycles, r.Audit, r.Changes) < 0 {
		return refuse(ErrInvalid, "0 keeps for ever", "a log cannot be kept for less than no time")
	}
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing the retention: %w", err)
	}
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.settingAt(ctx, RetentionSetting, match, "the retention"); err != nil {
			return err
		}
		before, err := tx.setting(ctx, RetentionSetting)
		if err != nil {
			return err
		}
		if err := tx.set(ctx, RetentionSetting, string(b)); err != nil {
			return err
		}
		var was, is map[string]any
		_ = json.Unmarshal([]byte(before), &was) // nil when it was never set
		_ = json.Unmarshal(b, &is)
		return tx.audit(ctx, by, "update", subject{"setting", RetentionSetting, RetentionSetting}, was, is)
	})
}

const (
	pruneSlice = 1000
	// plansKept is how long a plan that nobody ran can still be run. Its rows hold what it would send,
	// sensitive values with it, and it keeps the feed from being pruned.
	plansKept = provision.Duration(7 * 24 * time.Hour)
	// messagesKept is how long it shows what people were told. What is behind it stands in the logs.
	messagesKept = provision.Duration(30 * 24 * time.Hour)
	// requestsKept is longer than anybody waits for a request to be dealt with.
	requestsKept = provision.Duration(time.Hour)
	// feedMargin keeps entries that a cycle may be about to ask for although no application needs them
	// by its watermark: it reads the feed's end first and everybody after.
	feedMargin = 24 * time.Hour
)

// prunedSetting is when the logs were last pruned, in Unix milliseconds.
const prunedSetting = "pruned"

// PruneDaily is [Store.Prune] when a day has gone since the last time, or the clock was set back.
func (s *Store) PruneDaily(ctx context.Context) error {
	last, err := s.Setting(ctx, prunedSetting)
	if err != nil {
		return err
	}
	at, _ := strconv.ParseInt(last, 10, 64) // whatever it is, it is not today's
	if age := s.Now().Sub(time.UnixMilli(at)); age >= 0 && age < 24*time.Hour {
		return nil
	}
	if _, err := s.Prune(ctx); err != nil {
		return err
	}
	return s.SetSetting(ctx, prunedSetting, strconv.FormatInt(s.Now().UnixMilli(), 10))
}

// Prune removes what the retention no longer keeps, in short transactions, and returns how many
// rows went. Operations that wait for something have no end and stay.
func (s *Store) Prune(ctx context.Context) (int64, error) {
	r, err := s.Retention(ctx)
	if err != nil {
		return 0, err
	}
	window, err := s.longestWindow(ctx)
	if err != nil {
		return 0, err
	}
	now := s.Now()
	var total int64
	const empty = " and not exists (select 1 from operations o where o.cycle_id = cycles.id)"
	for _, log := range []struct {
		keep         provision.Duration
		table, older string
	}{
		{plansKept, "operations", "cycle_id in (select id from cycles where state = 'planned' and created_at < $1)"},
		{plansKept, "cycles", "state = 'planned' and created_at < $1" + empty},
		{longer(r.Operations, window), "operations", "finished_at < $1"},
		{r.Cycles, "cycles", "finished_at < $1" + empty},
		{r.Audit, "audit", "at < $1"},
		{messagesKept, "messages", "ended_at < $1"},
		{requestsKept, "requests", "created_at < $1"},
		{messagesKept, "notices", "resolved_at < $1 and pending = ''"},
	} {
		if log.keep == 0 {
			continue
		}
		n, err := s.pruneSlices(ctx, fmt.Sprintf("delete from %s where id in (select id from %s where %s limit %d)", log.table, log.table, log.older, pruneSlice), now.Add(-time.Duration(log.keep)).UnixMilli())
		total += n
		if err != nil {
			return total, fmt.Errorf("pruning %s: %w", log.table, err)
		}
	}
	if r.Operations != 0 {
		n, err := write(ctx, s, func(tx *Tx) (int64, error) {
			return tx.Exec(ctx, "delete from tallies where hour < $1", now.Add(-time.Duration(longer(r.Operations, window))).UnixMilli())
		})
		total += n
		if err != nil {
			return total, fmt.Errorf("pruning tallies: %w", err)
		}
	}
	doors, err := s.pruneDoors(ctx, now)
	total += doors
	if err != nil {
		return total, fmt.Errorf("pruning sessions: %w", err)
	}
	n, err := s.pruneFeed(ctx, r, now)
	if err != nil {
		return total, fmt.Errorf("pruning the change feed: %w", err)
	}
	return total + n, nil
}

// longestWindow is how far back the guard of any application counts removals: whatever the retention,
// it must find them.
func (s *Store) longestWindow(ctx context.Context) (longest provision.Duration, err error) {
	apps, err := s.Applications(ctx)
	for _, app := range apps {
		longest = max(longest, app.Provisioning.Hold.Window)
	}
	return longest, err
}

// longer returns the longer of a retention, in which zero is for ever, and a window.
func longer(keep, window provision.Duration) provision.Duration {
	if keep == 0 {
		return 0
	}
	return max(keep, window)
}

func (s *Store) pruneSlices(ctx context.Context, statement string, args ...any) (total int64, err error) {
	for {
		n, err := write(ctx, s, func(tx *Tx) (int64, error) { return tx.Exec(ctx, statement, args...) })
		total += n
		if err != nil || n < pruneSlice {
			return total, err
		}
	}
}

// pruneFeed removes the entries that every application and every plan has passed. An application
// that has not moved for longer than the retention does not hold the feed up: it is set back to the
// beginning, and looks at everybody when it moves again.
func (s *Store) pruneFeed(ctx context.Context, r Retention, now time.Time) (int64, error) {
	if r.Changes != 0 {
		err := s.Write(ctx, func(tx *Tx) error {
			_, err := tx.Exec(ctx, `update applications set watermark = 0, completed_at = null where watermark > 0
				and watermark < (select coalesce(max(seq), 0) from changes where at < $1)`, now.Add(-time.Duration(r.Changes)).UnixMilli())
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	const passed = `select coalesce(min(seen), 9223372036854775807) from (
		select watermark as seen from applications where watermark > 0
		union all select watermark from cycles where state in ('planned', 'running')) x`
	return s.pruneSlices(ctx, fmt.Sprintf("delete from changes where seq in (select seq from changes where seq <= (%s) and at < $1 order by seq limit %d)", passed, pruneSlice),
		now.Add(-feedMargin).UnixMilli())
}
