package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

// The queue is River's (https://riverqueue.com), and only this file knows it. It distributes and
// wakes: a job says that an application has something to do, and which node gets it is River's
// business. Who may write to a target is said by the application's lease alone, because River takes a
// job for lost by its age; so a job that comes twice, or too late, does no harm, see [Store.Awake].

// cycleJob asks some node to run a cycle of an application.
type cycleJob struct {
	AppID string `json:"app_id"`
}

// Kind names the job in River's table.
func (cycleJob) Kind() string { return "cycle" }

// River's pace. A job is fetched when the database tells of it, and polled for in case that was lost.
const (
	fetchCooldown = 5 * time.Millisecond
	fetchPoll     = time.Second
	// jobsKept is how long River keeps the rows of jobs that are over: nobody reads them.
	jobsKept = 10 * time.Minute
	// softStop is how long running jobs get to end before their context does. The engine ends a cycle by
	// its own signal, well before that.
	softStop = 30 * time.Second
)

// queue puts jobs into the transaction that causes them.
type queue interface {
	insert(ctx context.Context, tx *Tx, apps []string) error
	migrate(ctx context.Context, log *slog.Logger) error
	work(ctx context.Context, c *river.Config) (stop func(context.Context) error, err error)
}

// riverQueue is the queue over one kind of transaction.
type riverQueue[T any] struct {
	driver riverdriver.Driver[T]
	client *river.Client[T] // inserts only
	native func(*Tx) T
}

func newQueue(s *Store) (queue, error) {
	if s.Postgres() {
		return riverOver(s.log, riverpgxv5.New(s.pool), func(tx *Tx) pgx.Tx { return tx.pgx })
	}
	// One pool of one connection for Muster and River: two starve each other, because SQLite's busy wait
	// is not fair.
	return riverOver(s.log, eager{riversqlite.New(s.write), s.queued}, func(tx *Tx) *sql.Tx { return tx.tx.(*sql.Tx) })
}

// eager is River's driver for SQLite whose listener looks at once when this process has queued a job,
// the only one that can, instead of every 50 ms. What it finds is the database's to say.
type eager struct {
	*riversqlite.Driver
	queued <-chan struct{}
}

// GetListener implements [riverdriver.Driver].
func (d eager) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return &eagerListener{d.Driver.GetListener(p), d.queued}
}

type eagerListener struct {
	riverdriver.Listener
	queued <-chan struct{}
}

// WaitForNotification implements [riverdriver.Listener].
func (l *eagerListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		one, again := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			select {
			case <-l.queued:
				again()
			case <-one.Done():
			}
		}()
		n, err := l.Listener.WaitForNotification(one)
		woken := one.Err() != nil && ctx.Err() == nil
		again()
		<-ended
		if err == nil || !woken {
			return n, err
		}
	}
}

func riverOver[T any](log *slog.Logger, driver riverdriver.Driver[T], native func(*Tx) T) (queue, error) {
	// River leaves out a notification that follows another within the cooldown; with the shortest one
	// every transaction has its own.
	client, err := river.NewClient(driver, &river.Config{Logger: quiet(log), FetchCooldown: river.FetchCooldownMin})
	if err != nil {
		return nil, fmt.Errorf("preparing the queue: %w", err)
	}
	return &riverQueue[T]{driver: driver, client: client, native: native}, nil
}

func (q *riverQueue[T]) insert(ctx context.Context, tx *Tx, apps []string) error {
	jobs := make([]river.InsertManyParams, len(apps))
	for i, app := range apps {
		jobs[i] = river.InsertManyParams{Args: cycleJob{app}, InsertOpts: &river.InsertOpts{MaxAttempts: 1}}
	}
	if _, err := q.client.InsertManyFastTx(ctx, q.native(tx), jobs); err != nil {
		return fmt.Errorf("queueing %d cycles: %w", len(apps), err)
	}
	return nil
}

func (q *riverQueue[T]) migrate(ctx context.Context, log *slog.Logger) error {
	m, err := rivermigrate.New(q.driver, &rivermigrate.Config{Logger: quiet(log)})
	if err == nil {
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err != nil {
		return fmt.Errorf("preparing the queue's tables: %w", err)
	}
	return nil
}

func (q *riverQueue[T]) work(ctx context.Context, c *river.Config) (func(context.Context) error, error) {
	client, err := river.NewClient(q.driver, c)
	if err != nil {
		return nil, err
	}
	// Its own context: the end of ctx is an order to stop, not to drop what runs.
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	return client.Stop, nil
}

// quiet lets of River's log through what somebody should know: it tells every start and stop of its
// parts.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(atLeast{log.Handler(), slog.LevelWarn}) }

// atLeast drops records below a level.
type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h atLeast) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(a), h.level}
}

func (h atLeast) WithGroup(n string) slog.Handler { return atLeast{h.Handler.WithGroup(n), h.level} }

// Worker is what [Store.Work] does with jobs.
type Worker struct {
	// Run is called for an application that has something to do; several applications may be run at
	// once, and one application twice. A result above zero asks for the same again after that time.
	Run    func(ctx context.Context, appID string) time.Duration
	AtOnce int // how many applications at most, 0 is 256: one that waits behind them keeps its leavers on
}

