package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
)

// scheduleColumns are the copies of an application's configuration that queries ask for.
var scheduleColumns = []string{"status", "run_every", "reconcile_every"}

func schedule(app *provision.Application) []any {
	p := app.Provisioning
	status := p.Status
	if status == "" {
		status = "off"
	}
	return []any{status, time.Duration(p.Interval).Milliseconds(), time.Duration(p.Reconcile).Milliseconds()}
}

// fillSchedule writes the copies for applications from before there were any.
func (s *Store) fillSchedule(ctx context.Context) error {
	const missing = "where status is null"
	var n int
	if err := s.read.QueryRowContext(ctx, "select count(*) from applications "+missing).Scan(&n); err != nil || n == 0 {
		return err
	}
	return s.Write(ctx, func(tx *Tx) error {
		apps, err := tx.bareApplications(ctx, missing)
		for _, app := range apps {
			if _, err := tx.Exec(ctx, "update applications set status = $1, run_every = $2, reconcile_every = $3 where id = $4", append(schedule(app), app.ID)...); err != nil {
				return err
			}
		}
		return err
	})
}

// Trouble is why an application could not be run: its configuration cannot be used, a secret is missing,
// the database failed, or the target asked for a pause. Trouble of the target is a [Quarantine].
type Trouble struct {
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason"`
	Next     string    `json:"next,omitempty"` // what a person can do
	Attempts int       `json:"attempts"`
	RetryAt  time.Time `json:"retry_at"`
	Pause    bool      `json:"pause,omitempty"` // the target asked for it; nothing is wrong
}

// Slot is what the schedule knows of an application that is on and not paused.
type Slot struct {
	AppID          string
	Every          time.Duration // between cycles
	ReconcileEvery time.Duration
	Completed      time.Time // end of the last pass that went through, zero for none
	Reconciled     time.Time
	Restored       bool
	Quarantine     *Quarantine
	Trouble        *Trouble
	Woken          time.Time // when a job was queued, or taken, that is not done; zero for none
	Leased         bool      // a cycle runs somewhere, and its node is alive
	Running        bool      // there is a cycle that has not ended
	Due            time.Time // the earliest time after the last pass that an object asks to be looked at, in escrow or not; zero for none
	Behind         time.Time // when the oldest change was made that the application has not looked at, zero for none
}

// Slots returns what the schedule must know of every application that may run, in one query.
func (s *Store) Slots(ctx context.Context) ([]Slot, error) {
	return read(ctx, s, func(tx *Tx) ([]Slot, error) {
		now, err := tx.databaseTime(ctx)
		if err != nil {
			return nil, err
		}
		// On an embedded database the lease of another process is that of a dead one.
		return collect(scanSlot)(tx.Query(ctx, `select a.id, coalesce(a.run_every, 0), coalesce(a.reconcile_every, 0), a.completed_at, a.reconciled_at, a.restored, a.quarantine, a.trouble,
			(select coalesce(taken_at, at) from wakes w where w.app_id = a.id),
			exists (select 1 from leases l where l.app_id = a.id and l.expires_at >= $2 and (not $3 or l.holder like $4)),
			exists (select 1 from cycles c where c.app_id = a.id and c.state = 'running'),
			(select min(due_at) from due d where d.app_id = a.id and d.due_at > coalesce(a.looked_at, 0)),
			(select min(next_at) from escrow e where e.app_id = a.id and e.next_at > coalesce(a.looked_at, 0)),
			(select at from changes where seq > a.watermark order by seq limit 1)
			from applications a where `+runnable+` order by a.id`, tx.now(), now, s.pool == nil, s.instance+"/%"))
	})
}

func scanSlot(row scanner) (v Slot, err error) {
	var every, reconcile int64
	var completed, reconciled, woken, due, escrow, behind sql.NullInt64
	var quarantine, trouble sql.NullString
	err = row.Scan(&v.AppID, &every, &reconcile, &completed, &reconciled, &v.Restored, &quarantine, &trouble, &woken, &v.Leased, &v.Running, &due, &escrow, &behind)
	v.Every, v.ReconcileEvery = time.Duration(every)*time.Millisecond, time.Duration(reconcile)*time.Millisecond
	v.Completed, v.Reconciled, v.Woken, v.Due, v.Behind = fromMillis(completed), fromMillis(reconciled), fromMillis(woken), fromMillis(due), fromMillis(behind)
	if next := fromMillis(escrow); escrow.Valid && (v.Due.IsZero() || next.Before(v.Due)) {
		v.Due = next
	}
	return v, errors.Join(err, optional(quarantine, &v.Quarantine), optional(trouble, &v.Trouble))
}

