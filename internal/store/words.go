package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/muster-id/muster/internal/directory"
)

const (
	// wordLength bounds a word, in bytes: nobody types more.
	wordLength = 100
	// wordsOfOne bounds by how many words one person is found.
	wordsOfOne = 40
)

// wordsOf are the words by whose beginnings a person is found, in order: each name and address, and what
// follows a mark within it, so that "hopper" finds grace.hopper@example.org. Of a domain there is only the
// whole. A word that another one begins with is left out.
func wordsOf(search string) []string {
	var all []string
	for _, name := range strings.Fields(search) {
		before, domain := ' ', false
		for i, r := range name {
			inside := unicode.IsLetter(before) || unicode.IsDigit(before) || unicode.IsMark(before)
			if !inside && (i == 0 || unicode.IsLetter(r) || unicode.IsDigit(r)) && (!domain || before == '@') {
				all = append(all, shortened(name[i:], wordLength))
			}
			before, domain = r, domain || r == '@'
		}
	}
	slices.Sort(all)
	var kept []string
	for i, w := range all {
		if i+1 < len(all) && strings.HasPrefix(all[i+1], w) {
			continue
		}
		kept = append(kept, w)
	}
	return kept[:min(len(kept), wordsOfOne)]
}

// termsOf are what somebody looks for: the beginnings of words.
func termsOf(typed string) (terms []string, err error) {
	if _, err := pattern(typed); err != nil {
		return nil, err
	}
	for _, t := range strings.Fields(directory.Key(typed)) {
		if t = strings.TrimLeftFunc(t, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }); t != "" {
			terms = append(terms, shortened(t, wordLength))
		}
	}
	return terms, nil
}

// shortened cuts a text at a character's end.
func shortened(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// first returns the first word that begins with a term, "" when none does.
func first(words []string, term string) string {
	i, _ := slices.BinarySearch(words, term)
	if i < len(words) && strings.HasPrefix(words[i], term) {
		return words[i]
	}
	return ""
}

// rewordUsers puts the words of people in the place of those that they were found by until now.
func (tx *Tx) rewordUsers(ctx context.Context, users []*userRow) error {
	if tx.shadow { // nobody looks for anybody in a rehearsal
		return nil
	}
	var gone []string
	var rows [][]any
	for _, u := range users {
		now := searchText(&u.User)
		if now == u.was {
			continue
		}
		if u.was != "" {
			gone = append(gone, u.ID)
		}
		for _, w := range wordsOf(now) {
			rows = append(rows, []any{[]byte(w), u.ID})
		}
		u.was = now
	}
	if len(gone) > 0 {
		if _, err := tx.Exec(ctx, "delete from words where object_id in "+tx.in("$1"), list(gone)); err != nil {
			return fmt.Errorf("forgetting words: %w", err)
		}
	}
	return tx.insertWords(ctx, rows)
}

func (tx *Tx) insertWords(ctx context.Context, rows [][]any) error {
	return tx.insert(ctx, "words", []string{"word", "object_id"}, rows, "on conflict do nothing")
}

// fillWords writes the words of everybody where there are none: the database is one from before there were
// any, or has been restored.
func (s *Store) fillWords(ctx context.Context) error {
	var missing bool
	err := s.read.QueryRowContext(ctx, "select exists (select 1 from users) and not exists (select 1 from words)").Scan(&missing)
	if err != nil || !missing {
		return err
	}
	return s.Write(ctx, func(tx *Tx) error { return tx.wordEverybody(ctx) })
}

// searchedText is what a search looks in of a person.
type searchedText struct{ id, search string }

func scanSearchedText(row scanner) (k searchedText, err error) {
	return k, row.Scan(&k.id, &k.search)
}

// wordSlice is how many people are worded at once.
const wordSlice = 5000

func (tx *Tx) everybodyAfter(ctx context.Context, id string) ([]searchedText, error) {
	return rowsOf(ctx, tx, scanSearchedText, "select id, search from users where id > $1 order by id limit $2", id, wordSlice)
}

func (tx *Tx) wordEverybody(ctx context.Context) error {
	for after := ""; ; {
		people, err := tx.everybodyAfter(ctx, after)
		if err != nil {
			return err
		}
		if err := tx.word(ctx, people); err != nil || len(people) < wordSlice {
			return err
		}
		after = people[len(people)-1].id
	}
}

// word writes the words of people who have none.
func (tx *Tx) word(ctx context.Context, people []searchedText) error {
	var rows [][]any
	for _, p := range people {
		for _, w := range wordsOf(p.search) {
			rows = append(rows, []any{[]byte(w), p.id})
		}
	}
	return tx.insertWords(ctx, rows)
}

// RightWords gives the words of people right whom a node of a version changed that knows of no words, and went
// on after another node had brought the schema forward: no search would find them by what they are called
// now. It returns how many people there were. It reads everybody, where there can be several nodes: ask at the start of one.
func (s *Store) RightWords(ctx context.Context) (righted int, err error) {
	if !s.Postgres() {
		return 0, nil
	}
	err = s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "delete from words where not exists (select 1 from users u where u.id = words.object_id)")
		return err
	})
	for after, more := "", err == nil; more && err == nil; {
		var wrong []string
		err = s.Read(ctx, func(tx *Tx) error {
			people, err := tx.everybodyAfter(ctx, after)
			if more = len(people) == wordSlice; err == nil && more {
				after = people[len(people)-1].id
			}
			if err == nil {
				wrong, err = tx.wronglyWorded(ctx, people)
			}
			return err
		})
		if err == nil && len(wrong) > 0 {
			err = s.Write(ctx, func(tx *Tx) error { return tx.rewordThem(ctx, wrong) })
			righted += len(wrong)
		}
	}
	if err != nil {
		return righted, fmt.Errorf("looking for people whom no search finds: %w", err)
	}
	return righted, nil
}

