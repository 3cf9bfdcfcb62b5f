package store_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/pgtest"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// tables returns the names of all tables that hold state.
func tables(t *testing.T, s *store.Store) (names []string) {
	t.Helper()
	query := "select name from sqlite_master where type = 'table' and name not like 'sqlite%'"
	if s.Postgres() {
		query = "select table_name from information_schema.tables where table_schema = current_schema()"
	}
	for _, row := range contents(t, s, query) {
		if !slices.Contains([]string{"goose_db_version", "leases", "wakes", "requests", "pacing", "answers", "one_time_links", "sessions", "challenges", "sign_in_failures", "words", "tasks", "uploads", "upload_parts"}, row) &&
			!strings.HasPrefix(row, "river_") { // of running processes alone, or worked out of others
			names = append(names, row)
		}
	}
	return names
}

// contents returns the rows of a query as sorted texts.
func contents(t *testing.T, s *store.Store, query string) (list []string) {
	t.Helper()
	must(t)(s.Read(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Query(context.Background(), query)
		if err != nil {
			return err
		}
		defer rows.Close()
		types, err := rows.ColumnTypes()
		if err != nil {
			return err
		}
		for rows.Next() {
			values, dest := make([]any, len(types)), make([]any, len(types))
			for i := range values {
				dest[i] = &values[i]
			}
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			for i, c := range types {
				if n, ok := values[i].(int64); ok && strings.EqualFold(c.DatabaseTypeName(), "boolean") {
					values[i] = n != 0
				}
			}
			list = append(list, strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(values), "["), "]"))
		}
		return rows.Err()
	}))
	slices.Sort(list)
	return list
}

// occupied gives a store something in every table.
func occupied(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := context.Background()
	ada := person(t, s, "ada", directory.Edit{"title": "Größe \u2028 \"x\" <b>", "custom.n": 1.5})
	group(t, s, "Team", users(ada)...)
	gone := group(t, s, "Gone", users(ada)...)
	must(t)(s.DeleteGroup(ctx, admin, gone))
	app := application("App", provision.Assignment{User: "ada"})
	_, err := s.SaveApplication(ctx, admin, app)
	must(t)(err)
	must(t)(s.SetSecret(ctx, admin, app.ID, "token", "https://scim.example.org/", "hush"))
	for _, table := range tables(t, s) {
		must(t)(s.Write(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, "select * from "+table+" limit 1")
			if err != nil {
				return err
			}
			types, err := rows.ColumnTypes()
			if err != nil {
				return err
			}
			has := rows.Next()
			if err := rows.Close(); err != nil || has {
				return err
			}
			var names, places []string
			var values []any
			for i, c := range types {
				names, places = append(names, c.Name()), append(places, fmt.Sprintf("$%d", i+1))
				switch strings.ToUpper(c.DatabaseTypeName()) {
				case "TEXT":
					values = append(values, "text")
				case "BOOLEAN", "BOOL":
					values = append(values, true)
				default:
					values = append(values, int64(1)<<53+1) // more than a float can tell apart
				}
			}
			_, err = tx.Exec(ctx, fmt.Sprintf("insert into %s (%s) values (%s)", table, strings.Join(names, ", "), strings.Join(places, ", ")), values...)
			return err
		}))
	}
}

func TestBackupRestoresIntoEither(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		ctx := t.Context()
		from := storetest.Open(t, c)
		occupied(t, from)
		c.ReadOnly = true // a backup is taken beside the running writer
		var archive bytes.Buffer
		must(t)(storetest.Open(t, c).Backup(ctx, &archive))
		key, err := from.KeyFingerprint()
		must(t)(err)
		for name, into := range map[string]store.Config{"sqlite": {Data: t.TempDir()}, "postgres": {Data: t.TempDir(), Database: pgtest.Database(t)}} {
			to := storetest.Open(t, into)
			m, err := to.Restore(ctx, bytes.NewReader(archive.Bytes()))
			if err != nil {
				t.Fatalf("into %s: %v", name, err)
			}
			if !slices.Equal(m.Keys, []string{key}) {
				t.Errorf("the manifest names the keys %v, want %s", m.Keys, key)
			}
			for _, table := range tables(t, from) {
				query := "select * from " + table
				switch table { // what a restore changes is left out
				case "applications":
					query = "select id, name, name_key, template, watermark, created_at from applications"
				case "notices":
					query = "select id, kind, app_id, subject, cause, reason, opened_at, resolved_at from notices"
				}
				want, got := contents(t, from, query), contents(t, to, query)
				if len(want) == 0 {
					t.Errorf("table %s is empty: the test shows nothing", table)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("into %s: %s (-backup +restored):\n%s", name, table, diff)
				}
			}
			app, err := to.Application(ctx, "App")
			must(t)(err)
			progress, err := to.Progress(ctx, app.ID)
			must(t)(err)
			if app.Provisioning.Status != "off" || !progress.Restored {
				t.Errorf("into %s: the application is %s, restored %v", name, app.Provisioning.Status, progress.Restored)
			}
			if _, err := to.Secret(ctx, app.ID, "token", "https://scim.example.org/"); !errors.Is(err, store.ErrNeedsSecret) {
				t.Errorf("a secret opens without its key: %v", err)
			}
			if _, err := to.Restore(ctx, bytes.NewReader(archive.Bytes())); !errors.Is(err, store.ErrExists) {
				t.Errorf("into what is not empty: %v", err)
			}
			// What follows takes the next numbers of the feed.
			before, err := to.FeedSeq(ctx)
			must(t)(err)
			person(t, to, "new")
			if after, err := to.FeedSeq(ctx); err != nil || after != before+1 {
				t.Errorf("the feed goes on from %d at %d, %v", before, after, err)
			}
		}
	})
}

func TestDamagedBackupsAreRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	from := storetest.Open(t, store.Config{Data: t.TempDir()})
	occupied(t, from)
	var archive bytes.Buffer
	must(t)(from.Backup(ctx, &archive))
	whole := archive.Bytes()
	packed, err := gzip.NewReader(bytes.NewReader(whole))
	must(t)(err)
	plain, err := io.ReadAll(packed)
	must(t)(err)
	pack := func(text string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, text)
		w.Close()
		return b.Bytes()
	}
	lines := strings.SplitAfter(string(plain), "\n")
	replace := func(old, with string) []byte { return pack(strings.Replace(string(plain), old, with, 1)) }
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 0x40
	for name, test := range map[string]struct {
		archive []byte
		kind    store.Kind
	}{
		"nothing":           {nil, store.ErrInvalid},
		"another file":      {[]byte("PK\x03\x04 a zip"), store.ErrInvalid},
		"another gzip":      {pack("hello"), store.ErrInvalid},
		"truncated":         {whole[:len(whole)-10], store.ErrDamaged},
		"half":              {whole[:len(whole)/2], store.ErrDamaged},
		"a bit flipped":     {flipped, store.ErrDamaged},
		"without the end":   {pack(strings.Join(lines[:len(lines)-2], "")), store.ErrDamaged},
		"a row less":        {pack(strings.Join(slices.Delete(slices.Clone(lines), 2, 3), "")), store.ErrDamaged},
		"more after it":     {pack(string(plain) + "[1]\n"), store.ErrDamaged},
		"a strange table":   {replace(`{"table":"users"`, `{"table":"users; drop table users"`), store.ErrDamaged},
		"a strange column":  {replace(`"user_name_key"`, `"user_name_key) --"`), store.ErrDamaged},
		"a newer schema":    {replace(`"schema":`, `"schema":99`), store.ErrNewer},
		"a newer format":    {replace(`"format":1`, `"format":2`), store.ErrNewer},
		"a value of values": {replace(`["1"`, `[["1"]`), store.ErrDamaged},
	} {
		if name == "a value of values" {
			test.archive = pack(strings.Replace(string(plain), `{"table":"users"`, `{"table":"settings","columns":["name","value"]}`+"\n"+`[["x"],"y"]`+"\n"+`{"table":"users"`, 1))
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.ForEach(t, func(t *testing.T, s *store.Store) {
				if _, err := s.Restore(t.Context(), bytes.NewReader(test.archive)); !errors.Is(err, test.kind) {
					t.Errorf("%v, want kind %s", err, test.kind)
				}
				for _, table := range []string{"users", "applications", "changes", "audit"} {
					if rows := contents(t, s, "select * from "+table); len(rows) > 0 {
						t.Errorf("%s has %d rows after a refusal", table, len(rows))
					}
				}
				person(t, s, "still usable")
			})
		})
	}
}

// Whatever stands in an archive, restoring it ends, and a refusal leaves nothing behind.
func FuzzRestore(f *testing.F) {
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) == 0 {
		f.Fatal("no migrations", err)
	}
	newest := strings.TrimLeft(filepath.Base(files[len(files)-1])[:5], "0")
	f.Add(`{"muster":"backup","format":1,"schema":` + newest + `}` + "\n" + `{"table":"feed","columns":["id","seq"]}` + "\n[1,5]\n" + `{"rows":1}` + "\n")
	f.Add(`{"muster":"backup","format":1,"schema":` + newest + `}` + "\n" + `{"table":"settings","columns":["name","value"]}` + "\n" + `["a",null]` + "\n" + `{"rows":1}`)
	f.Add(`{"muster":"backup","format":1,"schema":` + newest + `}[1]{"rows":-1}`)
	f.Add(`{"muster":"backup","schema":` + newest + `}[]{}`)
	dir, opened := f.TempDir(), 0
	var s *store.Store // the cases of a process share one as long as it is empty
	f.Cleanup(func() {
		if s != nil {
			s.Close()
		}
	})
	f.Fuzz(func(t *testing.T, text string) {
		if s == nil {
			var err error
			opened++
			s, err = store.Open(t.Context(), store.Config{Data: filepath.Join(dir, fmt.Sprint(opened))})
			must(t)(err)
		}
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, text)
		w.Close()
		if _, err := s.Restore(t.Context(), &b); err == nil {
			must(t)(s.Close())
			s = nil // it is not empty any more
			return
		}
		if seq, err := s.FeedSeq(t.Context()); err != nil || seq != 0 {
			t.Fatalf("after a refusal the feed is at %d, %v", seq, err)
		}
	})
}
