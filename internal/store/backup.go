package store

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"
)

// A backup is one file: JSON values, one to a line, compressed with gzip. First the manifest, then
// for each table a head and its rows, at last the number of rows:
//
//	{"muster":"backup","format":1,"schema":1,…}
//	{"table":"users","columns":["id",…]}
//	["0192…",…]
//	…
//	{"rows":12345}
//
// It is the same whichever database it is taken from, and can be restored into either. The key that
// secrets are sealed with is not in it.

// backupTables are the tables of a backup, all but those that only concern running processes.
var backupTables = []string{
	"feed", "changes", "users", "groups", "members", "applications", "secrets", "assignments", "links", "link_members", "waiting",
	"due", "escrow", "cycles", "operations", "accounts", "account_keys", "audit", "settings",
	"tallies", "notices", "messages", "webhooks", "tokens",
	"drift", "rejections",
	"administrators", "passkeys", "recovery_codes",
	"imports", "arriving",
}

// Manifest says what a backup is of.
type Manifest struct {
	Muster  string    `json:"muster"` // "backup"
	Format  int       `json:"format"`
	Schema  int64     `json:"schema"`
	Version string    `json:"version"` // of the program
	Keys    []string  `json:"keys"`    // fingerprints of the keys that its secrets are sealed with
	At      time.Time `json:"at"`
}

const backupFormat = 1

// tableHead begins a table, or, with rows alone, ends the backup.
type tableHead struct {
	Table   string   `json:"table,omitempty"`
	Columns []string `json:"columns,omitempty"`
	Rows    *int     `json:"rows,omitempty"`
}

// Backup writes everything, as it is at one moment, while others go on writing.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	packed := gzip.NewWriter(w)
	lines := bufio.NewWriterSize(packed, 1<<16)
	encode := json.NewEncoder(lines)
	encode.SetEscapeHTML(false)
	schema, err := s.Schema(ctx)
	if err != nil {
		return s.explain(err)
	}
	err = s.Read(ctx, func(tx *Tx) error {
		m := Manifest{Muster: "backup", Format: backupFormat, Schema: schema, Version: version(), At: s.Now()}
		if m.Keys, err = tx.sealedWith(ctx); err != nil {
			return err
		}
		if err := encode.Encode(m); err != nil {
			return err
		}
		total := 0
		for _, table := range backupTables {
			n, err := tx.dump(ctx, table, encode)
			if err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
			total += n
		}
		return encode.Encode(tableHead{Rows: &total})
	})
	if err == nil {
		err = errors.Join(lines.Flush(), packed.Close())
	}
	if err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	return nil
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}

// sealedWith returns the fingerprints of the keys that secrets are sealed with.
func (tx *Tx) sealedWith(ctx context.Context) ([]string, error) {
	sealed, err := collect(one[string])(tx.Query(ctx, "select sealed from secrets order by app_id, name"))
	keys, seen := []string{}, map[string]bool{}
	for _, text := range sealed {
		if parts := strings.SplitN(text, ":", 3); len(parts) == 3 && !seen[parts[1]] {
			seen[parts[1]] = true
			keys = append(keys, parts[1])
		}
	}
	return keys, err
}

func (tx *Tx) dump(ctx context.Context, table string, encode *json.Encoder) (n int, err error) {
	rows, err := tx.Query(ctx, "select * from "+table)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return 0, err
	}
	columns := make([]string, len(types))
	for i, c := range types {
		columns[i] = c.Name()
	}
	if err := encode.Encode(tableHead{Table: table, Columns: columns}); err != nil {
		return 0, err
	}
	values, dest := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	for ; rows.Next(); n++ {
		if err := rows.Scan(dest...); err != nil {
			return n, err
		}
		for i, c := range types { // SQLite keeps a boolean as a number
			if number, ok := values[i].(int64); ok && strings.EqualFold(c.DatabaseTypeName(), "boolean") {
				values[i] = number != 0
			}
		}
		if err := encode.Encode(values); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}

// Restore reads a backup into an empty database, all of it or nothing. Afterwards every application
// is off, and marked so that its first cycle compares with the target and holds what it would switch
// on or remove: much may have happened since the backup. The manifest names the keys that the
// secrets need.
func (s *Store) Restore(ctx context.Context, r io.Reader) (Manifest, error) {
	var m Manifest
	packed, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return m, &Error{Kind: ErrInvalid, Reason: "this is not a backup of Muster", Err: err}
	}
	bounded := &boundedLines{from: packed}
	lines := json.NewDecoder(bounded)
	lines.UseNumber()
	if err := lines.Decode(&m); err != nil || m.Muster != "backup" {
		return m, &Error{Kind: ErrInvalid, Reason: "this is not a backup of Muster", Err: err}
	}
	if m.Format > backupFormat {
		return m, refuse(ErrNewer, "restore it with muster "+m.Version+" or a newer one", "the backup was written by a newer version of muster")
	}
	schema, err := s.Schema(ctx)
	switch {
	case err != nil:
		return m, s.explain(err)
	case m.Schema > schema:
		return m, refuse(ErrNewer, "restore it with muster "+m.Version+" or a newer one", "the backup has schema %d, and this version of muster knows only up to %d", m.Schema, schema)
	case m.Schema < schema:
		return m, refuse(ErrOlder, "restore it with muster "+m.Version+", then open the result with this one", "the backup has schema %d, and this version of muster writes %d", m.Schema, schema)
	}
	if s.write == nil {
		return m, refuse(ErrReadOnly, "", "Muster's database was opened for reading only")
	}
	// Not through Write: the input can be read only once, so nothing may be repeated.
	err = s.writeOnce(ctx, begin, func(tx *Tx) error {
		if err := tx.mustBeEmpty(ctx); err != nil {
			return err
		}
		if err := tx.load(ctx, lines); err != nil {
			return err
		}
		if err := tx.wordEverybody(ctx); err != nil {
			return err
		}
		return tx.restored(ctx)
	})
	var known *Error
	if err != nil && !errors.As(err, &known) {
		err = fmt.Errorf("restoring the backup; nothing was changed: %w", err)
	}
	return m, s.explain(err)
}

