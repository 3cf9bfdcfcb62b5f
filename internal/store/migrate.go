package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	gooselock "github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date; a reader only checks that it is. Several nodes may do so at
// once on PostgreSQL: they wait for each other.
func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithSlog(s.log)}
	if s.Postgres() {
		locker, err := gooselock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("preparing the migration lock: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	db := s.write
	if db == nil {
		db = s.read
	}
	provider, err := goose.NewProvider(s.dialect.goose, db, files, options...)
	if err != nil {
		return fmt.Errorf("preparing the migrations: %w", err)
	}
	// The database is asked directly: the provider would make its table first, which a reader must not.
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	have, err := s.Schema(ctx)
	switch {
	case err != nil:
		return err
	case have > newest:
		return refuse(ErrNewer, "use the version that wrote it, or a newer one", "Muster's database has schema %d, and this version of muster knows only up to %d", have, newest)
	case have == newest:
		return nil
	case s.readOnly && have == 0:
		return refuse(ErrMissing, "check "+s.flag()+"; `muster migrate` makes it Muster's, and `muster restore` brings a backup back", "there is nothing of Muster in the database")
	case s.readOnly:
		return refuse(ErrOlder, "run `muster migrate` once", "Muster's database has schema %d, and this version of muster needs %d", have, newest)
	}
	// The queue's tables first: they are there when the number says so.
	return s.alone(ctx, func() error {
		if err := s.queue.migrate(ctx, s.log); err != nil {
			return err
		}
		if _, err := provider.Up(ctx); err != nil {
			return fmt.Errorf("bringing the database's schema from %d to %d: %w", have, newest, err)
		}
		return nil
	})
}

// flag is how a person says which database is meant.
func (s *Store) flag() string {
	if s.Postgres() {
		return "--database"
	}
	return "--data"
}

// alone runs fn while no other node migrates: the queue's migrations have no lock of their own.
func (s *Store) alone(ctx context.Context, fn func() error) error {
	if !s.Postgres() {
		return fn()
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	const number = "(7715837391)" // any, as long as nobody else takes it
	if _, err := conn.ExecContext(ctx, "select pg_advisory_lock"+number); err != nil {
		return fmt.Errorf("waiting for another node's migration: %w", err)
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "select pg_advisory_unlock"+number) }()
	return fn()
}

// Schema returns the version of the database's schema, 0 when it is empty.
func (s *Store) Schema(ctx context.Context) (int64, error) {
	exists := "select count(*) from sqlite_master where name = 'goose_db_version'"
	if s.Postgres() {
		exists = "select count(*) from information_schema.tables where table_name = 'goose_db_version' and table_schema = current_schema()"
	}
	var n int
	if err := s.read.QueryRowContext(ctx, exists).Scan(&n); err != nil {
		return 0, fmt.Errorf("reading the schema's version: %w", err)
	}
	if n == 0 {
		return 0, nil
	}
	var version sql.NullInt64
	err := s.read.QueryRowContext(ctx, "select max(version_id) from goose_db_version where is_applied").Scan(&version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("reading the schema's version: %w", err)
	}
	return version.Int64, nil
}
