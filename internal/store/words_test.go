package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

func TestWordsOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		search string
		want   []string
	}{
		{"grace.hopper@example.org grace.hopper@example.org grace hopper", []string{"example.org", "grace.hopper@example.org", "hopper@example.org"}},
		{"ada ada.l@mail.example.org ada o'brien-lovelace", []string{"ada.l@mail.example.org", "brien-lovelace", "l@mail.example.org", "lovelace", "mail.example.org", "o'brien-lovelace"}},
		{"æsa-ÿ łukasz x42", []string{"x42", "æsa-ÿ", "ÿ", "łukasz"}},
		{"", nil},
		{"... @", []string{"...", "@"}},
	} {
		if diff := cmp.Diff(c.want, wordsOf(c.search)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.search, diff)
		}
	}
}

// Whoever types a word, or how it begins, finds the person; nobody is found by what no word of theirs begins with.
func FuzzWords(f *testing.F) {
	f.Add("grace.hopper@example.org Grace Hopper", "hop")
	f.Add("o'brien", "brien")
	f.Add("\xff a\u0301b", "a")
	f.Fuzz(func(t *testing.T, search, typed string) {
		search = directory.Key(search)
		words := wordsOf(search)
		if !slices.IsSorted(words) || len(words) > wordsOfOne {
			t.Fatalf("%q", words)
		}
		for _, w := range words {
			if len(w) > wordLength || !strings.Contains(strings.ToValidUTF8(search, ""), strings.ToValidUTF8(w, "")) {
				t.Errorf("%q of %q", w, search)
			}
		}
		for _, name := range strings.Fields(search) {
			if len(name) <= wordLength && len(words) < wordsOfOne && first(words, name) == "" {
				t.Errorf("%q does not find %q", name, search)
			}
		}
		terms, _ := termsOf(typed) // what is no text, or too long, is nothing to look for
		for _, term := range terms {
			if w := first(words, term); w != "" && !strings.HasPrefix(w, term) {
				t.Errorf("%q finds %q", term, w)
			}
		}
	})
}