// optional reads a JSON column that may be null.
func optional[T any](text sql.NullString, into **T) error {
	if !text.Valid {
		return nil
	}
	*into = new(T)
	return json.Unmarshal([]byte(text.String), *into)
}

// Halt is why the schedule may not run an application.
type Halt string

// The reasons, in words for a person.
const (
	Runs    Halt = "" // it may
	Deleted Halt = "the application was deleted"
	Off     Halt = "provisioning was switched off"
	Paused  Halt = "provisioning was paused"
	Stopped Halt = "somebody has stopped it"
	// Reconfigured ends a cycle of any kind: the next one does what is due by the new configuration.
	Reconfigured Halt = "its configuration was changed"
)

// MayRun says whether the schedule may run an application now.
func (s *Store) MayRun(ctx context.Context, appID string) (Halt, error) {
	return read(ctx, s, func(tx *Tx) (Halt, error) {
		var status string
		var paused, until sql.NullInt64
		err := tx.QueryRow(ctx, "select coalesce(status, 'off'), paused_at, paused_until from applications where id = $1", appID).Scan(&status, &paused, &until)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return Deleted, nil
		case err != nil:
			return Runs, err
		case status != "on":
			return Off, nil
		case paused.Valid && (!until.Valid || until.Int64 > tx.now()):
			return Paused, nil
		}
		return Runs, nil
	})
}

// MayGoOn says whether a cycle that works with a configuration of an application, under the lease of a holder, may go on, and
// whether somebody wants it ended that does not run by itself either.
func (s *Store) MayGoOn(ctx context.Context, app *provision.Application, holder string) (why Halt, ends bool, err error) {
	works, err := working(app)
	if err != nil {
		return Runs, false, err
	}
	now, err := read(ctx, s, func(tx *Tx) (*provision.Application, error) {
		err := tx.QueryRow(ctx, "select exists (select 1 from leases where app_id = $1 and holder = $2 and ends)", app.ID, s.instance+"/"+holder).Scan(&ends)
		if err != nil {
			return nil, err
		}
		a, err := scanApplication(tx.QueryRow(ctx, "select id, name, template, config from applications where id = $1", app.ID))
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		return a, err
	})
	switch {
	case err != nil:
		return Runs, false, err
	case now == nil:
		return Deleted, true, nil
	}
	if is, err := working(now); err != nil || is != works {
		return Reconfigured, true, err
	}
	if why, err = s.MayRun(ctx, app.ID); why == Runs && ends {
		why = Stopped
	}
	return why, ends, err
}

// working is the part of an application's configuration that a cycle works with.
func working(app *provision.Application) (string, error) {
	bare := *app
	p := &bare.Provisioning
	p.Status, p.Interval, p.Reconcile, p.Notify = "", 0, 0, provision.Notify{}
	if p.Quarantine.Failures == 0 { // as it is read
		p.Quarantine = provision.DefaultQuarantine
	}
	bare.Mappings = provision.Mappings{Users: mapping.WithoutTests(app.Mappings.Users), Groups: mapping.WithoutTests(app.Mappings.Groups)}
	return configOf(&bare)
}

// Advance moves an application past changes that turned out not to concern it. It does nothing when
// something else has moved it meanwhile, and reports whether the application was woken again.
func (s *Store) Advance(ctx context.Context, appID string, from, to int64, looked time.Time) (again bool, err error) {
	return writeAhead(ctx, s, func(tx *Tx) (bool, error) {
		_, err := tx.Exec(ctx, "update applications set watermark = $1, completed_at = $2, looked_at = $3 where id = $4 and watermark = $5 and completed_at is not null", to, tx.now(), millis(looked), appID, from)
		if err != nil {
			return false, err
		}
		return tx.attended(ctx, appID)
	})
}

// SetTrouble notes why an application could not be run, or with nil that it can be.
func (s *Store) SetTrouble(ctx context.Context, appID string, t *Trouble) error {
	return s.Write(ctx, func(tx *Tx) error {
		tx.notable = true
		_, err := tx.Exec(ctx, "update applications set trouble = $1 where id = $2", jsonOrNull(t), appID)
		return err
	})
}

