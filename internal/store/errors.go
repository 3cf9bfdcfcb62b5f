package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Kind sorts what the store refuses. It is itself an error, so that errors.Is(err, ErrNotFound) asks
// for it.
type Kind string

// The kinds of refusals, and the exit status a command ends with.
const (
	ErrNotFound    Kind = "not_found"    // 2
	ErrAmbiguous   Kind = "ambiguous"    // 2
	ErrExists      Kind = "exists"       // 2
	ErrInvalid     Kind = "invalid"      // 2
	ErrChanged     Kind = "changed"      // 2: somebody else was faster
	ErrNeedsSecret Kind = "needs_secret" // 2: a secret is missing, for another origin, or sealed with another key
	ErrInUse       Kind = "in_use"       // 1: somebody else writes to the data directory
	ErrBusy        Kind = "busy"         // 1: the database stayed locked
	ErrMissing     Kind = "missing"      // 1: there is no database, and this command only reads
	ErrOlder       Kind = "older"        // 1: the schema wants migrating, and this command only reads
	ErrNewer       Kind = "newer"        // 1
	ErrDamaged     Kind = "damaged"      // 1
	ErrReadOnly    Kind = "read_only"    // 1
	ErrUnreachable Kind = "unreachable"  // 1
	ErrFull        Kind = "disk_full"    // 1
)

func (k Kind) Error() string { return strings.ReplaceAll(string(k), "_", " ") }

// Exit returns the exit status of a command that is refused so.
func (k Kind) Exit() int {
	switch k {
	case ErrNotFound, ErrAmbiguous, ErrExists, ErrInvalid, ErrChanged, ErrNeedsSecret:
		return 2
	}
	return 1
}

// Error is a refusal in words for a person.
type Error struct {
	Kind   Kind
	Reason string // what happened, to whom; one line
	Next   string // what to do; "" when the reason says it
	Err    error  // the cause, for logs
}

func (e *Error) Error() string {
	if e.Next == "" {
		return e.Reason
	}
	return e.Reason + "; " + e.Next
}

// Is makes errors.Is(err, ErrNotFound) work.
func (e *Error) Is(target error) bool { return target == error(e.Kind) }

func (e *Error) Unwrap() error { return e.Err }

// refuse makes an [*Error] without a cause.
func refuse(kind Kind, next, reason string, args ...any) error {
	return &Error{Kind: kind, Reason: fmt.Sprintf(reason, args...), Next: next}
}

// explain turns what a driver says of the database's state into a refusal; other errors pass.
func (s *Store) explain(err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		if e := explainSQLite(lite.Code()&0xff, s.data); e != nil {
			e.Err = err
			return e
		}
		return err
	}
	if e := s.explainPostgres(err); e != nil {
		e.Err = err
		return e
	}
	return err
}

func explainSQLite(code int, dir string) *Error {
	switch code {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return &Error{Kind: ErrBusy, Reason: "Muster's database in " + dir + " is locked by another program", Next: "close what has it open and try again"}
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return &Error{Kind: ErrReadOnly, Reason: "Muster's database in " + dir + " cannot be written", Next: "check the owner and the permissions of the directory and of what is in it"}
	case sqlite3.SQLITE_IOERR:
		return &Error{Kind: ErrReadOnly, Reason: "Muster's database in " + dir + " cannot be read or written: the disk is full, or refuses it", Next: "make room where it is full; else see what the machine says of the disk: a file system with errors is made read-only"}
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return damaged(dir)
	case sqlite3.SQLITE_FULL:
		return full(dir)
	}
	return nil
}

func full(dir string) *Error {
	return &Error{Kind: ErrFull, Reason: "the disk that holds " + dir + " is full", Next: "make room and try again; nothing was lost"}
}

func damaged(dir string) *Error {
	return &Error{Kind: ErrDamaged, Reason: "Muster's database in " + dir + " is damaged", Next: "keep a copy of it, then `muster restore` a backup into an empty directory"}
}

func (s *Store) explainPostgres(err error) *Error {
	const next = "check that the server runs and that --database is right"
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch {
		case refused.Code == "25006": // read_only_sql_transaction
			return &Error{Kind: ErrReadOnly, Reason: "Muster's PostgreSQL database is read-only", Next: "point --database at the primary server"}
		case refused.Code == "53100": // disk_full
			return &Error{Kind: ErrFull, Reason: "the disk of Muster's PostgreSQL server is full", Next: "make room and try again; nothing was lost"}
		case refused.Code == "XX001", refused.Code == "XX002": // data_corrupted, index_corrupted
			return &Error{Kind: ErrDamaged, Reason: "Muster's PostgreSQL database is damaged: " + refused.Message, Next: "`muster restore` a backup into an empty database"}
		// 28…: authorisation, 3D000: no such database, 57P…: shutting down or starting, 53…: no connection left
		case strings.HasPrefix(refused.Code, "28"), refused.Code == "3D000", strings.HasPrefix(refused.Code, "57P"), strings.HasPrefix(refused.Code, "53"), strings.HasPrefix(refused.Code, "08"):
			return &Error{Kind: ErrUnreachable, Reason: "Muster's PostgreSQL database cannot be used: " + refused.Message, Next: next}
		}
		return nil
	}
	var connect *pgconn.ConnectError
	var netErr net.Error
	if s.Postgres() && (errors.As(err, &connect) || errors.As(err, &netErr) && !errors.Is(err, context.DeadlineExceeded)) {
		where := ""
		if c := s.pool.Config().ConnConfig; c != nil {
			where = fmt.Sprintf(" at %s:%d", c.Host, c.Port)
		}
		return &Error{Kind: ErrUnreachable, Reason: "Muster's PostgreSQL database" + where + " cannot be reached", Next: next}
	}
	return nil
}
