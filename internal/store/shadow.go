package store

import (
	"context"
	"fmt"
	"strings"
)

// shadowed are the tables that an import reads and writes.
var shadowed = []string{"users", "groups", "members"}

// rehearse runs fn in a transaction that sees copies of the directory's tables in place of the
// tables, and throws everything away. So what a rehearsal says is what the real thing would do, by
// the same statements, and it holds no lock that anybody waits for: it works beside a running
// writer, and on a store that is open for reading only.
//
// Both databases look for a table among the session's temporary ones first.
func (s *Store) rehearse(ctx context.Context, fn func(*Tx) error) error {
	db := s.read
	if !s.Postgres() {
		var path string
		if err := s.read.QueryRowContext(ctx, "select file from pragma_database_list where name = 'main'").Scan(&path); err != nil {
			return s.explain(fmt.Errorf("finding the database: %w", err))
		}
		own, err := openFile(path, "&mode=ro&_pragma=cache_size(-16000)", 1)
		if err != nil {
			return err
		}
		defer own.Close()
		db = own
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return s.explain(fmt.Errorf("beginning a rehearsal: %w", err))
	}
	defer tx.Rollback()
	shadow := &Tx{s: s, tx: tx, shadow: true}
	for _, table := range shadowed {
		if err := shadow.copyTable(ctx, table); err != nil {
			return s.explain(fmt.Errorf("copying %s for a rehearsal: %w", table, err))
		}
	}
	return s.explain(fn(shadow))
}

// copyTable makes a temporary copy of a table with its indexes.
func (tx *Tx) copyTable(ctx context.Context, table string) error {
	if tx.s.Postgres() {
		_, err := tx.Exec(ctx, "create temporary table "+table+" (like "+table+" including all) on commit drop")
		if err != nil {
			return err
		}
		var schema string
		if err := tx.QueryRow(ctx, "select current_schema()").Scan(&schema); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "insert into "+table+` select * from "`+schema+`".`+table)
		if err == nil {
			_, err = tx.Exec(ctx, "analyze "+table)
		}
		return err
	}
	definitions, err := collect(one[string])(tx.Query(ctx, "select sql from main.sqlite_master where tbl_name = $1 and sql is not null order by type desc", table))
	if err != nil {
		return err
	}
	for _, d := range definitions {
		words := strings.Fields(d)
		name := words[2] // create table NAME, create index NAME
		if strings.EqualFold(words[1], "unique") {
			name = words[3] // create unique index NAME
		}
		if _, err := tx.Exec(ctx, strings.Replace(d, name, "temp."+name, 1)); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, "insert into temp."+table+" select * from main."+table)
	return err
}