// Pause keeps the schedule from running an application until a time, or until [Store.Resume] when it
// is zero. Its position is kept.
func (s *Store) Pause(ctx context.Context, by Actor, app *provision.Application, until time.Time) error {
	return s.Write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, "update applications set paused_at = $1, paused_until = $2 where id = $3", tx.now(), millis(until), app.ID); err != nil {
			return fmt.Errorf("pausing %s: %w", app.Name, err)
		}
		if err := tx.endCycle(ctx, app.ID); err != nil {
			return fmt.Errorf("ending the cycle of %s: %w", app.Name, err)
		}
		after := map[string]any{"paused": true}
		if !until.IsZero() {
			after["until"] = until.UTC()
		}
		return tx.audit(ctx, by, "pause", subject{"application", app.ID, app.Name}, nil, after)
	})
}

// Resume ends a pause, and reports whether there was one.
func (s *Store) Resume(ctx context.Context, by Actor, app *provision.Application) (bool, error) {
	return write(ctx, s, func(tx *Tx) (bool, error) {
		n, err := tx.Exec(ctx, "update applications set paused_at = null, paused_until = null where id = $1 and paused_at is not null", app.ID)
		if err != nil || n == 0 {
			return false, err
		}
		tx.wakes(app.ID)
		return true, tx.audit(ctx, by, "resume", subject{"application", app.ID, app.Name}, map[string]any{"paused": true}, nil)
	})
}

// lives is how long an import keeps its changes back at most. A longer one lets go of what it has
// every time, one that died is let go of by whoever looks next.
const lives = 30 * time.Second

// arrive keeps the changes of an import back until it is over. The row of the import is locked: nobody
// lets its changes in while there are some that only this transaction sees.
func (tx *Tx) arrive(ctx context.Context, entries []Change) error {
	err := tx.insert(ctx, "imports", []string{"id", "began_at"}, [][]any{{tx.arrival, tx.now()}}, "on conflict (id) do update set began_at = imports.began_at")
	if err != nil {
		return err
	}
	rows := make([][]any, len(entries))
	for i, c := range entries {
		rows[i] = []any{tx.arrival, string(c.Type), c.Object, c.Member, tx.now()}
	}
	return tx.insert(ctx, "arriving", []string{"import_id", "type", "object_id", "member_id", "at"}, rows, "on conflict do nothing")
}

// letIn brings the changes of imports into the feed: of one, of those that have lasted too long (or
// whose clock was ahead), or of all.
func (tx *Tx) letIn(ctx context.Context, where string, args ...any) error {
	ids, err := collect(one[string])(tx.Query(ctx, "select id from imports where "+where+tx.s.dialect.lockRow, args...))
	if err != nil || len(ids) == 0 {
		return err
	}
	in := tx.in("$1")
	var n int
	if err := tx.QueryRow(ctx, "select count(*) from arriving where import_id in "+in, list(ids)).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		last, err := tx.lockFeed(ctx, n)
		if err != nil {
			return err
		}
		moved, err := tx.Exec(ctx, `insert into changes (seq, type, object_id, member_id, at)
			select $2 + row_number() over (order by at, type desc, object_id, member_id), type, object_id, member_id, $3 from arriving where import_id in `+in, list(ids), last-int64(n), tx.now())
		if err == nil && moved != int64(n) {
			err = fmt.Errorf("%d changes of an import were to come into the feed, and %d did", n, moved)
		}
		if err == nil {
			err = tx.wakeUp(ctx, true)
		}
		if err != nil {
			return err
		}
	}
	for _, q := range []string{"delete from arriving where import_id in ", "delete from imports where id in "} {
		if _, err := tx.Exec(ctx, q+in, list(ids)); err != nil {
			return err
		}
	}
	return nil
}

// endImport lets the changes of an import into the feed.
func (s *Store) endImport(ctx context.Context, id string) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.letIn(ctx, "id = $1", id) })
}

// LetIn lets the changes of imports into the feed that have lasted too long or were killed;
// all says that those of every import are wanted now. It costs one query when there are none.
func (s *Store) LetIn(ctx context.Context, all bool) error {
	now := s.Now()
	where, args := "began_at < $1 or began_at > $2", []any{now.Add(-lives).UnixMilli(), now.UnixMilli()}
	if all {
		where, args = "true", nil
	}
	some, err := read(ctx, s, func(tx *Tx) (bool, error) {
		var n int
		err := tx.QueryRow(ctx, "select count(*) from imports where "+where, args...).Scan(&n)
		return n > 0, err
	})
	if err != nil || !some {
		return err
	}
	return s.Write(ctx, func(tx *Tx) error { return tx.letIn(ctx, where, args...) })
}