// pages are what the console asks for. Each says which index it is to find its rows by.
var pages = []struct {
	name string
	ask  func(t *testing.T, s *Store) error
	by   string
	// sorts is set where what is sorted is bounded: a small group, and the few whom a name may mean.
	sorts bool
}{
	{"what the guard weighs", ask(func(t *testing.T, s *Store) error {
		_, _, _, err := s.Tally(t.Context(), "app", "cycle", time.Now())
		return err
	}), "USING INDEX operations_weighed (app_id=? AND action=?", false},
	{"people by name", ask(func(t *testing.T, s *Store) error {
		_, _, err := s.Users(t.Context(), UserQuery{Search: "ada gr"})
		return err
	}), "sqlite_autoindex_words_1 ((word,object_id)>(?,?) AND word<?)", false},
	{"those who are inactive", ask(func(t *testing.T, s *Store) error {
		inactive := true
		_, _, err := s.Users(t.Context(), UserQuery{Inactive: &inactive})
		return err
	}), "users_inactive", false},
	{"those who are deleted", ask(func(t *testing.T, s *Store) error {
		_, _, err := s.Users(t.Context(), UserQuery{Deleted: true})
		return err
	}), "users_name_deleted", false},
	{"a name that nobody has", ask(func(t *testing.T, s *Store) error {
		_, err := s.UserByName(t.Context(), "adda")
		if err != nil && strings.Contains(err.Error(), "there is no user") {
			return nil
		}
		return err
	}), "sqlite_autoindex_words_1 (word>? AND word<", true},
	{"members of a small group", ask(func(t *testing.T, s *Store) error {
		_, _, err := s.Members(t.Context(), MemberQuery{Group: "g", Limit: 50})
		return err
	}), "sqlite_autoindex_members_1 (group_id=", true},
	{"accounts", ask(func(t *testing.T, s *Store) error {
		_, _, err := s.Accounts(t.Context(), "a", AccountQuery{Kind: directory.KindUser})
		return err
	}), "links_name (app_id=? AND type=?", false},
	{"accounts that are off", ask(func(t *testing.T, s *Store) error {
		_, _, err := s.Accounts(t.Context(), "a", AccountQuery{Kind: directory.KindUser, State: "disabled"})
		return err
	}), "links_disabled", false},
	{"the accounts of what fails", ask(func(t *testing.T, s *Store) error {
		_, _, err := s.Failures(t.Context(), "a", FailureQuery{})
		return err
	}), "sqlite_autoindex_links_1 (app_id=? AND type=? AND object_id=?)", true},
	{"accounts of people by name", ask(func(t *testing.T, s *Store) error {
		_, _, err := s.Accounts(t.Context(), "a", AccountQuery{Kind: directory.KindUser, Search: "ada"})
		return err
	}), "sqlite_autoindex_words_1 ((word,object_id)>(?,?) AND word<?)", false},
	{"the accounts that have a name of their own", ask(func(t *testing.T, s *Store) error {
		_, _, err := s.Accounts(t.Context(), "a", AccountQuery{Kind: directory.KindUser, Search: "ada"})
		return err
	}), "links_otherwise", false},
	{"records of a person in an application", log(LogQuery{AppID: "a", Object: "u", Newest: true}), "operations_object", false},
	{"records of a cycle", log(LogQuery{AppID: "a", CycleID: "c", Newest: true}), "operations_records", false},
	{"records of a person in a cycle", log(LogQuery{AppID: "a", CycleID: "c", Object: "u", Newest: true}), "operations_object", false},
	{"what was deleted", log(LogQuery{AppID: "a", Action: provision.Delete, Newest: true}), "operations_rare", false},
	{"failures of an application", log(LogQuery{AppID: "a", Status: "failure", Newest: true}), "operations_failure", false},
	{"what was tried", log(LogQuery{Status: Tried, Newest: true}), "operations_tried", false},
	{"what was tried in an application", log(LogQuery{AppID: "a", Status: Tried, Newest: true, Since: time.Unix(1, 0)}), "operations_tried", false},
	{"what was tried with a person", log(LogQuery{AppID: "a", Object: "u", Status: Tried, Newest: true}), "operations_object", false},
	{"what was tried in a cycle", log(LogQuery{AppID: "a", CycleID: "c", Status: Tried, Newest: true}), "operations_records", false},
	{"which accounts were tried to delete", log(LogQuery{AppID: "a", Action: provision.Delete, Status: Tried, Newest: true}), "operations_rare", false},
	{"what is held", ask(func(t *testing.T, s *Store) error {
		_, err := s.HeldPage(t.Context(), "a", "", 50)
		return err
	}), "operations_held", false},
	{"records of an application", log(LogQuery{AppID: "a", Newest: true, Since: time.Unix(1, 0)}), "operations_log", false},
}

func ask(do func(*testing.T, *Store) error) func(*testing.T, *Store) error { return do }

func log(q LogQuery) func(*testing.T, *Store) error {
	return func(t *testing.T, s *Store) error {
		_, err := s.Log(t.Context(), q)
		return err
	}
}

// What a page shows is found by an index: no page reads everybody, all accounts or the whole log, and none sorts them.
func TestPagesAreFoundByAnIndex(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, p := range pages {
		s.dialect.texts.Clear()
		if err := p.ask(t, s); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		var texts []string
		s.dialect.texts.Range(func(_, text any) bool { texts = append(texts, text.(string)); return true })
		var all []string
		for _, text := range texts {
			all = append(all, s.planOf(t, text)...)
		}
		if !slices.ContainsFunc(all, func(line string) bool { return strings.Contains(line, p.by) }) {
			t.Errorf("%s: not found by %s:\n%s", p.name, p.by, strings.Join(all, "\n"))
		}
		for _, line := range all {
			for _, table := range []string{"users", "u", "links", "l", "operations", "words", "w", "members", "m"} {
				if line == "SCAN "+table {
					t.Errorf("%s reads all of %s", p.name, table)
				}
			}
			if line == "USE TEMP B-TREE FOR ORDER BY" && !p.sorts {
				t.Errorf("%s sorts all that it finds:\n%s", p.name, strings.Join(all, "\n"))
			}
		}
	}
}

