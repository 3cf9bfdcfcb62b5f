package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// TestEraseLeavesNoTraceInTheFile looks at the bytes of the data directory: a row that was deleted or
// shortened stays in free pages until something else takes them.
func TestEraseLeavesNoTraceInTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Config{Data: dir})
	must(t)(err)
	defer s.Close()
	ada := person(t, s, "ada.byron", directory.Edit{"displayName": "Zephyrine Quill", "title": strings.Repeat("Zephyrine ", 400)})
	_, err = s.EraseUser(t.Context(), admin, ada, false)
	must(t)(err)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t)(err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		must(t)(err)
		for _, trace := range []string{"zephyrine", "ada.byron"} {
			if n := bytes.Count(bytes.ToLower(b), []byte(trace)); n > 0 {
				t.Errorf("%s still holds %q %d times", filepath.Base(file), trace, n)
			}
		}
	}
}

func TestEraseLeavesNoTrace(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		ada := person(t, s, "ada.byron", directory.Edit{
			"emails": "ada.byron@example.org", "displayName": "Augusta Ada King", "name.givenName": "Augusta", "name.familyName": "King",
			"phoneNumbers": "+44 20 555 0100", "employeeNumber": "EN-1815-X", "custom.note": "likes engines",
		})
		bob := person(t, s, "bob", directory.Edit{"name.familyName": "King"})
		boss := "ada.byron"
		_, _, err := s.UpdateUser(ctx, admin, bob, store.UserEdit{Manager: &boss})
		must(t)(err)
		group(t, s, "Team", users(ada, bob)...)
		app := application("App")
		_, err = s.SaveApplication(ctx, admin, app)
		must(t)(err)
		exec := func(q string, args ...any) {
			t.Helper()
			must(t)(s.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, q, args...)
				return err
			}))
		}
		operation := func(id, kind, object, name, state, detail, exchange string) {
			t.Helper()
			exec(`insert into operations (id, app_id, cycle_id, type, action, state, urgency, rank, object_id, object_name, account_id, account_name, cause, reason, want, detail, steps, initiated_by, created_at, exchange)
				values ($1, $2, 'c', $3, 'update', $4, 0, 0, $5, $6, 'W1', $6, 'changed', $7, $8, $9, '[{"name":"export","description":"sent for Ada.Byron@Example.org"}]', 'muster', 0, $10)`,
				id, app.ID, kind, state, object, name, "changed: "+name, `{"userName":"`+name+`"}`, detail, exchange)
		}
		operation("1", "user", ada, "ada.byron", "applied", `{"edits":[{"attribute":"title","old":"Poet","new":"Countess"}]}`, `{"request":"{\"userName\":\"ada.byron\"}"}`)
		operation("2", "user", ada, "ada.byron", "planned", `{}`, `{}`)
		operation("3", "group", "g", "Team", "applied", `{"add":[{"ID":"`+ada+`","Name":"whatever she is called"},{"id":"b","name":"bob King"}],"names":{"`+ada+`":"Countess"}}`, `{"response":"member W1 Augusta"}`)
		operation("4", "user", "b2", "Stephen King", "applied", `{}`, `{"request":"King Augusta of Canada"}`)
		exec("update operations set steps = '[]' where id = '4'") // names nobody for sure
		exec(`insert into links (app_id, type, object_id, object_name, account_id, account_name, origin, enabled, wanted, sent, answered, created_at, modified_at)
			values ($1, 'user', $2, 'ada.byron', 'W1', 'abyron', 'created', $3, '{"title":"Countess"}', '{}', '{"x":"abyron"}', 0, 0)`, app.ID, ada, true)
		exec(`insert into escrow (app_id, type, object_id, object_name, parked, attempts, operation_id, error, first_at, last_at) values ($1, 'user', $2, 'ada.byron', $3, 1, '1', '{"reason":"abyron is taken"}', 0, 0)`, app.ID, ada, true)
		exec(`insert into escrow (app_id, type, object_id, object_name, parked, attempts, operation_id, error, first_at, last_at) values ($1, 'user', 'b2', 'Stephen King', $2, 1, '4', '{"reason":"both Ada.Byron and Stephen King match"}', 0, 0)`, app.ID, true)
		// What she was called before: known from her own rows alone.
		operation("5", "user", ada, "ada.gordon", "applied", `{}`, `{}`)
		operation("6", "user", "b2", "Stephen King", "applied", `{}`, `{"response":"the manager ada.gordon has no account"}`)
		exec(`insert into accounts (app_id, type, account_id, walk, name, active, protected, answered) values ($1, 'user', 'W1', 'w', 'abyron', $2, '', '{"x":"abyron"}')`, app.ID, true)
		exec(`insert into account_keys (app_id, type, path, value_key, account_id) values ($1, 'user', 'userName', 'abyron', 'W1')`, app.ID)

		if _, err := s.EraseUser(ctx, admin, ada, false); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "active account in App") {
			t.Fatalf("with an active account: %v", err)
		}
		exec("update links set enabled = $1", false)
		feed, err := s.FeedSeq(ctx)
		must(t)(err)
		pseudonym, err := s.EraseUser(ctx, admin, ada, false)
		must(t)(err)
		if !strings.HasPrefix(pseudonym, "erased-") || len(pseudonym) != len("erased-12345678") {
			t.Errorf("pseudonym %q", pseudonym)
		}
		if _, err := s.User(ctx, ada); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("still in the directory: %v", err)
		}
		if changes, _, err := s.Changes(ctx, feed, 100); err != nil || len(changes) != 3 { // ada, bob (her report), the membership
			t.Errorf("the feed tells %v, %v", changes, err)
		}
		for _, table := range tables(t, s) {
			for _, row := range contents(t, s, "select * from "+table) {
				for _, trace := range []string{"ada.byron", "abyron", "augusta ada", "555 0100", "EN-1815-X", "engines", "countess", "poet", "whatever", "ada.gordon"} {
					if strings.Contains(strings.ToLower(row), trace) {
						t.Errorf("%s still holds %q: %s", table, trace, row)
					}
				}
			}
		}
		operations := strings.Join(contents(t, s, "select object_name, detail, exchange, state from operations"), "\n")
		for _, want := range []string{pseudonym, `bob `, "Stephen King", "King Augusta of Canada", "dropped", "member W1 " + pseudonym} {
			if !strings.Contains(operations, want) {
				t.Errorf("the log lost %q:\n%s", want, operations)
			}
		}
		if _, err := s.EraseUser(ctx, admin, ada, false); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("erasing again: %v", err)
		}
	})
}
