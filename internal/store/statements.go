package store

import (
	"context"
	"database/sql/driver"
)

// remembering makes connections to SQLite that remember what they have prepared: to read the text of
// a statement costs as much as to run it, and the texts of this package are few. PostgreSQL's driver
// does so by itself.
type remembering struct{ driver.Connector }

func (r remembering) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{sqliteConn: inner.(sqliteConn), known: map[string]*statement{}}, nil
}

// sqliteConn is what database/sql uses of the driver's connection. It leaves out that a connection may
// run a text without preparing it, so that everything comes by [conn.PrepareContext].
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is used by one goroutine at a time; database/sql sees to that.
type conn struct {
	sqliteConn
	known map[string]*statement
}

const (
	mostStatements = 500     // kept by one connection
	longStatement  = 4 << 10 // bytes: a longer text is prepared for one use, not to be kept in memory
)

type sqliteStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// statement is a prepared statement that outlives whoever closes it.
type statement struct {
	sqliteStatement
	busy bool // in use: whoever wants the same one before it is closed gets one of their own
}

func (c *conn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	if s := c.known[text]; s != nil && !s.busy {
		s.busy = true
		return s, nil
	}
	inner, err := c.sqliteConn.PrepareContext(ctx, text)
	if err != nil || c.known[text] != nil || len(c.known) >= mostStatements || len(text) > longStatement {
		return inner, err
	}
	s := &statement{inner.(sqliteStatement), true}
	c.known[text] = s
	return s, nil
}

// Close gives the statement back to its connection.
func (s *statement) Close() error {
	s.busy = false
	return nil
}

// Close closes the connection with all that it remembers.
func (c *conn) Close() error {
	for _, s := range c.known {
		_ = s.sqliteStatement.Close() // the connection goes, and says so if it cannot
	}
	clear(c.known)
	return c.sqliteConn.Close()
}
