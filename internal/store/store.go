package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"go.opentelemetry.io/otel/trace"

	"github.com/muster-id/muster/internal/tracing"
)

// Config says where the state is and how it is opened.
type Config struct {
	// Data is the directory of the embedded default: the database muster.db, the key muster.key and
	// the lock. With Database set only the key is looked for there.
	Data string
	// Database is a postgres:// URL; "" keeps the state in Data.
	Database string
	// ReadOnly opens beside a running writer and creates, migrates and locks nothing.
	ReadOnly bool
	// Key seals the secrets, 32 bytes, see [ParseKey]; nil takes the file muster.key in Data, which is
	// made when the first secret is sealed.
	Key []byte
	// Command is what a second writer is told holds the directory ("muster serve"); never with
	// arguments that may be secret.
	Command string
	Clock   func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil logs nothing
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	dialect  *dialect
	data     string
	readOnly bool
	clock    func() time.Time
	log      *slog.Logger
	lock     *lock         // of the data directory; nil on PostgreSQL and for readers
	pool     *pgxpool.Pool // nil on SQLite
	write    *sql.DB       // nil when read-only; one connection on SQLite
	read     *sql.DB       // the same as write on PostgreSQL
	queue    queue         // nil when read-only
	queued   chan struct{} // told when a job was committed
	notable  atomic.Int64  // see Notable
	queries  atomic.Int64
	counted  atomic.Int64 // up to when the hours are counted, see [Store.TallyHourly]
	instance string       // names this opening of the store, for leases
	owed     sync.Map     // leases that are over and could not be given back: application by holder
	closed   atomic.Bool

	statistics statistics // of PostgreSQL

	key     []byte     // given by the caller, else read from the file on first use
	keyOnce sync.Mutex // guards key
}

// Open opens the state, creates it where there is none and brings its schema up to date. What it
// refuses is an [*Error] whose text is one line for a person.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Key != nil && len(c.Key) != 32 {
		return nil, refuse(ErrInvalid, "`openssl rand -base64 32` makes one", "the key has %d bytes, not 32", len(c.Key))
	}
	s := &Store{data: c.Data, readOnly: c.ReadOnly, clock: c.Clock, log: c.Log, key: c.Key, instance: newID(), queued: make(chan struct{}, 1)}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if c.Database != "" {
		err = s.openPostgres(ctx, c)
	} else {
		err = s.openSQLite(ctx, c)
	}
	if err == nil && s.write != nil {
		s.queue, err = newQueue(s)
	}
	if err == nil {
		err = s.migrate(ctx)
	}
	if err == nil && s.write != nil {
		err = errors.Join(s.fillSchedule(ctx), s.fillWords(ctx))
	}
	if err != nil {
		return nil, errors.Join(s.explain(err), s.Close())
	}
	if s.write != nil {
		if _, err := s.EndLostTasks(ctx); err != nil {
			s.log.Warn("what a process left that died is not ended", "error", err) // whoever looks next does it
		}
	}
	return s, nil
}

// Close ends all connections and gives the data directory free. Closing again does nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var errs []error
	if s.read != nil && s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.pool != nil {
		s.pool.Close()
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return errors.Join(errs...)
}

// Now returns the store's time in UTC, in the milliseconds that the database keeps.
func (s *Store) Now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

// Queries returns how many statements the store has sent since it was opened, without those that
// begin and end transactions.
func (s *Store) Queries() int64 { return s.queries.Load() }

// Notable counts the commits of this process whose outcome people look for at once: what an administrator
// did, and the begin and the end of a cycle. The many by which a cycle moves on are not among them: whoever
// remembers a count of those says how old it may be.
func (s *Store) Notable() int64 { return s.notable.Load() }

// Dir returns the data directory: of the database, or on PostgreSQL of the key alone.
func (s *Store) Dir() string { return s.data }

// Postgres reports whether the state is kept in PostgreSQL, and so may be shared by several nodes.
func (s *Store) Postgres() bool { return s.pool != nil }

