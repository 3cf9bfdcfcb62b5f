package store

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// statistics lets PostgreSQL look at tables that have just got their first rows.
//
// Of a table that was never analysed the planner believes that it has one row for each two values of the first columns of
// an index, and for one person's row it reads the index of all: a first load of 100,000 people reads everybody for each
// of them, until the server analyses by itself, a minute later at the soonest. What it has to know, that ids
// are distinct and applications few, is known from the first hundreds of rows.
type statistics struct {
	mu    sync.Mutex
	next  time.Time      // when to look again
	tried map[string]int // how often a table was to be analysed: one that another has is let be, and one of another owner stays as it is
}

const (
	statisticsEvery = 250 * time.Millisecond
	statisticsTries = 20
	// grown is a table that is worth it: as many bytes are read in no time, with any plan.
	grown = `select relname from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r' and relpages = 0 and pg_relation_size(oid) > 65536`
)

// learn runs after a commit. One that fails is nothing to tell anybody: it costs time and no more, and the server does it itself later.
func (s *Store) learn(ctx context.Context) {
	l := &s.statistics
	if s.pool == nil || !l.mu.TryLock() {
		return
	}
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.next) {
		return
	}
	l.next = now.Add(statisticsEvery)
	rows, err := s.pool.Query(ctx, grown)
	if err != nil {
		return
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return
	}
	for _, table := range tables {
		if l.tried[table] == statisticsTries {
			continue
		}
		if l.tried == nil {
			l.tried = map[string]int{}
		}
		l.tried[table]++
		if _, err := s.pool.Exec(ctx, "analyze (skip_locked) "+pgx.Identifier{table}.Sanitize()); err != nil {
			s.log.Debug("a table could not be analysed", "table", table, "error", err)
		}
	}
}