// wronglyWorded returns the ids of people whose words are not those of what they are called.
func (tx *Tx) wronglyWorded(ctx context.Context, people []searchedText) (wrong []string, err error) {
	ids := make([]string, len(people))
	for i, p := range people {
		ids[i] = p.id
	}
	type entry struct {
		id   string
		word []byte
	}
	entries, err := rowsOf(ctx, tx, func(row scanner) (e entry, err error) { return e, row.Scan(&e.id, &e.word) },
		"select object_id, word from words where object_id in "+tx.in("$1"), list(ids))
	have := map[string][]string{}
	for _, e := range entries {
		have[e.id] = append(have[e.id], string(e.word))
	}
	for _, p := range people {
		slices.Sort(have[p.id])
		if !slices.Equal(have[p.id], wordsOf(p.search)) {
			wrong = append(wrong, p.id)
		}
	}
	return wrong, err
}

// rewordThem writes the words of people anew, as they are called when it has them to itself.
func (tx *Tx) rewordThem(ctx context.Context, ids []string) error {
	people, err := rowsOf(ctx, tx, scanSearchedText, "select id, search from users where id in "+tx.in("$1")+" order by id"+tx.s.dialect.lockRow, list(ids))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "delete from words where object_id in "+tx.in("$1"), list(ids)); err != nil {
		return fmt.Errorf("forgetting words: %w", err)
	}
	return tx.word(ctx, people)
}

// found is a person whom a search found, by the first of their words that begins with what was looked for.
type found struct {
	word, id string
}

// finding is a search for people among those of a table that has them.
type finding struct {
	terms []string
	table string // beside words w and users u, such as "cross join links l"; "" for none
	where string // a further condition, of the parameters args
	args  []any
	after string
	limit int
}

const (
	// probed is how many words of a term are counted at most, and few is how many of them are few enough to look no further.
	probed, few = 1000, 50
	// probes is how many terms are counted.
	probes = 8
)

