package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/directory"
)

// EraseUser removes a person from the directory and from all logs, for good: rows about them keep
// their place under a pseudonym ("erased-1a2b3c4d", the same in every log), without a value of
// theirs; where others' rows name them, the pseudonym stands instead. A person who still has an
// active account is refused unless force is set: deactivate them and let a cycle run first. Backups
// are not changed.
//
// The logs are gone through in short transactions, first the rows of others, because the person's own
// rows tell by which names they were known; the directory's row goes last. An erasure that is
// interrupted is finished by asking again. At last a SQLite file is written anew, since its free pages
// still hold what was deleted.
func (s *Store) EraseUser(ctx context.Context, by Actor, id string, force bool) (pseudonym string, err error) {
	sum := sha256.Sum256([]byte("muster erased " + id))
	e := &eraser{s: s, id: id, pseudonym: "erased-" + hex.EncodeToString(sum[:4])}
	if err := s.Read(ctx, func(tx *Tx) error { return e.prepare(ctx, tx, force) }); err != nil {
		return "", err
	}
	for _, step := range []func(context.Context) error{e.operations, e.auditLog, e.notices, e.escrow, e.ownRows} {
		if err := step(ctx); err != nil {
			return "", fmt.Errorf("erasing a person from the logs: %w", err)
		}
	}
	err = s.Write(ctx, func(tx *Tx) error {
		if err := tx.purge(ctx, id); err != nil {
			return err
		}
		if err := tx.forgetAnswers(ctx); err != nil {
			return err
		}
		return tx.audit(ctx, by, "erase", subject{"user", id, e.pseudonym}, nil, nil)
	})
	if err != nil {
		return "", fmt.Errorf("erasing a person from the directory: %w", err)
	}
	if err := s.compact(ctx); err != nil {
		return "", fmt.Errorf("the person is erased, but traces may be left in free pages of the database file: %w", err)
	}
	return e.pseudonym, nil
}

// compact writes a SQLite file anew, without its free pages and what stood in them. PostgreSQL clears
// its pages by itself.
func (s *Store) compact(ctx context.Context) error {
	if s.Postgres() {
		return nil
	}
	for _, statement := range []string{"vacuum", "pragma wal_checkpoint(truncate)"} {
		if _, err := s.write.ExecContext(ctx, statement); err != nil {
			return s.explain(err)
		}
	}
	return nil
}

type eraser struct {
	s             *Store
	id, pseudonym string
	words         []string // what the person is called, folded, the longest first
	telling       []string // those of them that tell of this person alone: a row with one of them is about the person
	accounts      [][2]string
}

// prepare finds out how the person is called, here and at the targets.
func (e *eraser) prepare(ctx context.Context, tx *Tx, force bool) error {
	found, err := tx.users(ctx, "where id = $1", e.id)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return refuse(ErrNotFound, "", "there is no user with the id %s", e.id)
	}
	u := found[0]
	type account struct {
		app, id, name, appName string
		enabled                bool
	}
	accounts, err := collect(func(row scanner) (a account, err error) {
		return a, row.Scan(&a.app, &a.id, &a.name, &a.enabled, &a.appName)
	})(tx.Query(ctx, `select l.app_id, l.account_id, l.account_name, l.enabled, coalesce(a.name, l.app_id) from links l
		left join applications a on a.id = l.app_id where l.type = 'user' and l.object_id = $1 order by 5`, e.id))
	if err != nil {
		return err
	}
	former, err := collect(one[string])(tx.Query(ctx, `select object_name from operations where type = 'user' and object_id = $1
		union select account_name from operations where type = 'user' and object_id = $1
		union select object_name from audit where object_id = $1`, e.id))
	if err != nil {
		return err
	}
	var active []string
	telling := append([]string{u.UserName}, texts(u.Attributes, "displayName", "emails", "phoneNumbers", "ims", "profileUrl")...)
	telling = append(telling, former...)
	words := texts(u.Attributes, "name", "nickName", "addresses", "photos")
	for _, a := range accounts {
		e.accounts = append(e.accounts, [2]string{a.app, a.id})
		telling = append(telling, a.name)
		if a.enabled {
			active = append(active, a.appName)
		}
	}
	if len(active) > 0 && !force {
		return refuse(ErrInvalid, "deactivate them and sync first, or force it", "%s still has an active account in %s", u.UserName, strings.Join(active, ", "))
	}
	e.telling = folded(telling)
	e.words = folded(append(words, telling...))
	return nil
}

