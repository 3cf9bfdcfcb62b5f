package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
)

// databaseName is the SQLite file in the data directory.
const databaseName = "muster.db"

// openSQLite opens DATA/muster.db. Writing goes through one connection, because SQLite's busy wait
// is not fair and Go's queue for a connection is; reading has a small pool of its own, which sees
// the last committed state and never waits for the writer (write-ahead log).
func (s *Store) openSQLite(ctx context.Context, c Config) error {
	s.dialect = sqliteDialect()
	path, err := filepath.Abs(filepath.Join(c.Data, databaseName))
	if err != nil {
		return fmt.Errorf("finding the data directory %s: %w", c.Data, err)
	}
	if !c.ReadOnly {
		if err := s.prepareDir(c, path); err != nil {
			return err
		}
	} else if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return refuse(ErrMissing, "check --data; `muster import` or `muster config apply` makes one", "there is no Muster database in %s", c.Data)
	}
	if err := wholeFile(path, c.Data); err != nil {
		return err
	}
	if c.ReadOnly {
		s.read, err = openFile(path, "&mode=ro&_pragma=cache_size(-4000)", 4)
		return err
	}
	if s.write, err = openFile(path, "&_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-16000)", 1); err != nil {
		return err
	}
	// The first connection makes the file a write-ahead one; readers must find it so.
	if err := s.write.PingContext(ctx); err != nil {
		return err
	}
	s.read, err = openFile(path, "&_pragma=query_only(1)&_pragma=cache_size(-4000)", 4)
	return err
}

// openFile makes a pool of connections to a SQLite file. Connections stay open: opening one costs
// more than most queries.
func openFile(path, options string, connections int) (*sql.DB, error) {
	name := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)" + options
	connector, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db := sql.OpenDB(remembering{connector})
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// prepareDir makes the data directory and the empty database file, closed to other users of the
// machine (the write-ahead log takes the file's permissions), and locks the directory.
func (s *Store) prepareDir(c Config, path string) error {
	cannot := func(err error) error {
		if errors.Is(err, syscall.ENOSPC) {
			e := full(c.Data)
			e.Err = err
			return e
		}
		return &Error{Kind: ErrReadOnly, Reason: "the data directory " + c.Data + " cannot be written", Next: "check its owner and permissions, or name another with --data", Err: err}
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return cannot(err)
	}
	var err error
	if s.lock, err = lockDir(c.Data, c.Command); err != nil {
		var known *Error
		if errors.As(err, &known) {
			return err
		}
		return cannot(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return cannot(err)
	}
	return f.Close()
}

// wholeFile compares the length of the database file with the one its header tells
// (https://www.sqlite.org/fileformat.html §1.3), so that a truncated file is refused at once and
// not when somebody asks for the missing page. The whole check is [Store.Check].
func wholeFile(path, dir string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return &Error{Kind: ErrReadOnly, Reason: "Muster's database in " + dir + " cannot be read", Next: "check its owner and permissions", Err: err}
	} else if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer f.Close()
	var header [100]byte
	n, err := io.ReadFull(f, header[:])
	if n == 0 && errors.Is(err, io.EOF) {
		return nil // just made
	}
	if err != nil || string(header[:16]) != "SQLite format 3\x00" {
		return damaged(dir)
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	size := int64(binary.BigEndian.Uint16(header[16:]))
	if size == 1 {
		size = 65536
	}
	pages := int64(binary.BigEndian.Uint32(header[28:]))
	// The count is valid only when the version that wrote it is that of the last change.
	valid := [4]byte(header[24:28]) == [4]byte(header[92:96])
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		valid = false // pages may still stand in the log
	}
	if valid && info.Size() < pages*size {
		return damaged(dir)
	}
	return nil
}

// openPostgres opens one pool and wraps it for database/sql, so that both see the same connections.
func (s *Store) openPostgres(ctx context.Context, c Config) error {
	s.dialect = postgresDialect()
	config, err := pgxpool.ParseConfig(c.Database)
	if err != nil {
		return &Error{Kind: ErrInvalid, Reason: "--database is not a postgres:// URL that can be used", Next: "it looks like postgres://user:password@host:5432/muster", Err: err}
	}
	config.MaxConns = max(config.MaxConns, 10)
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		// A node that is cut off or stopped in the middle of a transaction must not hold its locks for ever: the
		// others wait for the feed's.
		const dead = "set idle_in_transaction_session_timeout = '5s'; set tcp_user_timeout = '10s'; "
		// Every question about one change has its index, and what a table looked like in the middle of a first load,
		// when it was last analysed, must not make the planner read everybody instead. Compiling costs more than it gains.
		const plans = "set enable_seqscan = off; set jit = off"
		_, err := c.Exec(ctx, dead+plans, pgx.QueryExecModeSimpleProtocol)
		return err
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return fmt.Errorf("opening PostgreSQL: %w", err)
	}
	db := stdlib.OpenDBFromPool(s.pool)
	s.read = db
	if !c.ReadOnly {
		s.write = db
	}
	return db.PingContext(ctx)
}

// Check reads the whole database and returns an error when it is damaged. It takes seconds on a
// large one.
func (s *Store) Check(ctx context.Context) error {
	if s.Postgres() {
		return s.explain(s.read.PingContext(ctx))
	}
	var found string
	err := s.read.QueryRowContext(ctx, "pragma integrity_check(1)").Scan(&found)
	if err == nil && found != "ok" {
		e := damaged(s.data)
		e.Err = errors.New(found)
		return e
	}
	return s.explain(err)
}
