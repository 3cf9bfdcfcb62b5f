package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/pressly/goose/v3"

	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// A database of the first release comes forward with what is in it.
func TestMigratesFromTheFirstSchema(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		ctx := t.Context()
		const name = "00001_directory_and_engine.sql"
		text, err := os.ReadFile(filepath.Join("migrations", name))
		must(t)(err)
		driver, source, dialect := "sqlite", filepath.Join(c.Data, "muster.db"), goose.DialectSQLite3
		if c.Database != "" {
			driver, source, dialect = "pgx", c.Database, goose.DialectPostgres
		}
		db, err := sql.Open(driver, source)
		must(t)(err)
		defer db.Close()
		first, err := goose.NewProvider(dialect, db, fstest.MapFS{name: {Data: text}})
		must(t)(err)
		_, err = first.Up(ctx)
		must(t)(err)
		for _, statement := range []string{
			`insert into applications (id, name, name_key, template, config, created_at, modified_at) values ('a1', 'Slack', 'slack', 'slack', '{}', 1, 1)`,
			`insert into secrets (app_id, name, origin, sealed) values ('a1', 'token', 'https://slack.com:443', 'v1:x:y')`,
			`insert into cycles (id, app_id, type, state, watermark, basis, summary, initiated_by, created_at) values ('c1', 'a1', 'initial', 'done', 1, '', '{}', 'ada', 1)`,
			`insert into operations (id, app_id, cycle_id, type, action, state, urgency, rank, object_id, object_name, cause, reason, want, detail, steps, initiated_by, created_at, finished_at, status)
				values ('o1', 'a1', 'c1', 'user', 'create', 'applied', 0, 0, 'u1', 'ada', 'new', 'new', '{}', '{}', '[]', 'ada', 1, 2, 'success')`,
		} {
			_, err := db.ExecContext(ctx, statement)
			must(t)(err)
		}
		must(t)(db.Close())
		s := storetest.Open(t, c)
		app, err := s.Application(ctx, "slack")
		must(t)(err)
		records, err := s.Log(ctx, store.LogQuery{AppID: app.ID})
		must(t)(err)
		if len(records) != 1 || records[0].Source.Name != "ada" {
			t.Errorf("the log holds %v", records)
		}
		origins, err := s.SecretOrigins(ctx, app.ID)
		must(t)(err)
		if origins["token"] != "https://slack.com:443" {
			t.Errorf("the secrets are %v", origins)
		}
		must(t)(s.NotifyExpiry(ctx))
	})
}