// folded returns words for comparison, each once, the longest first: "ada@example.org" before "ada".
func folded(words []string) []string {
	var out []string
	for _, w := range words {
		if w = directory.Key(w); len(w) >= 3 {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	return slices.Compact(out)
}

// texts returns all texts of some attributes.
func texts(attributes map[string]any, names ...string) []string {
	var out []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for key, e := range v {
				if key != "type" {
					walk(e)
				}
			}
		}
	}
	for _, name := range names {
		walk(attributes[name])
	}
	return out
}

// ownRows empties the rows that are about the person.
func (e *eraser) ownRows(ctx context.Context) error {
	return e.s.Write(ctx, func(tx *Tx) error {
		for _, statement := range []string{
			`update links set object_name = $2, account_name = $2, wanted = '{}', sent = '{}', answered = '{}' where type = 'user' and object_id = $1`,
			`delete from escrow where type = 'user' and object_id = $1 and object_id <> $2`,
			`delete from notices where subject = $1 and subject <> $2`,
			`delete from drift where object_id = $1 and object_id <> $2`,
			`delete from rejections where type = 'user' and object_id = $1 and object_id <> $2`,
			`update audit set object_name = $2, before = null, after = null where object_id = $1`,
			`update operations set object_name = $2, account_name = case when account_name = '' then '' else $2 end, reason = cause, want = '{}', detail = '{}',
				steps = '[]', exchange = null where type = 'user' and object_id = $1`,
		} {
			if _, err := tx.Exec(ctx, statement, e.id, e.pseudonym); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `update operations set state = 'dropped', finished_at = $2 where type = 'user' and object_id = $1 and state in ('planned', 'held', 'approved')`, e.id, tx.now()); err != nil {
			return err
		}
		for _, a := range e.accounts {
			if _, err := tx.Exec(ctx, `delete from drift where app_id = $1 and (account_id = $2 and type = 'user' or member_id = $2)`, a[0], a[1]); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `update link_members set name = '' where app_id = $1 and account_id = $2`, a[0], a[1]); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `update accounts set name = $3, answered = '{}' where app_id = $1 and type = 'user' and account_id = $2`, a[0], a[1], e.pseudonym); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `delete from account_keys where app_id = $1 and type = 'user' and account_id = $2`, a[0], a[1]); err != nil {
				return err
			}
		}
		return nil
	})
}

// operations goes through the provisioning log for rows of others that name the person.
func (e *eraser) operations(ctx context.Context) error {
	return e.scrub(ctx, "operations", []string{"reason"}, []string{"want", "detail", "steps", "error", "exchange"})
}

func (e *eraser) auditLog(ctx context.Context) error {
	return e.scrub(ctx, "audit", nil, []string{"before", "after"})
}

// notices goes through what people were told. A message that was to be sent still is, without the names.
func (e *eraser) notices(ctx context.Context) error {
	if err := e.scrub(ctx, "notices", []string{"name", "reason"}, nil); err != nil {
		return err
	}
	return e.scrub(ctx, "messages", nil, []string{"events"})
}

// escrow goes through what others wait for: "both ada and bob match this account".
func (e *eraser) escrow(ctx context.Context) error {
	return e.s.Write(ctx, func(tx *Tx) error {
		type row struct{ app, kind, object, text string }
		rows, err := collect(func(r scanner) (v row, err error) { return v, r.Scan(&v.app, &v.kind, &v.object, &v.text) })(
			tx.Query(ctx, "select app_id, type, object_id, error from escrow"))
		if err != nil {
			return err
		}
		for _, r := range rows {
			old := sql.NullString{String: r.text, Valid: true}
			text := e.document(old)
			if text == old || !e.tells(old) {
				continue
			}
			if _, err := tx.Exec(ctx, "update escrow set error = $1 where app_id = $2 and type = $3 and object_id = $4", text, r.app, r.kind, r.object); err != nil {
				return err
			}
		}
		return nil
	})
}