// mustBeEmpty refuses a database that holds anything.
func (tx *Tx) mustBeEmpty(ctx context.Context) error {
	for _, table := range backupTables {
		var n int
		query := "select count(*) from (select 1 from " + table + " limit 1) x"
		if table == "feed" {
			query = "select count(*) from feed where seq > 0"
		}
		if err := tx.QueryRow(ctx, query).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return refuse(ErrExists, "restore into a new one with --data or --database", "the database is not empty")
		}
	}
	_, err := tx.Exec(ctx, "delete from feed")
	return err
}

// lineBytes bounds a line of a backup: the largest is a change of a group's members, half a million at once.
const lineBytes = 64 << 20

// boundedLines ends in an error where a line does not end: a small file may unpack into more than there is memory.
type boundedLines struct {
	from io.Reader
	line int64 // bytes since the last line break
}

// Read implements [io.Reader].
func (b *boundedLines) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if at := bytes.LastIndexByte(p[:n], '\n'); at >= 0 {
		b.line = int64(n - at - 1)
	} else if b.line += int64(n); b.line > lineBytes {
		return n, fmt.Errorf("a line is longer than %d bytes", lineBytes)
	}
	return n, err
}

func damagedBackup(err error) error {
	return &Error{Kind: ErrDamaged, Reason: "the backup is damaged or not whole; nothing was restored", Next: "use another copy of it", Err: err}
}

// load reads tables until the line that counts the rows, which must be right.
func (tx *Tx) load(ctx context.Context, lines *json.Decoder) error {
	var head tableHead
	var rows [][]any
	total := 0
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		err := tx.insert(ctx, head.Table, head.Columns, rows, "")
		rows = rows[:0]
		return err
	}
	for {
		var line json.RawMessage
		if err := lines.Decode(&line); err != nil {
			return damagedBackup(err)
		}
		if line[0] == '{' {
			if err := flush(); err != nil {
				return err
			}
			if head = (tableHead{}); json.Unmarshal(line, &head) != nil {
				return damagedBackup(nil)
			}
			if head.Rows != nil {
				return tx.complete(lines, total, *head.Rows)
			}
			if err := tx.knownTable(ctx, head); err != nil {
				return err
			}
			continue
		}
		row, err := decodeRow(line)
		if err != nil || head.Table == "" || len(row) != len(head.Columns) {
			return damagedBackup(err)
		}
		total++
		if rows = append(rows, row); len(rows) == importSlice {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// complete checks the end: the number of rows, and what gzip knows of the bytes.
func (tx *Tx) complete(lines *json.Decoder, have, want int) error {
	var more json.RawMessage
	if err := lines.Decode(&more); !errors.Is(err, io.EOF) || have != want {
		return damagedBackup(err)
	}
	return nil
}

// knownTable lets only the names of tables and columns that exist become part of a statement.
func (tx *Tx) knownTable(ctx context.Context, head tableHead) error {
	for _, table := range backupTables {
		if table != head.Table || len(head.Columns) == 0 {
			continue
		}
		rows, err := tx.Query(ctx, "select * from "+table+" limit 0")
		if err != nil {
			return err
		}
		have, err := rows.Columns()
		rows.Close()
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for _, c := range have {
			known[c] = true
		}
		for _, c := range head.Columns {
			if !known[c] {
				return damagedBackup(fmt.Errorf("table %s has no column %q", table, c))
			}
		}
		return nil
	}
	return damagedBackup(fmt.Errorf("there is no table %q", head.Table))
}

func decodeRow(line json.RawMessage) ([]any, error) {
	decode := json.NewDecoder(strings.NewReader(string(line)))
	decode.UseNumber()
	var row []any
	if err := decode.Decode(&row); err != nil {
		return nil, err
	}
	for i, v := range row {
		switch v := v.(type) {
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				return nil, err
			}
			row[i] = n
		case []any, map[string]any:
			return nil, errors.New("a value is not plain")
		}
	}
	return row, nil
}

// restored switches every application off and marks it, and tells nobody of what was so before the
// backup.
func (tx *Tx) restored(ctx context.Context) error {
	for _, statement := range []string{"update notices set pending = '' where pending <> ''", "delete from messages where ended_at is null"} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	apps, err := tx.bareApplications(ctx, "")
	if err != nil {
		return err
	}
	for _, app := range apps {
		app.Provisioning.Status = "off"
		config, err := configOf(app)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update applications set config = $1, restored = $2, status = $3 where id = $4", config, true, app.Provisioning.Status, app.ID); err != nil {
			return err
		}
	}
	return nil
}