// A page of a group to which many belong is found by walking over people by name, and one to which few of very many
// belong by sorting its members: a walk would pass everybody.
func TestPageOfALargeGroup(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	have := 0
	for _, c := range []struct {
		people int
		walks  bool
	}{{largeGroup, true}, {largeGroup * largeShare, true}, {largeGroup*largeShare + 1, false}} {
		err := s.Write(t.Context(), func(tx *Tx) error {
			_, err := tx.Exec(t.Context(), `with recursive n (i) as (select $1 union all select i + 1 from n where i + 1 < $2)
				insert into users (id, source, user_name, user_name_key, active, attributes, search, created_at, modified_at) select 'u' || i, '', 'p' || i, 'p' || i, true, '{}', '', 1, 1 from n`, have, c.people)
			if err == nil && have == 0 {
				_, err = tx.Exec(t.Context(), "insert into members (group_id, member_id, member_type, added_at) select 'g', id, 'user', 1 from users")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		have = c.people
		s.dialect.texts.Clear()
		page, next, err := s.Members(t.Context(), MemberQuery{Group: "g", Limit: 2})
		if err != nil || len(page) != 2 || page[0].Name != "p0" || page[1].Name != "p1" || next == "" {
			t.Errorf("of %d people the page is %v, %v", have, page, err)
		}
		var plan []string
		s.dialect.texts.Range(func(_, text any) bool { plan = append(plan, s.planOf(t, text.(string))...); return true })
		if walks := slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, "u USING INDEX users_name") }); walks != c.walks {
			t.Errorf("of %d people the page is found by\n%s", have, strings.Join(plan, "\n"))
		}
	}
}

// planOf is how SQLite carries a statement out.
func (s *Store) planOf(t *testing.T, text string) (lines []string) {
	t.Helper()
	s.explained(t, "explain query plan "+text, func(row scanner) error {
		var id, parent, unused int
		var detail string
		err := row.Scan(&id, &parent, &unused, &detail)
		lines = append(lines, detail)
		return err
	})
	return lines
}

func (s *Store) explained(t *testing.T, text string, row func(scanner) error) {
	t.Helper()
	err := s.Read(t.Context(), func(tx *Tx) error {
		// Not by tx.Query, which remembers what it is asked.
		_, err := collect(func(r scanner) (struct{}, error) { return struct{}{}, row(r) })(tx.tx.QueryContext(t.Context(), text, make([]any, strings.Count(text, "?"))...))
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// Nothing is built for each operation that is written: SQLite makes a table of every list in the condition of an index,
// and a list that is the same for all rows is made again for each of them.
func TestOperationIsWrittenWithoutATable(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, text := range []string{
		"insert into operations (" + operationColumns + ") values " + places(1, make([]string, len(operationColumnNames)), false),
		"update operations set state = ?, action = ?, finished_at = ? where id = ?",
	} {
		indexed := 0
		s.explained(t, "explain "+text, func(row scanner) error {
			var step, p1, p2, p3 int
			var does string
			var p4, p5, comment any
			err := row.Scan(&step, &does, &p1, &p2, &p3, &p4, &p5, &comment)
			switch does {
			case "IdxInsert":
				indexed++
			case "OpenEphemeral":
				t.Errorf("step %d of %q makes a table", step, text)
			}
			return err
		})
		if indexed == 0 {
			t.Errorf("%q goes into no index", text)
		}
	}
}
