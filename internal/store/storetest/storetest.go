// Package storetest opens real databases for tests: a SQLite file and a PostgreSQL database, each the
// test's own, with Muster's schema and nothing in it. Start at [ForEach].
//
// The schema is made once in a process and copied for each test: making it costs more than most tests.
package storetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/muster-id/muster/internal/pgtest"
	"github.com/muster-id/muster/internal/store"
)

// ForEach runs a test once on SQLite and once on PostgreSQL, in parallel.
func ForEach(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	Configs(t, func(t *testing.T, c store.Config) { test(t, Open(t, c)) })
}

// Configs is [ForEach] for tests that open the store themselves, or more than once.
func Configs(t *testing.T, test func(t *testing.T, c store.Config)) {
	t.Helper()
	each(t, Postgres, func(t *testing.T, c store.Config) {
		Prepare(t, c)
		test(t, c)
	})
}

// Empty is [Configs] for tests of how the schema comes to be: there is nothing in the databases.
func Empty(t *testing.T, test func(t *testing.T, c store.Config)) {
	t.Helper()
	each(t, EmptyPostgres, test)
}

func each(t *testing.T, postgres func(testing.TB) store.Config, test func(t *testing.T, c store.Config)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, store.Config{Data: t.TempDir()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, postgres(t))
	})
}

// Postgres is the configuration for tests of what only PostgreSQL has.
func Postgres(t testing.TB) store.Config {
	t.Helper()
	return store.Config{Data: t.TempDir(), Database: pgtest.Copy(t, func(url string) error {
		_, err := schema(store.Config{Data: t.TempDir(), Database: url})
		return err
	})}
}

// EmptyPostgres is [Postgres] without a schema.
func EmptyPostgres(t testing.TB) store.Config {
	t.Helper()
	return store.Config{Data: t.TempDir(), Database: pgtest.Database(t)}
}

// Open opens a store that is closed when the test ends. A data directory that has no database gets one
// with the schema.
func Open(t testing.TB, c store.Config) *store.Store {
	t.Helper()
	Prepare(t, c)
	s, err := store.Open(context.Background(), c)
	if err != nil {
		t.Fatalf("opening the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return s
}

// Prepare copies a SQLite database with the schema into a data directory that has none; for PostgreSQL see [Postgres].
func Prepare(t testing.TB, c store.Config) {
	t.Helper()
	if c.Database != "" || c.ReadOnly {
		return
	}
	made, err := sqlite()
	if err != nil {
		t.Fatalf("making the schema: %v", err)
	}
	path := filepath.Join(c.Data, "muster.db")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := errors.Join(os.MkdirAll(c.Data, 0o700), os.WriteFile(path, made, 0o600)); err != nil {
		t.Fatalf("copying the schema: %v", err)
	}
}

// sqlite is the database file with the schema.
var sqlite = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "muster-schema-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return schema(store.Config{Data: dir})
})

// schema makes the schema, and returns the file where the database is one.
func schema(c store.Config) ([]byte, error) {
	s, err := store.Open(context.Background(), c)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil || c.Database != "" {
		return nil, err
	}
	return os.ReadFile(filepath.Join(c.Data, "muster.db"))
}
