package store

import (
	"context"
	"fmt"
	"testing"
)

// TestStatements checks that a connection which remembers its statements answers as one that does
// not: while one is being read, after the schema has changed under it, and after a failure.
func TestStatements(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db, err := openFile(t.TempDir()+"/x.db", "", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	must := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(ctx, query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	must("create table t (a integer primary key, b text not null)")
	for i := range 3 {
		must("insert into t values (?, ?)", i, fmt.Sprint("row ", i))
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	const all = "select a from t order by a"
	outer, err := tx.QueryContext(ctx, all)
	if err != nil {
		t.Fatal(err)
	}
	pairs := 0
	for outer.Next() {
		inner, err := tx.QueryContext(ctx, all) // the same, while it is being read
		if err != nil {
			t.Fatal(err)
		}
		for inner.Next() {
			pairs++
		}
		if err := inner.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := outer.Close(); err != nil || pairs != 9 {
		t.Fatalf("%d pairs, %v; want 9", pairs, err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := tx.QueryContext(canceled, all); err == nil {
		t.Error("a query that was canceled before it began succeeds")
	}
	if _, err := tx.ExecContext(ctx, "insert into t values (?, ?)", 0, "again"); err == nil {
		t.Error("a key is taken twice")
	}
	if _, err := tx.ExecContext(ctx, "insert into t values (?, ?)", 3, "row 3"); err != nil {
		t.Errorf("after a failure the same statement fails: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	must("alter table t add column c integer not null default 7")
	const whole = "select * from t order by a"
	var a, c int
	var b string
	if err := db.QueryRowContext(ctx, whole).Scan(&a, &b, &c); err != nil || b != "row 0" || c != 7 {
		t.Errorf("%d %q %d %v", a, b, c, err)
	}
	must("alter table t drop column c")
	if err := db.QueryRowContext(ctx, whole).Scan(&a, &b); err != nil {
		t.Errorf("after a column has gone: %v", err)
	}
	var n int
	if err := db.QueryRowContext(ctx, "select count(*) from t").Scan(&n); err != nil || n != 4 {
		t.Errorf("%d rows, %v; want 4", n, err)
	}
}
