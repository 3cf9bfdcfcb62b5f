// Package pgtest gives each test an empty PostgreSQL database of its own, on a real server.
//
// The server is the one MUSTER_TEST_POSTGRES names (scripts/test starts one for the whole run); without it, the first test
// of a test binary that asks starts a private one, which ends with the binary, killed or not. A server that pgtest starts
// keeps nothing: it does not sync to disk, so it must never be given data that anybody wants to see again.
//
// Start with [Database]; [Start] is for programs that run tests.
package pgtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// EnvURL names the environment variable that holds the postgres:// URL of a superuser on a running server.
const EnvURL = "MUSTER_TEST_POSTGRES"

// server is the postgres:// URL that all tests of this binary share. The private server it may start is not stopped here:
// a test binary has no moment "after the last test", but its end closes the pipe that the server waits on.
var server = sync.OnceValues(func() (string, error) {
	if url := os.Getenv(EnvURL); url != "" {
		return url, nil
	}
	url, _, err := Start()
	return url, err
})

// Database returns the postgres:// URL of a fresh, empty database, owned by a superuser and dropped when the test ends, together
// with whatever is still connected to it. Its locale is C.UTF-8 on servers that pgtest starts.
//
// Where no PostgreSQL can be started the test is skipped, and fails under CI=true: nothing may go untested there.
func Database(t testing.TB) string {
	t.Helper()
	return create(t, base(t), "template1")
}

// Copy is [Database] with what fill has put into a first one, which is done once in a process: fill is the same for all tests of it.
// A fill that opens connections closes them.
func Copy(t testing.TB, fill func(url string) error) string {
	t.Helper()
	server := base(t)
	template.once.Do(func() { template.name, template.err = fillTemplate(server, fill) })
	if template.err != nil {
		t.Fatalf("preparing a database to copy: %v", template.err)
	}
	return create(t, server, template.name)
}

// template is the database that [Copy] copies.
var template struct {
	once sync.Once
	name string
	err  error
}

// templates begin with this; the rest of the name is the process's.
const templates = "muster_template_"

// fillTemplate makes the database and keeps a connection for as long as the process lives: no test is the last one, so that the
// databases of processes that are gone, whose lock nobody holds any more, are dropped by the next.
func fillTemplate(server string, fill func(url string) error) (string, error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", err
	}
	held = conn
	name := templates + strings.ToLower(rand.Text())
	// Locked before it is there: nobody takes it for a dead one's.
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtext($1))", name); err != nil {
		return "", err
	}
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", templates)
	if err != nil {
		return "", err
	}
	others, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", err
	}
	for _, other := range others {
		var gone bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtext($1))", other).Scan(&gone); err != nil {
			return "", err
		}
		if !gone {
			continue
		}
		if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+other+" WITH (FORCE)"); err != nil {
			return "", err
		}
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	return name, fill(within(server, name))
}

// held keeps the connection from being collected as garbage: its end frees the lock.
//
//lint:ignore U1000 it is there to be held, nobody reads it
var held *pgx.Conn

// base is the URL of the server, where there is one.
func base(t testing.TB) string {
	t.Helper()
	found, err := server()
	if err != nil {
		const format = "PostgreSQL for tests: %v; run scripts/test once, or install the Debian package postgresql, or set " + EnvURL
		if os.Getenv("CI") == "true" {
			t.Fatalf(format, err)
		}
		t.Skipf(format, err)
	}
	if _, err := url.Parse(found); err != nil {
		t.Fatalf("%s is not a postgres:// URL: %v", EnvURL, err)
	}
	return found
}

// create makes a database as a copy of another.
func create(t testing.TB, server, from string) string {
	t.Helper()
	name := "muster_" + strings.ToLower(rand.Text())
	statement(t, server, "CREATE DATABASE "+name+" TEMPLATE "+from)
	t.Cleanup(func() { statement(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	return within(server, name)
}

// within is the URL of one of the server's databases.
func within(server, name string) string {
	at, _ := url.Parse(server) // base has looked
	at.Path = "/" + name
	return at.String()
}

// statement runs one statement on a connection of its own. It does not use the test's context, which has ended when cleanups run.
func statement(t testing.TB, url, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("connecting to PostgreSQL for tests: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
