package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

func TestOpenAgain(t *testing.T) {
	t.Parallel()
	storetest.Empty(t, func(t *testing.T, c store.Config) {
		for range 2 {
			s, err := store.Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if seq, err := s.FeedSeq(t.Context()); err != nil || seq != 0 {
				t.Fatalf("FeedSeq = %d, %v", seq, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestNodesStartTogether(t *testing.T) {
	t.Parallel()
	c := storetest.EmptyPostgres(t) // a data directory has one writer
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := store.Open(t.Context(), c)
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

// refused asserts that opening is refused with this kind, in one line, and without a word of the driver.
func refused(t *testing.T, c store.Config, kind store.Kind, words ...string) {
	t.Helper()
	s, err := store.Open(context.Background(), c)
	if err == nil {
		s.Close()
		t.Fatalf("opening was not refused; want %q", kind)
	}
	if !errors.Is(err, kind) {
		t.Fatalf("refused with %v, want kind %q", err, kind)
	}
	if kind.Exit() != 1 {
		t.Errorf("kind %q exits %d", kind, kind.Exit())
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not name %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is more than a line", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	t.Run("in use", func(t *testing.T) {
		t.Parallel()
		c := store.Config{Data: t.TempDir(), Command: "muster serve"}
		s := storetest.Open(t, c)
		refused(t, c, store.ErrInUse, c.Data, "`muster serve` (pid ", "--server")
		if err := s.Announce("http://127.0.0.1:8080"); err != nil {
			t.Fatal(err)
		}
		refused(t, c, store.ErrInUse, "use --server http://127.0.0.1:8080")
	})
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		refused(t, store.Config{Data: t.TempDir(), ReadOnly: true}, store.ErrMissing)
	})
	t.Run("not a database", func(t *testing.T) {
		t.Parallel()
		c := store.Config{Data: t.TempDir()}
		if err := os.WriteFile(filepath.Join(c.Data, "muster.db"), []byte(strings.Repeat("these are not the rows ", 400)), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, c, store.ErrDamaged, c.Data)
	})
	t.Run("truncated", func(t *testing.T) {
		t.Parallel()
		c := store.Config{Data: t.TempDir()}
		storetest.Open(t, c).Close()
		path := filepath.Join(c.Data, "muster.db")
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, info.Size()/2); err != nil {
			t.Fatal(err)
		}
		refused(t, c, store.ErrDamaged)
	})
	t.Run("emptied", func(t *testing.T) {
		t.Parallel()
		c := store.Config{Data: t.TempDir()}
		storetest.Open(t, c).Close()
		if err := os.Truncate(filepath.Join(c.Data, "muster.db"), 0); err != nil {
			t.Fatal(err)
		}
		c.ReadOnly = true
		refused(t, c, store.ErrMissing, "check --data", "restore")
	})
	t.Run("newer", func(t *testing.T) {
		t.Parallel()
		storetest.Configs(t, func(t *testing.T, c store.Config) {
			s := storetest.Open(t, c)
			err := s.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), "insert into goose_db_version (version_id, is_applied) values (999, $1)", true)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			refused(t, c, store.ErrNewer, "999")
			c.ReadOnly = true
			refused(t, c, store.ErrNewer, "999")
		})
	})
	t.Run("read-only directory", func(t *testing.T) {
		t.Parallel()
		c := store.Config{Data: filepath.Join(t.TempDir(), "file", "data")}
		if err := os.WriteFile(filepath.Dir(c.Data), nil, 0o600); err != nil { // root may write anywhere, but not below a file
			t.Fatal(err)
		}
		refused(t, c, store.ErrReadOnly, c.Data)
	})
	t.Run("locked by another program", func(t *testing.T) {
		t.Parallel()
		if testing.Short() {
			t.Skip("waits for SQLite's ten seconds")
		}
		c := store.Config{Data: t.TempDir()}
		storetest.Open(t, c).Close()
		db, err := sql.Open("sqlite", "file:"+filepath.Join(c.Data, "muster.db")+"?_txlock=exclusive")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		s, err := store.Open(t.Context(), c)
		if err == nil {
			defer s.Close()
			err = s.Write(t.Context(), func(tx *store.Tx) error { return nil })
		}
		if !errors.Is(err, store.ErrBusy) {
			t.Fatalf("refused with %v", err)
		}
	})
	t.Run("unreachable", func(t *testing.T) {
		t.Parallel()
		refused(t, store.Config{Database: "postgres://muster:hush-hush@127.0.0.1:1/muster?connect_timeout=5"}, store.ErrUnreachable, "127.0.0.1:1")
	})
	t.Run("no such database", func(t *testing.T) {
		t.Parallel()
		c := storetest.Postgres(t)
		at := strings.Replace(c.Database, "/muster_", "/nobody_", 1)
		refused(t, store.Config{Database: at}, store.ErrUnreachable, "does not exist")
		s, err := store.Open(t.Context(), store.Config{Database: strings.Replace(c.Database, "@", "wrong@", 1)})
		if err == nil {
			s.Close()
		}
		if !errors.Is(err, store.ErrUnreachable) {
			t.Fatalf("a wrong password: %v", err)
		}
	})
}

func TestReadBesideWriter(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		w := storetest.Open(t, c)
		c.ReadOnly = true
		r := storetest.Open(t, c)
		if _, err := r.FeedSeq(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Write(t.Context(), func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrReadOnly) {
			t.Fatalf("a reader may write: %v", err)
		}
		if err := w.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
