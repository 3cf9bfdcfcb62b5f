package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Activity is what ended within a piece of time.
type Activity struct {
	From   time.Time
	Status map[string]int // operations by status: success, failure, skipped, warning
	// Followed are the operations that followed a change of the directory, Lag how long they took from its
	// commit on average, and Worst how long the slowest one did.
	Followed   int
	Lag, Worst time.Duration
}

const (
	hour = int64(time.Hour / time.Millisecond)
	// tallyAfter is how long after its end an hour is counted: what ended in it may be recorded a little later.
	tallyAfter = 5 * time.Minute
	// tallySlice is how many hours one transaction counts.
	tallySlice = 24
	// talliedSetting is up to when the hours are counted, in Unix milliseconds.
	talliedSetting = "tallied"
)

// tallied are the columns of a tally, of operations as they ended.
const tallied = `count(*) as n, count(changed_at) as followed, cast(coalesce(sum(finished_at - changed_at), 0) as bigint) as lag, coalesce(max(finished_at - changed_at), 0) as worst from operations
	where finished_at is not null and finished_at >= $1 and finished_at < $2 and state in ('applied','skipped','failed','unknown')`

// TallyHourly counts what ended in the hours that are over and have not been counted yet, some of them at a
// time: the next call goes on. What was counted of hours that are not over, because the clock was set back, is forgotten.
// It asks nothing of the database while there is nothing to count.
func (s *Store) TallyHourly(ctx context.Context) error {
	end := s.Now().Add(-tallyAfter).UnixMilli()
	if end -= end % hour; s.counted.Load() == end {
		return nil
	}
	done, err := s.tally(ctx, end)
	if err != nil {
		return fmt.Errorf("counting what was done: %w", err)
	}
	s.counted.Store(done)
	return nil
}

// tally counts a slice of the hours up to an end, and returns how far it came.
func (s *Store) tally(ctx context.Context, end int64) (until int64, err error) {
	begin, err := s.tallied(ctx)
	if err != nil {
		return 0, err
	}
	// Another node's clock may be a little ahead.
	if begin > end {
		if begin <= s.Now().Add(ClockSlack-tallyAfter).UnixMilli() {
			return end, nil
		}
		return end, s.Write(ctx, func(tx *Tx) error {
			if _, err := tx.Exec(ctx, "delete from tallies where hour >= $1", end); err != nil {
				return err
			}
			return tx.set(ctx, talliedSetting, strconv.FormatInt(end, 10))
		})
	}
	var rows [][]any
	// The log is read beside whoever writes, and only the few sums are written.
	err = s.Read(ctx, func(tx *Tx) error {
		if begin == 0 {
			if err := tx.QueryRow(ctx, "select coalesce(min(finished_at), $1) from operations where finished_at is not null", end).Scan(&begin); err != nil {
				return err
			}
			begin -= begin % hour
		}
		until = min(end, begin+tallySlice*hour)
		rows, err = rowsOf(ctx, tx, scanSums, `select finished_at - finished_at % 3600000, app_id, status, `+tallied+` group by 1, 2, 3`, begin, until)
		return err
	})
	if err != nil {
		return 0, err
	}
	return until, s.Write(ctx, func(tx *Tx) error {
		if err := tx.insert(ctx, "tallies", sums, rows, "on conflict do nothing"); err != nil {
			return err
		}
		return tx.set(ctx, talliedSetting, strconv.FormatInt(until, 10))
	})
}

// sums are the columns of the table of tallies.
var sums = []string{"hour", "app_id", "status", "n", "followed", "lag", "worst"}

func scanSums(row scanner) (values []any, err error) {
	var app, status string
	var at, n, followed, lag, worst int64
	err = row.Scan(&at, &app, &status, &n, &followed, &lag, &worst)
	return []any{at, app, status, n, followed, lag, worst}, err
}

func (s *Store) tallied(ctx context.Context) (int64, error) {
	text, err := s.Setting(ctx, talliedSetting)
	if err != nil || text == "" {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// Activity counts what ended between two moments, in pieces of a length, the oldest first. Pieces in
// which nothing ended are left out. appID "" is all applications. Of pieces that are whole hours from a whole
// hour on it reads tallies, and only of what has not been tallied the log.
func (s *Store) Activity(ctx context.Context, appID string, from, until time.Time, piece time.Duration) ([]Activity, error) {
	begin, end, length := from.UnixMilli(), until.UnixMilli(), piece.Milliseconds()
	done := int64(0)
	if begin%hour == 0 && length%hour == 0 {
		var err error
		if done, err = s.tallied(ctx); err != nil {
			return nil, err
		}
	}
	done = min(max(done, begin), end)
	where, args := "", []any{done, end, begin, length}
	if appID != "" {
		where, args = " and app_id = $5", append(args, appID)
	}
	var rows []tally
	err := s.Read(ctx, func(tx *Tx) error {
		over := slices.Clone(args)
		over[0], over[1] = begin, done-done%hour // an hour is counted whole or not at all
		old, err := rowsOf(ctx, tx, scanTally, `select (hour - $3) / $4, status, cast(sum(n) as bigint), cast(sum(followed) as bigint), cast(sum(lag) as bigint), max(worst) from tallies
			where hour >= $1 and hour < $2`+where+` group by 1, 2`, over...)
		if err != nil {
			return err
		}
		args[0] = max(over[1].(int64), begin)
		fresh, err := rowsOf(ctx, tx, scanTally, `select (finished_at - $3) / $4, status, `+tallied+where+` group by 1, 2`, args...)
		rows = append(old, fresh...)
		return err
	})
	slices.SortStableFunc(rows, func(a, b tally) int { return int(a.piece - b.piece) })
	var out []Activity
	for _, r := range rows {
		at := from.Add(time.Duration(r.piece) * piece)
		if n := len(out); n == 0 || !out[n-1].From.Equal(at) {
			out = append(out, Activity{From: at, Status: map[string]int{}})
		}
		out[len(out)-1].add(r)
	}
	return out, err
}

// tally is what ended with one status in one piece of time.
type tally struct {
	piece, lag, worst int64
	status            string
	n, followed       int
}

func scanTally(row scanner) (t tally, err error) {
	return t, row.Scan(&t.piece, &t.status, &t.n, &t.followed, &t.lag, &t.worst)
}

func (a *Activity) add(t tally) {
	a.Status[t.status] += t.n
	if t.status != "success" || t.followed == 0 { // what failed has not reached its target
		return
	}
	all := a.Lag*time.Duration(a.Followed) + time.Duration(t.lag)*time.Millisecond
	a.Followed += t.followed
	a.Lag, a.Worst = all/time.Duration(a.Followed), max(a.Worst, time.Duration(t.worst)*time.Millisecond)
}