// scrub replaces the person's names in columns of plain text and of JSON, a thousand rows at a time.
func (e *eraser) scrub(ctx context.Context, table string, plain, documents []string) error {
	columns := append(slices.Clone(plain), documents...)
	sets := make([]string, len(columns))
	for i, c := range columns {
		sets[i] = fmt.Sprintf("%s = $%d", c, i+2)
	}
	for after, more := "", true; more; {
		err := e.s.Write(ctx, func(tx *Tx) error {
			rows, err := collect(scanStrings(len(columns) + 1))(tx.Query(ctx,
				fmt.Sprintf("select id, %s from %s where id > $1 order by id limit %d", strings.Join(columns, ", "), table, importSlice), after))
			if err != nil {
				return err
			}
			for _, row := range rows {
				if !slices.ContainsFunc(row[1:], e.tells) {
					continue
				}
				changed := false
				args := []any{row[0]}
				for i, old := range row[1:] {
					text := e.document(old)
					if i < len(plain) {
						text = e.text(old)
					}
					changed = changed || text != old
					args = append(args, text)
				}
				if changed {
					if _, err := tx.Exec(ctx, "update "+table+" set "+strings.Join(sets, ", ")+" where id = $1", args...); err != nil {
						return err
					}
				}
			}
			if more = len(rows) == importSlice; more {
				after = rows[len(rows)-1][0].String
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func scanStrings(n int) func(scanner) ([]sql.NullString, error) {
	return func(row scanner) ([]sql.NullString, error) {
		values, dest := make([]sql.NullString, n), make([]any, n)
		for i := range values {
			dest[i] = &values[i]
		}
		return values, row.Scan(dest...)
	}
}

// text replaces each of the person's names in a text, in any case.
func (e *eraser) text(s sql.NullString) sql.NullString {
	s.String = e.replace(s.String)
	return s
}

func (e *eraser) replace(s string) string {
	folded := strings.ToLower(s)
	if len(folded) != len(s) { // folding moved the letters: give up the case with the names
		if slices.ContainsFunc(e.words, func(w string) bool { return strings.Contains(folded, w) }) {
			s = folded
		}
	}
	for _, w := range e.words {
		for from := 0; ; {
			i := strings.Index(strings.ToLower(s[from:]), w)
			if i < 0 {
				break
			}
			i += from
			if !wholeWord(s, i, len(w)) {
				from = i + len(w)
				continue
			}
			s = s[:i] + e.pseudonym + s[i+len(w):]
			from = i + len(e.pseudonym)
		}
	}
	return s
}

// wholeWord keeps "ada" from being found in "Canada".
func wholeWord(s string, at, n int) bool {
	letter := func(b byte) bool {
		return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b >= 0x80
	}
	return !(at > 0 && letter(s[at-1]) && letter(s[at])) && !(at+n < len(s) && letter(s[at+n]) && letter(s[at+n-1]))
}

// tells reports whether a text is about the person: it has the id, or a name that is nobody else's.
func (e *eraser) tells(s sql.NullString) bool {
	text := strings.ToLower(s.String)
	return strings.Contains(text, e.id) || slices.ContainsFunc(e.telling, func(w string) bool {
		quoted, _ := json.Marshal(w) // as it stands in a document
		return strings.Contains(text, w) || strings.Contains(text, strings.Trim(string(quoted), `"`))
	})
}

// document replaces the names in the values of a JSON document, never in its keys.
func (e *eraser) document(s sql.NullString) sql.NullString {
	if !s.Valid || s.String == "" {
		return s
	}
	decode := json.NewDecoder(strings.NewReader(s.String))
	decode.UseNumber()
	var doc any
	if err := decode.Decode(&doc); err != nil {
		return e.text(s)
	}
	b, err := json.Marshal(e.walk(doc))
	if err != nil {
		return e.text(s)
	}
	before, err := json.Marshal(doc)
	if err == nil && string(before) == string(b) {
		return s
	}
	return sql.NullString{String: string(b), Valid: true}
}

// walk returns a copy of a value with the names replaced. An object that is about the person by id
// loses its name whatever it is.
func (e *eraser) walk(v any) any {
	switch v := v.(type) {
	case string:
		return e.replace(v)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = e.walk(x)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, x := range v {
			switch {
			case key == e.id: // names by id
				out[key] = e.pseudonym
			case strings.EqualFold(key, "name") && (v["id"] == e.id || v["ID"] == e.id):
				out[key] = e.pseudonym
			default:
				out[key] = e.walk(x)
			}
		}
		return out
	}
	return v
}
