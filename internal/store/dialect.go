package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/pressly/goose/v3"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// dialect is what differs between the databases. Everything else is written once, in the SQL that
// both understand, with $1, $2, … as parameters.
type dialect struct {
	goose    goose.Dialect
	system   attribute.KeyValue  // as traces name the database
	snapshot *sql.TxOptions      // of a reading transaction
	in       func(string) string // see [Tx.in]
	lockRow  string              // ends a select whose rows are about to be written
	numbered func(string) string // parameters in the database's own spelling
	rows     int                 // most that one statement writes
	texts    sync.Map            // query → numbered(query)
}

func sqliteDialect() *dialect {
	return &dialect{
		goose:  goose.DialectSQLite3,
		system: semconv.DBSystemNameSQLite,
		// Each statement is remembered as prepared, see [remembering]; a large one is much to remember.
		rows: 32,
		in:   func(p string) string { return "(select value from json_each(" + p + "))" },
		// The driver binds $1 as a name, in order of first use; ?1 is bound by its number.
		numbered: func(q string) string { return strings.ReplaceAll(q, "$", "?") },
	}
}

func postgresDialect() *dialect {
	return &dialect{
		goose:    goose.DialectPostgres,
		system:   semconv.DBSystemNamePostgreSQL,
		rows:     maxParams, // every statement is a round trip
		snapshot: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		in:       func(p string) string { return "(list " + p + ")" },
		// SQLite has one writer at a time and needs no locks on rows.
		lockRow: " for update",
		// An array is looked up in an index element by element whatever the planner believes about the
		// table; of a subquery it makes a scan of everything while a new table has no statistics.
		numbered: func(q string) string {
			return lists.ReplaceAllString(q, "= any(array(select jsonb_array_elements_text($1::jsonb)))")
		},
	}
}

// lists are the places where a PostgreSQL query asks for a list, see [Tx.in].
var lists = regexp.MustCompile(`\bin \(list (\$\d+)\)`)

// text returns the query in the database's spelling. No query of this package has a $ in a literal.
func (d *dialect) text(query string) string {
	if t, ok := d.texts.Load(query); ok {
		return t.(string)
	}
	t := d.numbered(query)
	d.texts.Store(strings.Clone(query), t)
	return t
}

// list returns values as the one argument that [Tx.in] takes. Text that PostgreSQL cannot hold is
// left out: nothing stored can be equal to it.
func list(values []string) string {
	kept := make([]string, 0, len(values))
	for _, v := range values {
		if storable(v) {
			kept = append(kept, v)
		}
	}
	b, _ := json.Marshal(kept) // strings always marshal
	return string(b)
}

// maxParams stays under SQLite's limit of 32,766 parameters for one statement (PostgreSQL: 65,535).
const maxParams = 20_000

// insert writes rows, many with one statement. conflict is what follows the values: "" or an
// "on conflict …" clause.
func (tx *Tx) insert(ctx context.Context, table string, columns []string, rows [][]any, conflict string) error {
	return tx.batches(ctx, table, rows, func(n int) string {
		return "insert into " + table + " (" + strings.Join(columns, ", ") + ") values " + places(n, make([]string, len(columns)), tx.s.Postgres()) + " " + conflict
	})
}

// update changes rows by their key, many with one statement: the first column is the key. Each column
// has its type beside its name, "state text": PostgreSQL knows the types of values that stand in a
// list of rows by nothing else.
func (tx *Tx) update(ctx context.Context, table string, columns []string, rows [][]any) error {
	types, sets := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		name, kind, _ := strings.Cut(c, " ")
		types[i], sets[i] = kind, fmt.Sprintf("%s = v.column%d", name, i+1)
	}
	return tx.batches(ctx, table, rows, func(n int) string {
		return "update " + table + " set " + strings.Join(sets[1:], ", ") + " from (values " + places(n, types, tx.s.Postgres()) + ") v where " + table + "." + sets[0]
	})
}

// batches writes rows with as few statements as may be; text returns the one for n rows. The numbers
// of rows are powers of two, so that the texts which the databases and we remember as prepared are few.
func (tx *Tx) batches(ctx context.Context, table string, rows [][]any, text func(n int) string) error {
	for len(rows) > 0 {
		width := len(rows[0])
		n := 1 << (bits.Len(uint(min(len(rows), tx.s.dialect.rows, maxParams/width))) - 1)
		args := make([]any, 0, n*width)
		for _, row := range rows[:n] {
			args = append(args, row...)
		}
		if _, err := tx.Exec(ctx, text(n), args...); err != nil {
			return fmt.Errorf("writing %d rows of %s: %w", n, table, err)
		}
		rows = rows[n:]
	}
	return nil
}

// places returns "($1, $2), ($3, $4), …" for n rows of columns, the first of them with the types that
// are given. SQLite gets no numbers: the driver looks every numbered parameter up in a list of all.
func places(n int, types []string, numbered bool) string {
	var b strings.Builder
	b.Grow(n * len(types) * 8)
	for i := range n * len(types) {
		column := i % len(types)
		switch {
		case column != 0:
			b.WriteString(", ")
		case i > 0:
			b.WriteString("), (")
		default:
			b.WriteString("(")
		}
		place := "?"
		if numbered {
			place = "$" + strconv.Itoa(i+1)
		}
		if i == column && types[column] != "" {
			place = "cast(" + place + " as " + types[column] + ")"
		}
		b.WriteString(place)
	}
	b.WriteString(")")
	return b.String()
}

// replacing returns the conflict clause that overwrites all columns but the key.
func replacing(key string, columns []string) string {
	var sets []string
	for _, c := range columns {
		if c != key {
			sets = append(sets, c+" = excluded."+c)
		}
	}
	return "on conflict (" + key + ") do update set " + strings.Join(sets, ", ")
}