// Tx is one transaction. Its methods are not safe for concurrent use.
type Tx struct {
	s       *Store
	tx      handle
	pgx     pgx.Tx   // of a writing transaction on PostgreSQL: the same one, in the form that the queue takes
	pending []Change // what the feed is told when the transaction ends
	waking  []string // applications that get a job when the transaction ends
	queued  bool     // a job was
	notable bool     // see Store.Notable
	arrival string   // id of the import that the changes belong to; "" when they go into the feed at once
	shadow  bool     // nothing of this transaction will last, see shadow.go
	newKey  []byte   // sealed secrets of this transaction, see adoptKey
}

// handle is what statements run on: a *sql.Tx, or a *sql.Conn in whose session a transaction is open.
type handle interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// attempts bounds how often a transaction is begun again after PostgreSQL ended it in favour of
// another one.
const attempts = 12

// begin begins a transaction on PostgreSQL.
const begin = "begin"

// Write runs fn in a transaction that writes, and gives the changes of the directory that fn made
// their numbers in the feed as the last thing before the commit. fn may be run again from the start
// when PostgreSQL ends the transaction in favour of another, so it must set what it returns anew
// each time. On SQLite writers queue for one connection: fn must not wait for anything but tx.
func (s *Store) Write(ctx context.Context, fn func(tx *Tx) error) error {
	return s.commit(ctx, begin, fn)
}

// writeAhead is [Store.Write] for what nobody need find after the machine has lost its power unless they find also what was
// committed after it: on PostgreSQL the next commit by Write waits for the disk for both, because the log of both is one. So a
// step of a cycle on its way to the first request costs no wait of its own. (SQLite's commits always wait.)
func (s *Store) writeAhead(ctx context.Context, fn func(tx *Tx) error) error {
	return s.commit(ctx, begin+"; set local synchronous_commit = off", fn)
}

