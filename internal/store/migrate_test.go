package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// first makes a database of the first release with something in it.
func first(t *testing.T, c store.Config, statements ...string) {
	t.Helper()
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
	for _, statement := range statements {
		_, err := db.ExecContext(ctx, statement)
		must(t)(err)
	}
}

// A database of the first release comes forward with what is in it.
func TestMigratesFromTheFirstSchema(t *testing.T) {
	t.Parallel()
	storetest.Empty(t, func(t *testing.T, c store.Config) {
		ctx := t.Context()
		first(
			t, c,
			`insert into applications (id, name, name_key, template, config, created_at, modified_at) values ('a1', 'Slack', 'slack', 'slack', '{}', 1, 1)`,
			`insert into applications (id, name, name_key, template, config, completed_at, created_at, modified_at)
				values ('a2', 'Other', 'other', 'scim2', '{"provisioning":{"status":"on","interval":"10m","reconcile":"24h"}}', 5, 1, 1)`,
			`insert into secrets (app_id, name, origin, sealed) values ('a1', 'token', 'https://slack.com:443', 'v1:x:y')`,
			`insert into cycles (id, app_id, type, state, watermark, basis, summary, initiated_by, created_at) values ('c1', 'a1', 'initial', 'done', 1, '', '{}', 'ada', 1)`,
			`insert into operations (id, app_id, cycle_id, type, action, state, urgency, rank, object_id, object_name, cause, reason, want, detail, steps, initiated_by, created_at, finished_at, status)
				values ('o1', 'a1', 'c1', 'user', 'create', 'applied', 0, 0, 'u1', 'ada', 'new', 'new', '{}', '{}', '[]', 'ada', 1, 2, 'success')`,
			`insert into links (app_id, type, object_id, object_name, account_id, account_name, origin, enabled, wanted, sent, answered, rejected, created_at, modified_at)
				values ('a1', 'user', 'u1', 'ada', 'U1', 'ada', 'created', true, '{"title":"x"}', '{}', '{}', 'disable', 1, 2),
				('a1', 'user', 'u2', 'bob', 'U2', 'bob', 'created', true, '{}', '{}', '{}', null, 1, 2)`,
			`insert into users (id, source, user_name, user_name_key, active, attributes, search, created_at, modified_at) values ('u1', '', 'Ada.Lovelace', 'ada.lovelace', true, '{}', 'ada.lovelace', 1, 1)`,
			`insert into link_members (app_id, group_id, user_id, account_id, origin) values ('a1', 'g1', 'u1', 'U1', 'added')`,
		)
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
		links, err := s.Links(ctx, app.ID, directory.KindUser, []string{"u1", "u2"})
		if err != nil || len(links) != 2 || links["u1"].Wanted["title"] != "x" {
			t.Errorf("links: %v, %v", links, err)
		}
		// What was rejected before rejections had a table of their own stays rejected.
		if rows := contents(t, s, "select object_id, action, wanted from rejections"); len(rows) != 1 || rows[0] != "u1 disable {}" {
			t.Errorf("rejections: %q", rows)
		}
		if members, err := s.GroupMembers(ctx, app.ID, "g1"); err != nil || len(members) != 1 || members[0].Origin != "added" {
			t.Errorf("members: %v, %v", members, err)
		}
		// Servers find those that are on, and changes wake them.
		slots, err := s.Slots(ctx)
		if err != nil || len(slots) != 1 || slots[0].AppID != "a2" || slots[0].Every != 10*time.Minute || slots[0].ReconcileEvery != 24*time.Hour || slots[0].Completed.IsZero() {
			t.Errorf("slots: %+v, %v", slots, err)
		}
		if page, _, err := s.Users(ctx, store.UserQuery{Search: "love"}); err != nil || len(page) != 1 || page[0].ID != "u1" {
			t.Errorf("a search in what was there before finds %v, %v", page, err)
		}
		person(t, s, "newcomer")
		if n := jobs(t, s); n != 1 {
			t.Errorf("%d jobs after a change", n)
		}
	})
}
