package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/provision"
)

// Cycle is one pass over an application, or a plan of one that has not been run.
type Cycle struct {
	ID           string
	AppID        string
	Type         string // initial, incremental, reconcile, on-demand, undo
	State        string // planned, running, done, stopped
	Watermark    int64  // how far it has read the feed
	Basis        string // fingerprint of the configuration it was planned with
	Summary      map[string]int
	Failed       int
	Requests     int64
	Error        string
	Initiator    string
	Undoes       string // of an undo: the cycle that it takes back
	UndoesObject string // and the one user, "" for everything
	Created      time.Time
	Started      time.Time
	Finished     time.Time
}

const cycleColumns = `id, app_id, type, state, watermark, basis, summary, failed, requests, error, initiated_by, created_at, started_at, finished_at, undoes, undoes_object`

func (c *Cycle) values() []any {
	return []any{c.ID, c.AppID, c.Type, c.State, c.Watermark, c.Basis, jsonText(c.Summary), c.Failed, c.Requests, null(c.Error), c.Initiator, millis(c.Created), millis(c.Started), millis(c.Finished), c.Undoes, c.UndoesObject}
}

func scanCycle(row scanner) (*Cycle, error) {
	c := &Cycle{}
	var summary string
	var problem sql.NullString
	var created, started, finished sql.NullInt64
	if err := row.Scan(&c.ID, &c.AppID, &c.Type, &c.State, &c.Watermark, &c.Basis, &summary, &c.Failed, &c.Requests, &problem, &c.Initiator, &created, &started, &finished, &c.Undoes, &c.UndoesObject); err != nil {
		return nil, err
	}
	c.Error, c.Created, c.Started, c.Finished = problem.String, fromMillis(created), fromMillis(started), fromMillis(finished)
	return c, json.Unmarshal([]byte(summary), &c.Summary)
}

// NewCycle stores the row of a new cycle and gives it its id.
func (s *Store) NewCycle(ctx context.Context, c *Cycle) error {
	c.ID, c.Created = newID(), s.Now()
	if c.State == "running" {
		c.Started = c.Created
	}
	return s.writeAhead(ctx, func(tx *Tx) error { return tx.saveCycle(ctx, c) })
}

// SaveCycle stores the row of a cycle as it stands.
func (s *Store) SaveCycle(ctx context.Context, c *Cycle) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.saveCycle(ctx, c) })
}

func (tx *Tx) saveCycle(ctx context.Context, c *Cycle) error {
	tx.notable = true
	return tx.insert(ctx, "cycles", columnNames(cycleColumns), [][]any{c.values()}, replacing("id", columnNames(cycleColumns)))
}

// FinishCycle ends a cycle: what it planned and did not begin is dropped and, when the cycle went
// through, the watermark moves and the due rows that it looked at go. The watermark moves last, in
// one transaction with the end of the cycle: a cycle that did not end leaves it where it was, and
// the next one looks at the same changes again.
func (s *Store) FinishCycle(ctx context.Context, c *Cycle, looked []*Work) error {
	c.Finished = s.Now()
	return s.writeAhead(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, `update operations set state = 'dropped', want = '{}', detail = '{}', finished_at = $1 where cycle_id = $2 and state = 'planned'`, millis(c.Finished), c.ID); err != nil {
			return err
		}
		if err := tx.saveCycle(ctx, c); err != nil {
			return err
		}
		if err := tx.ended(ctx, c); err != nil || c.State != "done" || c.Type == "on-demand" || c.Undoes != "" {
			return err
		}
		for _, w := range looked {
			if err := tx.consume(ctx, c.AppID, w.due); err != nil {
				return err
			}
		}
		// The first look at everybody starts the time to the next reconcile.
		_, err := tx.Exec(ctx, `update applications set watermark = $1, completed_at = $2, looked_at = $3, quarantine = null, reconciled_at = coalesce(reconciled_at, $2) where id = $4`,
			c.Watermark, millis(c.Finished), millis(c.Started), c.AppID)
		return err
	})
}

// CycleByID returns a cycle or a plan of an application, of any when its id is ""; [ErrNotFound] when there is none.
func (s *Store) CycleByID(ctx context.Context, appID, id string) (*Cycle, error) {
	return read(ctx, s, func(tx *Tx) (*Cycle, error) {
		c, err := scanCycle(tx.QueryRow(ctx, `select `+cycleColumns+` from cycles where id = $1 and $2 in ('', app_id)`, id, appID))
		if errors.Is(err, sql.ErrNoRows) {
			return nil, ErrNotFound
		}
		return c, err
	})
}