// commit runs fn in a transaction that begins, on PostgreSQL, with these words.
func (s *Store) commit(ctx context.Context, begin string, fn func(tx *Tx) error) error {
	if s.write == nil {
		return &Error{Kind: ErrReadOnly, Reason: "Muster's database was opened for reading only"}
	}
	ctx, span := tracing.Start(ctx, "commit", trace.SpanKindClient, s.dialect.system)
	defer span.End()
	for try := 1; ; try++ {
		queued, notable := false, false
		err := s.writeOnce(ctx, begin, func(tx *Tx) error {
			if err := fn(tx); err != nil {
				return err
			}
			if err := tx.adoptKey(ctx); err != nil {
				return err
			}
			err := tx.flush(ctx)
			queued, notable = tx.queued, tx.notable
			return err
		})
		if err == nil && notable {
			s.notable.Add(1)
		}
		if err == nil && queued {
			select {
			case s.queued <- struct{}{}:
			default: // it is told already
			}
		}
		if err == nil || try == attempts || !repeatable(err) {
			span.SetAttributes(tracing.Attempts.Int(try))
			return failedSpan(span, s.explain(err))
		}
		// The others must get ahead; two that lost to each other must not meet in step again.
		pause := time.NewTimer(time.Duration(rand.Int64N(int64(try) * int64(5*time.Millisecond))))
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

// failedSpan says on the span of a commit why there was none.
func failedSpan(span trace.Span, err error) error {
	if known := (*Error)(nil); errors.As(err, &known) {
		tracing.Fail(span, string(known.Kind))
	} else if err != nil {
		tracing.Fail(span, "internal")
	}
	return err
}

// Read runs fn in a transaction that sees one state of the database throughout.
func (s *Store) Read(ctx context.Context, fn func(tx *Tx) error) error {
	return s.explain(s.once(ctx, s.read, s.dialect.snapshot, fn))
}

func (s *Store) once(ctx context.Context, db *sql.DB, opts *sql.TxOptions, fn func(*Tx) error) error {
	inner, err := db.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer inner.Rollback() // after a commit it does nothing
	if err := fn(&Tx{s: s, tx: inner}); err != nil {
		return err
	}
	if err := inner.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// writeOnce runs fn in one transaction that writes.
func (s *Store) writeOnce(ctx context.Context, begin string, fn func(*Tx) error) error {
	if s.pool == nil {
		return s.once(ctx, s.write, nil, fn)
	}
	conn, inner, err := s.beginPostgres(ctx, begin)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer conn.Close()
	// Also when the caller has given up: the connection goes back to the pool.
	defer inner.Rollback(context.WithoutCancel(ctx)) // after a commit it does nothing
	if err := fn(&Tx{s: s, tx: conn, pgx: inner}); err != nil {
		return err
	}
	if err := inner.Commit(ctx); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	s.learn(ctx)
	return nil
}

// beginPostgres begins one transaction in two forms: statements run on the *sql.Conn, and the queue
// takes the pgx.Tx.
func (s *Store) beginPostgres(ctx context.Context, begin string) (conn *sql.Conn, inner pgx.Tx, err error) {
	for range 3 {
		if conn, err = s.write.Conn(ctx); err != nil {
			return nil, nil, err
		}
		err = conn.Raw(func(raw any) (err error) {
			inner, err = raw.(*stdlib.Conn).Conn().BeginTx(ctx, pgx.TxOptions{BeginQuery: begin})
			return err
		})
		if err == nil {
			return conn, inner, nil
		}
		// A connection that the server closed while it lay in the pool; nothing was sent on it.
		conn.Close()
		if ctx.Err() != nil {
			break
		}
	}
	return nil, nil, err
}

// repeatable reports whether PostgreSQL ended the transaction only because of others that ran
// beside it: a serialization failure, a deadlock, or a name that somebody else took between our
// look and our insert (the second run then sees it and says so).
func repeatable(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	return pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "23505"
}

// Exec runs a statement and returns how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tx.s.queries.Add(1)
	res, err := tx.tx.ExecContext(ctx, tx.s.dialect.text(query), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query runs a statement that yields rows; see [collect].
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	tx.s.queries.Add(1)
	return tx.tx.QueryContext(ctx, tx.s.dialect.text(query), args...)
}

// QueryRow runs a statement that yields one row.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	tx.s.queries.Add(1)
	return tx.tx.QueryRowContext(ctx, tx.s.dialect.text(query), args...)
}

// in returns the text of a subquery that yields the strings of the JSON list given as parameter p:
// `where id in ` + tx.in("$1"), with list(ids) as the argument.
func (tx *Tx) in(p string) string { return tx.s.dialect.in(p) }

// now returns the store's time as the database keeps it.
func (tx *Tx) now() int64 { return tx.s.Now().UnixMilli() }

// scanner is a row that can be scanned: *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// collect reads all rows through scan. It takes what Query returns.
func collect[T any](scan func(scanner) (T, error)) func(*sql.Rows, error) ([]T, error) {
	return func(rows *sql.Rows, err error) ([]T, error) {
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		list := []T{}
		for rows.Next() {
			v, err := scan(rows)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, rows.Err()
	}
}

// each has a function read the rows of a query one after the other.
func each(ctx context.Context, tx *Tx, row func(scanner) error, query string, args ...any) error {
	_, err := collect(func(r scanner) (struct{}, error) { return struct{}{}, row(r) })(tx.Query(ctx, query, args...))
	return err
}

// one scans a single plain column.
func one[T any](row scanner) (v T, err error) {
	err = row.Scan(&v)
	return v, err
}

// read runs a function of a transaction in a reading one of its own.
func read[T any](ctx context.Context, s *Store, fn func(*Tx) (T, error)) (v T, err error) {
	err = s.Read(ctx, func(tx *Tx) (err error) { v, err = fn(tx); return err })
	return v, err
}

// write runs a function of a transaction in a writing one of its own.
func write[T any](ctx context.Context, s *Store, fn func(*Tx) (T, error)) (v T, err error) {
	err = s.Write(ctx, func(tx *Tx) (err error) { v, err = fn(tx); return err })
	return v, err
}

// writeAhead is [Store.writeAhead] with a result.
func writeAhead[T any](ctx context.Context, s *Store, fn func(*Tx) (T, error)) (v T, err error) {
	err = s.writeAhead(ctx, func(tx *Tx) (err error) { v, err = fn(tx); return err })
	return v, err
}

// newID returns a UUIDv7, whose order is the order of making.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// millis and fromMillis carry a time to the database and back; the zero time is null.
func millis(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}

func fromMillis(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// null carries the zero value as null.
func null[T cmp.Ordered](v T) sql.Null[T] {
	var zero T
	return sql.Null[T]{V: v, Valid: v != zero}
}