// Work begins to take jobs, of this process and of all others on the same database. The returned
// function takes no more, waits for those that run and must be called before the store is closed.
func (s *Store) Work(ctx context.Context, w Worker) (stop func(context.Context) error, err error) {
	if s.queue == nil {
		return nil, &Error{Kind: ErrReadOnly, Reason: "Muster's database was opened for reading only"}
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &cycleWorker{run: w.Run})
	atOnce := w.AtOnce
	if atOnce == 0 {
		atOnce = 256
	}
	stop, err = s.queue.work(ctx, &river.Config{
		ID: s.instance, Logger: quiet(s.log), Workers: workers,
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: atOnce}},
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll,
		// A cycle may take hours; who is alive is told by leases, not by the age of a job.
		JobTimeout: -1, SoftStopTimeout: softStop,
		CompletedJobRetentionPeriod: jobsKept, CancelledJobRetentionPeriod: jobsKept, DiscardedJobRetentionPeriod: jobsKept,
		ReindexerIndexNames: []string{},
	})
	if err != nil {
		return nil, s.explain(fmt.Errorf("starting the queue: %w", err))
	}
	return stop, nil
}

type cycleWorker struct {
	river.WorkerDefaults[cycleJob]
	run func(ctx context.Context, appID string) time.Duration
}

// Work runs one job. It never fails: what went wrong is the application's, and tried again by its
// schedule.
func (w *cycleWorker) Work(ctx context.Context, job *river.Job[cycleJob]) error {
	if again := w.run(ctx, job.Args.AppID); again > 0 {
		return river.JobSnooze(again)
	}
	return nil
}

// wakes asks for a cycle of an application when the transaction ends; one that may not run now gets it
// from the schedule when it may.
func (tx *Tx) wakes(appID string) { tx.waking = append(tx.waking, appID) }

// lockFeed takes the lock on the feed's row, which orders changes, wakes and what cycles have seen. It
// is the last lock that a transaction takes.
func (tx *Tx) lockFeed(ctx context.Context, entries int) (last int64, err error) {
	err = tx.QueryRow(ctx, "update feed set seq = seq + $1 where id = 1 returning seq", entries).Scan(&last)
	if err != nil {
		return 0, fmt.Errorf("taking numbers in the change feed: %w", err)
	}
	return last, nil
}

// runnable is the part of a query that finds applications which may be run now; $1 is the time.
const runnable = `status = 'on' and (paused_at is null or paused_until <= $1)`

// wakeUp marks applications as having a job coming, and queues the job of those that had none. The
// lock on the feed is held.
func (tx *Tx) wakeUp(ctx context.Context, everybody bool) error {
	if tx.s.queue == nil {
		return nil
	}
	which, args := runnable, []any{tx.now()}
	if !everybody {
		which, args = runnable+" and id in "+tx.in("$2"), append(args, list(tx.waking))
	}
	apps, err := collect(one[string])(tx.Query(ctx, "insert into wakes (app_id, at) select id, $1 from applications where "+which+
		" on conflict (app_id) do update set at = excluded.at, taken_at = null where wakes.taken_at is not null returning app_id", args...))
	if err != nil || len(apps) == 0 {
		return err
	}
	tx.queued = true
	return tx.s.queue.insert(ctx, tx, apps)
}

// Wake queues a job for applications that may run and have none coming. Those whose job should have
// been done long ago, because the node that took it died, get another.
func (s *Store) Wake(ctx context.Context, apps ...string) error {
	return s.Write(ctx, func(tx *Tx) error {
		if _, err := tx.lockFeed(ctx, 0); err != nil {
			return err
		}
		now, lost := tx.now(), WakeLost.Milliseconds()
		if _, err := tx.Exec(ctx, "delete from wakes where app_id in "+tx.in("$1")+" and (coalesce(taken_at, at) <= $2 or coalesce(taken_at, at) > $3)", list(apps), now-lost, now+lost); err != nil {
			return err
		}
		tx.waking = append(tx.waking, apps...)
		return nil
	})
}

// WakeLost is how old a wake must be before its job is taken for lost.
const WakeLost = 5 * time.Second

// Awaking is what came of a job.
type Awaking int

// The results of [Store.Awake].
const (
	Asleep Awaking = iota // nothing has been asked for: another job has done it
	Busy                  // a cycle runs; it may end without having seen what was asked for
	Awake                 // the caller looks what there is to do, and calls Attended
)

// Awake takes the mark of an application that it has a job coming. What was changed before is seen by
// whoever reads afterwards; what is changed later wakes the application again: both take the lock on
// the feed.
func (s *Store) Awake(ctx context.Context, appID string) (Awaking, error) {
	return writeAhead(ctx, s, func(tx *Tx) (Awaking, error) {
		if _, err := tx.lockFeed(ctx, 0); err != nil {
			return Asleep, err
		}
		leased, err := tx.leased(ctx, appID)
		if err != nil || leased {
			return Busy, err
		}
		n, err := tx.Exec(ctx, "update wakes set taken_at = $1 where app_id = $2", tx.now(), appID)
		if err != nil || n == 0 {
			return Asleep, err
		}
		return Awake, nil
	})
}

// Attended takes the mark away, and reports whether the application was woken again meanwhile.
func (s *Store) Attended(ctx context.Context, appID string) (again bool, err error) {
	return writeAhead(ctx, s, func(tx *Tx) (bool, error) { return tx.attended(ctx, appID) })
}

func (tx *Tx) attended(ctx context.Context, appID string) (again bool, err error) {
	if _, err := tx.Exec(ctx, "delete from wakes where app_id = $1 and taken_at is not null", appID); err != nil {
		return false, err
	}
	var n int
	err = tx.QueryRow(ctx, "select count(*) from wakes where app_id = $1", appID).Scan(&n)
	return n > 0, err
}
