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
	base, err := server()
	if err != nil {
		const format = "PostgreSQL for tests: %v; run scripts/test once, or install the Debian package postgresql, or set " + EnvURL
		if os.Getenv("CI") == "true" {
			t.Fatalf(format, err)
		}
		t.Skipf(format, err)
	}
	at, err := url.Parse(base)
	if err != nil {
		t.Fatalf("%s is not a postgres:// URL: %v", EnvURL, err)
	}
	name := "muster_" + strings.ToLower(rand.Text())
	statement(t, base, "CREATE DATABASE "+name)
	t.Cleanup(func() { statement(t, base, "DROP DATABASE "+name+" WITH (FORCE)") })
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