// LastCycle returns the newest cycle of an application that ran, nil when none has.
func (s *Store) LastCycle(ctx context.Context, appID string) (*Cycle, error) {
	return read(ctx, s, func(tx *Tx) (*Cycle, error) {
		c, err := scanCycle(tx.QueryRow(ctx, `select `+cycleColumns+` from cycles where app_id = $1 and state <> 'planned' order by created_at desc, id desc limit 1`, appID))
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		return c, err
	})
}

// Counts returns how many operations of a cycle there are by state and action.
func (s *Store) Counts(ctx context.Context, cycleID string) (map[State]map[provision.Action]int, error) {
	return read(ctx, s, func(tx *Tx) (map[State]map[provision.Action]int, error) {
		counts := map[State]map[provision.Action]int{}
		rows, err := tx.Query(ctx, `select state, action, count(*) from operations where cycle_id = $1 and state <> 'dropped' group by state, action`, cycleID)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var state State
			var action provision.Action
			var n int
			if err := rows.Scan(&state, &action, &n); err != nil {
				return nil, err
			}
			if counts[state] == nil {
				counts[state] = map[provision.Action]int{}
			}
			counts[state][action] = n
		}
		return counts, rows.Err()
	})
}

// Progress is how far an application has come.
type Progress struct {
	Watermark  int64
	Completed  time.Time // end of the last cycle that went through, zero for none
	Reconciled time.Time
	Restored   bool // from a backup: the next cycle is a reconcile whose enables and removals are held
	Quarantine *Quarantine
	Trouble    *Trouble
	// MovedFrom is the endpoint at which the accounts were linked, or [OtherCredentials]; "" while the application has had no
	// others since or its accounts were seen with those that it has.
	MovedFrom  string
	Running    bool      // there is a cycle that has not ended, of a living process or a dead one
	Paused     bool      // by an administrator
	PausedTill time.Time // zero for until somebody resumes
	Links      int
	Escrow     int
	Parked     int
	Held       int
	Behind     int64 // how long the oldest change that it has not looked at has waited, in milliseconds
}

// Quarantine is the state of an application whose target or credentials fail.
type Quarantine struct {
	Since     time.Time           `json:"since"`
	Code      string              `json:"code"`
	Reason    string              `json:"reason"`
	Rule      string              `json:"rule,omitempty"` // by which it was found, see provision.Breaker
	Next      string              `json:"next,omitempty"` // what a person can do
	Attempts  int                 `json:"attempts"`
	NextProbe time.Time           `json:"next_probe"`
	Exchange  *connector.Exchange `json:"exchange,omitempty"`
}

// Standing reads how far an application has come, without what must be counted.
func (s *Store) Standing(ctx context.Context, appID string) (*Progress, error) {
	return read(ctx, s, func(tx *Tx) (*Progress, error) {
		p := &Progress{}
		var completed, reconciled, paused, till sql.NullInt64
		var quarantine, trouble sql.NullString
		err := tx.QueryRow(ctx, `select watermark, completed_at, reconciled_at, restored, quarantine, trouble, paused_at, paused_until,
			exists (select 1 from cycles c where c.app_id = a.id and c.state = 'running'),
			coalesce((select s.value from settings s where s.name = $2), '') from applications a where id = $1`, appID, movedSetting+appID).
			Scan(&p.Watermark, &completed, &reconciled, &p.Restored, &quarantine, &trouble, &paused, &till, &p.Running, &p.MovedFrom)
		if err != nil {
			return nil, err
		}
		p.Completed, p.Reconciled, p.PausedTill = fromMillis(completed), fromMillis(reconciled), fromMillis(till)
		p.Paused = paused.Valid && (!till.Valid || till.Int64 > tx.now())
		return p, errors.Join(optional(quarantine, &p.Quarantine), optional(trouble, &p.Trouble))
	})
}

