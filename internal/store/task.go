package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Task is something that takes longer than whoever asked for it waits: every node can say how far it is, and what came
// of it, whichever one runs it. There is one of a kind about one subject at a time.
//
// A task gives signs of life, see [Store.BeatTask]. One that gives none has died with its process, and is ended by whichever
// node notices, see [Store.EndLostTasks].
type Task struct {
	ID       string
	Kind     string
	Subject  string // what it is about
	By       Actor
	Begun    time.Time
	Ended    time.Time // zero while it runs
	Lost     bool      // it runs no more, and has not ended: its process is gone; read only
	Progress string    // a JSON document of whoever begins it, as the following two
	Detail   string
	Problem  string // why it failed, "" when it did not
	Result   string // id of what came of it
}

// Running reports whether the task is under way.
func (t *Task) Running() bool { return t.Ended.IsZero() && !t.Lost }

// TaskDied is the problem of a task whose process ended before it did.
const TaskDied = "died"

// TaskBeat is how often a task gives a sign of life at least.
const TaskBeat = 3 * time.Second

const (
	taskLost = 15 * time.Second // without a sign of life
	taskKept = 24 * time.Hour   // after its end
)

// taskImport is the kind of the task that every import is, whoever began it. The others are those of the callers.
const taskImport = "import"

// taskOvertaken is the problem of a full import that ended because another one of its source was begun.
const taskOvertaken = "overtaken"

// lostTask is the condition for a task that has died, for tx.lostArgs from $1 on. On an embedded database another
// process is a dead one.
const lostTask = `ended_at is null and ($2 and instance <> $3 or not $2 and beat_at < $1)`

func (tx *Tx) lostArgs(ctx context.Context) ([]any, error) {
	now, err := tx.databaseTime(ctx)
	return []any{now - taskLost.Milliseconds(), tx.s.pool == nil, tx.s.instance}, err
}

// BeginTask begins a task in the place of the one of its kind and subject that has ended, and gives it its id. It
// reports false when that one is under way. Whoever begins a task ends it, see [Store.EndTask].
func (s *Store) BeginTask(ctx context.Context, t *Task) (begun bool, err error) {
	t.ID, t.Begun = newID(), s.Now()
	begun, err = write(ctx, s, func(tx *Tx) (bool, error) { return tx.beginTask(ctx, t) })
	if err != nil {
		return false, fmt.Errorf("beginning a task: %w", err)
	}
	return begun, nil
}

func (tx *Tx) beginTask(ctx context.Context, t *Task) (bool, error) {
	args, err := tx.lostArgs(ctx)
	if err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, "delete from tasks where (ended_at is not null or "+lostTask+") and kind = $4 and subject = $5", append(args, t.Kind, t.Subject)...); err != nil {
		return false, err
	}
	beat, err := tx.databaseTime(ctx)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(ctx, `insert into tasks (id, kind, subject, actor, via, instance, begun_at, beat_at, progress, detail)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing`,
		t.ID, t.Kind, t.Subject, t.By.Name, t.By.Via, tx.s.instance, millis(t.Begun), beat, t.Progress, t.Detail)
	return n == 1, err
}

// BeatTask says that a task is alive, and how far it is. It reports false when somebody has taken it for dead meanwhile.
func (s *Store) BeatTask(ctx context.Context, id, progress string) (alive bool, err error) {
	return write(ctx, s, func(tx *Tx) (bool, error) {
		now, err := tx.databaseTime(ctx)
		if err != nil {
			return false, err
		}
		n, err := tx.Exec(ctx, "update tasks set beat_at = $1, progress = $2 where id = $3 and ended_at is null", now, progress, id)
		return n == 1, err
	})
}

// EndTask records the end of a task with its progress, result, problem and detail. It changes nothing when somebody else
// has ended it.
func (s *Store) EndTask(ctx context.Context, t *Task) error {
	t.Ended = s.Now()
	err := s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "update tasks set ended_at = $1, progress = $2, result = $3, problem = $4, detail = $5 where id = $6 and ended_at is null",
			millis(t.Ended), t.Progress, t.Result, null(t.Problem), t.Detail, t.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("ending a task: %w", err)
	}
	return nil
}

// TaskOf returns the last task of a kind about a subject, nil when there is none.
func (s *Store) TaskOf(ctx context.Context, kind, subject string) (*Task, error) {
	t, err := read(ctx, s, func(tx *Tx) (*Task, error) {
		args, err := tx.lostArgs(ctx)
		if err != nil {
			return nil, err
		}
		t, err := scanTask(tx.QueryRow(ctx, "select "+taskColumns+", "+lostTask+" from tasks where kind = $4 and subject = $5", append(args, kind, subject)...))
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading a task: %w", err)
	}
	return t, nil
}

// ForgetTask drops a task that has ended.
func (s *Store) ForgetTask(ctx context.Context, kind, subject string) error {
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "delete from tasks where kind = $1 and subject = $2 and ended_at is not null", kind, subject)
		return err
	})
}

const taskColumns = "id, kind, subject, actor, via, begun_at, ended_at, progress, result, problem, detail"

func scanTask(row scanner) (*Task, error) {
	t := &Task{}
	var begun, ended sql.NullInt64
	var problem sql.NullString
	err := row.Scan(&t.ID, &t.Kind, &t.Subject, &t.By.Name, &t.By.Via, &begun, &ended, &t.Progress, &t.Result, &problem, &t.Detail, &t.Lost)
	t.Begun, t.Ended, t.Problem = fromMillis(begun), fromMillis(ended), problem.String
	return t, err
}

// EndLostTasks ends the tasks of processes that are gone with a problem; of imports the audit log says how much of them is in.
// It also drops what nobody asks for any more: tasks that ended long ago, and uploads whose time is up. It costs one
// query when there is nothing of all that.
func (s *Store) EndLostTasks(ctx context.Context) (ended int, err error) {
	now := s.Now()
	old := []any{now.Add(-taskKept).UnixMilli(), now.Add(-UploadKept).UnixMilli()}
	some, err := read(ctx, s, func(tx *Tx) (some bool, err error) {
		args, err := tx.lostArgs(ctx)
		if err != nil {
			return false, err
		}
		return some, tx.QueryRow(ctx, "select exists (select 1 from tasks where "+lostTask+") or exists (select 1 from tasks where ended_at < $4) or exists (select 1 from uploads where created_at < $5)",
			append(args, old...)...).Scan(&some)
	})
	if err != nil || !some {
		return 0, err
	}
	err = s.Write(ctx, func(tx *Tx) error {
		args, err := tx.lostArgs(ctx)
		if err != nil {
			return err
		}
		lost, err := rowsOf(ctx, tx, scanTask, "update tasks set ended_at = $4, problem = $5 where "+lostTask+" returning "+taskColumns+", true", append(args, millis(now), TaskDied)...)
		if err != nil {
			return err
		}
		ended = len(lost)
		for _, t := range lost {
			if t.Kind != taskImport {
				continue
			}
			if err := tx.auditImport(ctx, t, true); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "delete from tasks where ended_at < $1", old[0]); err != nil {
			return err
		}
		return tx.dropUploads(ctx, "created_at < $1", old[1])
	})
	if err != nil {
		return 0, fmt.Errorf("ending what died with its process: %w", err)
	}
	return ended, nil
}
