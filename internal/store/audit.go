package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// Actor is who does something, for the audit log. The zero Actor is Muster itself, whose doings the
// audit log does not keep.
type Actor struct {
	Name string // user of the operating system, or of the console
	Via  string // cli, api, console
}

// subject is what something was done to.
type subject struct{ kind, id, name string }

// Entry is one record of the audit log.
type Entry struct {
	ID     string         `json:"id"`
	At     time.Time      `json:"time"`
	Actor  string         `json:"actor"`
	Via    string         `json:"via"`
	Action string         `json:"action"` // create, update, delete, …
	Type   string         `json:"type"`   // user, group, application, …
	Object string         `json:"object_id"`
	Name   string         `json:"object_name"`
	Before map[string]any `json:"before,omitempty"` // never with a secret
	After  map[string]any `json:"after,omitempty"`
}

// Audit records what an administrator did where the store's own methods do not, such as an import
// or a restart. Before and After must be without secrets.
func (s *Store) Audit(ctx context.Context, by Actor, e Entry) error {
	return s.Write(ctx, func(tx *Tx) error {
		return tx.audit(ctx, by, e.Action, subject{e.Type, e.Object, e.Name}, e.Before, e.After)
	})
}

// audit records what is done in the transaction that does it.
func (tx *Tx) audit(ctx context.Context, by Actor, action string, on subject, before, after map[string]any) error {
	if by == (Actor{}) {
		return nil
	}
	tx.notable = true
	err := tx.insert(ctx, "audit", []string{"id", "at", "actor", "via", "action", "object_type", "object_id", "object_name", "before", "after"},
		[][]any{{newID(), tx.now(), by.Name, by.Via, action, on.kind, on.id, on.name, document(before), document(after)}}, "")
	if err != nil {
		return fmt.Errorf("recording in the audit log: %w", err)
	}
	return nil
}

// document carries a JSON object; an empty one is null.
func document(doc map[string]any) sql.NullString {
	if len(doc) == 0 {
		return sql.NullString{}
	}
	b, err := json.Marshal(doc)
	return sql.NullString{String: string(b), Valid: err == nil}
}

// AuditQuery picks records of the audit log.
type AuditQuery struct {
	Object string // id or name; "" for all
	Actor  string // "" for all, as the following two
	Action string
	Type   string
	Since  time.Time // zero for all
	Until  time.Time // zero for all
	After  string    // id of the last record of the page before
	Limit  int       // 0 is 100
}

// AuditLog returns a page of the audit log, the newest first; the next page begins after the id of
// the last record.
func (s *Store) AuditLog(ctx context.Context, q AuditQuery) ([]Entry, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	where, args := "where at >= $1", []any{q.Since.UnixMilli(), q.Limit}
	if q.Since.IsZero() {
		args[0] = 0
	}
	if !q.Until.IsZero() {
		args = append(args, q.Until.UnixMilli())
		where += fmt.Sprintf(" and at < $%d", len(args))
	}
	for is, value := range map[string]string{"$%d in (object_id, object_name)": q.Object, "actor = $%d": q.Actor, "action = $%d": q.Action, "object_type = $%d": q.Type, "id < $%d": q.After} {
		if value != "" && storable(value) {
			args = append(args, value)
			where += " and " + fmt.Sprintf(is, len(args))
		}
	}
	entries, err := read(ctx, s, func(tx *Tx) ([]Entry, error) {
		return collect(scanEntry)(tx.Query(ctx, "select id, at, actor, via, action, object_type, object_id, object_name, before, after from audit "+where+" order by id desc limit $2", args...))
	})
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return entries, nil
}

func scanEntry(row scanner) (e Entry, err error) {
	var at sql.NullInt64
	var before, after sql.NullString
	err = row.Scan(&e.ID, &at, &e.Actor, &e.Via, &e.Action, &e.Type, &e.Object, &e.Name, &before, &after)
	if err != nil {
		return e, err
	}
	e.At = fromMillis(at)
	for text, into := range map[*sql.NullString]*map[string]any{&before: &e.Before, &after: &e.After} {
		if text.Valid {
			if err := json.Unmarshal([]byte(text.String), into); err != nil {
				return e, fmt.Errorf("reading audit record %s: %w", e.ID, err)
			}
		}
	}
	return e, nil
}