// Progress reads how far an application has come.
func (s *Store) Progress(ctx context.Context, appID string) (*Progress, error) {
	p, err := s.Standing(ctx, appID)
	if err != nil {
		return nil, err
	}
	return p, s.Read(ctx, func(tx *Tx) error {
		var oldest sql.NullInt64
		err := tx.QueryRow(ctx, `select
			(select count(*) from links where app_id = $1),
			(select count(*) from escrow where app_id = $1 and not parked),
			(select count(*) from escrow where app_id = $1 and parked),
			`+heldCount+`,
			(select at from changes where seq > $2 order by seq limit 1)`, appID, p.Watermark).
			Scan(&p.Links, &p.Escrow, &p.Parked, &p.Held, &oldest)
		if oldest.Valid {
			p.Behind = max(0, tx.now()-oldest.Int64)
		}
		return err
	})
}

// HeldCount returns how many operations of an application wait for a person. It costs what is held, where
// [Store.Progress] counts also what grows with the company.
func (s *Store) HeldCount(ctx context.Context, appID string) (int, error) {
	return read(ctx, s, func(tx *Tx) (n int, err error) {
		return n, tx.QueryRow(ctx, `select `+heldCount, appID).Scan(&n)
	})
}

// heldCount counts the held operations of application $1.
var heldCount = `(select count(*) from operations where app_id = $1 and ` + isOpen + ` and state = 'held' and ` + waits + `)`

// SetQuarantine puts an application into quarantine, or takes it out with nil; people are told of it.
func (s *Store) SetQuarantine(ctx context.Context, appID string, q *Quarantine) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.quarantined(ctx, appID, q) })
}

// probeSoon asks for a cycle of an application because somebody has changed what it connects with: what kept it from
// running is forgotten, and where it is in quarantine its next probe is due. The pauses between probes begin anew.
func (tx *Tx) probeSoon(ctx context.Context, appID string) error {
	var text sql.NullString
	if err := tx.QueryRow(ctx, `select quarantine from applications where id = $1`, appID).Scan(&text); err != nil {
		return fmt.Errorf("reading the quarantine of an application: %w", err)
	}
	var q *Quarantine
	if err := optional(text, &q); err != nil {
		return err
	}
	if q != nil {
		q.NextProbe, q.Attempts = tx.s.Now(), 0
	}
	if _, err := tx.Exec(ctx, `update applications set quarantine = $1, trouble = null where id = $2`, jsonOrNull(q), appID); err != nil {
		return fmt.Errorf("making the probe of an application due: %w", err)
	}
	tx.wakes(appID)
	return nil
}

// SetReconciled notes the end of a complete reconcile.
func (s *Store) SetReconciled(ctx context.Context, appID string, at time.Time) error {
	return s.writeAhead(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `update applications set reconciled_at = $1, restored = $2 where id = $3`, millis(at), false, appID)
		return err
	})
}

// Restart forgets a part of what an application knows, as `muster restart` names it: escrow,
// watermark, links or all. Links of people who are out of scope stay: they are what is left to
// switch an account off with, so links are only marked to be matched again by the cycle. Everybody is also due: a cycle that runs
// just now writes its own position over what is forgotten here. What was in escrow is due at once, parked or not.
func (s *Store) Restart(ctx context.Context, appID, scope string) error {
	statements := map[string][]string{
		"escrow":    {`delete from escrow where app_id = $1`},
		"watermark": {`update applications set watermark = 0, completed_at = null, quarantine = null where id = $1`},
		"links":     {`update links set rematch = true where app_id = $1`, `update applications set watermark = 0, completed_at = null where id = $1`},
	}
	statements["all"] = append(append(append([]string{}, statements["escrow"]...), statements["watermark"]...), statements["links"]...)
	return s.Write(ctx, func(tx *Tx) error {
		var err error
		if scope == "escrow" { // only failures are forgotten, not that something is to be done
			_, err = tx.Exec(ctx, `insert into due (app_id, type, object_id, member_id, due_at, reason) select app_id, type, object_id, '', $2, 'restarted' from escrow where app_id = $1
				on conflict (app_id, type, object_id, member_id) do update set `+dueAgain, appID, tx.now())
		} else {
			err = tx.due(ctx, appID, []dueObject{{"all", dueEverything}}, "restarted")
		}
		if err != nil {
			return err
		}
		for _, q := range statements[scope] {
			if _, err := tx.Exec(ctx, q, appID); err != nil {
				return err
			}
		}
		tx.wakes(appID)
		if scope == "watermark" || scope == "all" {
			return tx.NotifyOver(ctx, InQuarantine, appID)
		}
		return nil
	})
}
