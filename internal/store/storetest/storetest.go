// Package storetest opens real databases for tests: a SQLite file and a PostgreSQL database, each
// empty, each the test's own. Start at [ForEach].
package storetest

import (
	"context"
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
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, store.Config{Data: t.TempDir()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, Postgres(t))
	})
}

// Postgres is the configuration for tests of what only PostgreSQL has.
func Postgres(t testing.TB) store.Config {
	t.Helper()
	return store.Config{Data: t.TempDir(), Database: pgtest.Database(t)}
}

// Open opens a store that is closed when the test ends.
func Open(t testing.TB, c store.Config) *store.Store {
	t.Helper()
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
