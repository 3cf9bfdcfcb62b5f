package cycle_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/muster-id/muster/internal/pgtest"
	"github.com/muster-id/muster/internal/store"
)

// TestRowsRead counts what PostgreSQL reads in the indexes and tables during a first load: the same for each person, however many
// there are. It read everybody for each of them, in tables of which it had no statistics yet.
func TestRowsRead(t *testing.T) {
	t.Parallel()
	const people = 3000
	url := pgtest.Database(t)
	s, err := store.Open(t.Context(), store.Config{Data: t.TempDir(), Database: url})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := newWorld(t, s)
	w.people("p", people)
	w.app.Provisioning.Scope = "all"
	w.save()
	w.sync()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	// A session tells what it has read when it ends.
	for left := 1; left > 0; {
		if err := conn.QueryRow(t.Context(), "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()").Scan(&left); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := conn.Query(t.Context(), `select indexrelname, idx_tup_read from pg_stat_user_indexes where idx_tup_read > 0 union all
		select relname, seq_tup_read from pg_stat_user_tables where seq_tup_read > 0 order by 2 desc`)
	if err != nil {
		t.Fatal(err)
	}
	// A row that was changed is found once more for each of its versions until the table is vacuumed, and as long as there are few
	// the planner may read all of them: more often on a busy machine, where a load has more pieces. For each person it would be thousands.
	const most = 20
	var where string
	var read int64
	if _, err := pgx.ForEachRow(rows, []any{&where, &read}, func() error {
		if read > people*most {
			t.Errorf("%d rows of %s were read for %d people", read, where, people)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