// rarest returns the place of the term that the fewest words begin with, of equal ones the longest: in "example smith"
// the first may stand in the address of everybody.
func (tx *Tx) rarest(ctx context.Context, terms []string) (best int, err error) {
	order := make([]int, len(terms))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(terms[b]) - len(terms[a]) })
	if best = order[0]; len(order) == 1 {
		return best, nil
	}
	least := probed + 1
	for _, i := range order[:min(len(order), probes)] {
		var n int
		err := tx.QueryRow(ctx, "select count(*) from (select 1 from words w where w.word >= $1 and w.word < $2 limit $3) x", []byte(terms[i]), []byte(terms[i]+"\xff"), probed).Scan(&n)
		if err != nil {
			return 0, err
		}
		if n < least {
			best, least = i, n
		}
		if least <= few {
			break
		}
	}
	return best, nil
}

// begin returns by which term a search goes on and after which word of whom: the next page goes by the same
// term as the first, whatever words there are by then.
func (tx *Tx) begin(ctx context.Context, f finding) (term int, word, id string, err error) {
	if f.after == "" {
		term, err = tx.rarest(ctx, f.terms)
		return term, f.terms[term], "", err
	}
	key, id, err := cursor(f.after)
	if err != nil {
		return 0, "", "", err
	}
	number, word, ok := strings.Cut(key, " ")
	if term, err = strconv.Atoi(number); !ok || err != nil || term < 0 || term >= len(f.terms) {
		return 0, "", "", refuse(ErrInvalid, "", "the place in the list is not one that was given out")
	}
	return term, word, id, nil
}

// findPeople returns whom a search finds in the order of the words that it found them by, and where the next page
// begins. It reads those who have a word that begins with the rarest term, and nobody else.
func (tx *Tx) findPeople(ctx context.Context, f finding) (page []found, next string, err error) {
	number, word, id, err := tx.begin(ctx, f)
	if err != nil {
		return nil, "", err
	}
	term := f.terms[number]
	batch := f.limit + 1
	// By "cross join" SQLite begins with the words whatever it believes of the tables.
	n := len(f.args)
	query := fmt.Sprintf(`select w.word, w.object_id, u.search from words w cross join users u %s
		where u.id = w.object_id and (w.word, w.object_id) > ($%d, $%d) and w.word < $%d and u.search like $%d escape '\' %s order by w.word, w.object_id limit $%d`,
		f.table, n+1, n+2, n+3, n+4, f.where, n+5)
	others := "%"
	for _, t := range f.terms {
		if t != term && len(t)+2 > len(others) {
			others = "%" + escapeLike(t) + "%"
		}
	}
	for {
		type candidate struct {
			word       []byte
			id, search string
		}
		seen, err := rowsOf(ctx, tx, func(row scanner) (c candidate, err error) { return c, row.Scan(&c.word, &c.id, &c.search) },
			query, append(slices.Clone(f.args), []byte(word), id, []byte(term+"\xff"), others, batch)...)
		if err != nil {
			return nil, "", err
		}
		for _, c := range seen {
			word, id = string(c.word), c.id
			words := wordsOf(c.search)
			if first(words, term) != word || slices.ContainsFunc(f.terms, func(t string) bool { return first(words, t) == "" }) {
				continue // found by an earlier word already, or not by all terms
			}
			if len(page) == f.limit {
				last := page[f.limit-1]
				return page, place(strconv.Itoa(number)+" "+last.word, last.id), nil
			}
			page = append(page, found{word, id})
		}
		if len(seen) < batch {
			return page, "", nil
		}
		batch = min(2*batch, 2000)
	}
}

// idsOf are the ids of people in their order.
func idsOf(page []found) []string {
	ids := make([]string, len(page))
	for i, p := range page {
		ids[i] = p.id
	}
	return ids
}
