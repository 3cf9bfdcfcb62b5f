package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/directory"
)

// NameOf returns the userName of a person, or the displayName of a group, by id: of whoever is gone for good the id itself.
func (s *Store) NameOf(ctx context.Context, kind directory.Kind, id string) (string, error) {
	query := "select user_name from users where id = $1"
	if kind == directory.KindGroup {
		query = "select display_name from groups where id = $1"
	}
	return read(ctx, s, func(tx *Tx) (string, error) {
		name, err := one[string](tx.QueryRow(ctx, query, id))
		if errors.Is(err, sql.ErrNoRows) {
			return id, nil
		}
		return name, err
	})
}

// UserNames returns the userNames of people by id, of those who have been deleted too.
func (s *Store) UserNames(ctx context.Context, ids []string) (map[string]string, error) {
	return read(ctx, s, func(tx *Tx) (map[string]string, error) {
		hits, err := collect(func(row scanner) (h [2]string, err error) { return h, row.Scan(&h[0], &h[1]) })(tx.Query(ctx,
			"select id, user_name from users where id in "+tx.in("$1"), list(ids)))
		names := make(map[string]string, len(hits))
		for _, h := range hits {
			names[h[0]] = h[1]
		}
		return names, err
	})
}

// UserByName returns the person that somebody means by a userName, an e-mail address or an id. The
// error says when there is none, with near names, or when the name fits two. A deleted person is
// found by id alone.
func (s *Store) UserByName(ctx context.Context, name string) (directory.User, error) {
	return read(ctx, s, func(tx *Tx) (directory.User, error) {
		u, err := tx.find(ctx, name)
		if err != nil {
			return directory.User{}, err
		}
		return u.User, nil
	})
}

func (tx *Tx) find(ctx context.Context, name string) (*userRow, error) {
	if !storable(name) {
		return nil, refuse(ErrNotFound, "", "there is no user so called")
	}
	// Three look-ups, each by its index: joined by "or" they would read every user.
	found, err := tx.users(ctx, `where id in (select id from users where id = $1 union select id from users where user_name_key = $2 and deleted_at is null union select id from users where email_key = $2 and deleted_at is null)`, strings.TrimSpace(name), directory.Key(name))
	switch {
	case err != nil:
		return nil, fmt.Errorf("looking for a user: %w", err)
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, refuse(ErrAmbiguous, "use the id", "%s is the userName of one user and the e-mail address of another: %s", name, described(found))
	}
	near, err := tx.near(ctx, name)
	if err != nil {
		return nil, err
	}
	return nil, refuse(ErrNotFound, didYouMean(near), "there is no user %s", strings.TrimSpace(name))
}

func described(users []*userRow) string {
	var parts []string
	for _, u := range users {
		parts = append(parts, fmt.Sprintf("%s (%s)", u.UserName, u.ID))
	}
	return strings.Join(parts, ", ")
}

func didYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(names, " or ") + "?"
}

// near returns names that resemble one. Only people with a word that begins alike are looked at: enough
// for a slip, and cheap.
func (tx *Tx) near(ctx context.Context, name string) ([]string, error) {
	local, _, _ := strings.Cut(directory.Key(name), "@")
	if len([]rune(local)) < 2 {
		return nil, nil
	}
	start := string([]rune(local)[:2])
	names, err := collect(one[string])(tx.Query(ctx, `select u.user_name from words w cross join users u where u.id = w.object_id and w.word >= $1 and w.word < $2 and u.deleted_at is null order by w.word limit 5000`,
		[]byte(start), []byte(start+"\xff")))
	if err != nil {
		return nil, fmt.Errorf("looking for similar names: %w", err)
	}
	return directory.Nearest(name, names, 3), nil
}

// longestSearch is longer than any name; SQLite takes no pattern of any length.
const longestSearch = 1000

// pattern is what like looks for where people search for a part of a name.
func pattern(search string) (string, error) {
	switch {
	case len(search) > longestSearch:
		return "", refuse(ErrInvalid, "search for a part of a name", "the text to search for is longer than %d bytes", longestSearch)
	case !storable(search):
		return "", refuse(ErrInvalid, "search for a part of a name", "the text to search for holds bytes that are no text")
	}
	return "%" + escapeLike(directory.Key(search)) + "%", nil
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// UserQuery picks users of a list.
type UserQuery struct {
	// Search picks those who have, for each word of it, a name or an e-mail address or a part of one that
	// begins so, case-blind; "" is all.
	Search   string
	Inactive *bool  // only those that are inactive, or only those that are not
	Deleted  bool   // those who are deleted, instead of those who are there
	After    string // where the page before ended, "" for the first
	Limit    int    // at most so many; 0 is 100
}

// Users returns a page of users and where the next one begins, "" after the last: in the order of their
// userNames, or of a search in that of the words by which it found them.
func (s *Store) Users(ctx context.Context, q UserQuery) (page []directory.User, next string, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	state := "deleted_at is null"
	switch {
	case q.Deleted && q.Inactive != nil:
		state = fmt.Sprintf("deleted_at is not null and active = %t", !*q.Inactive)
	case q.Deleted:
		state = "deleted_at is not null"
	case q.Inactive != nil && *q.Inactive:
		state += " and not active and active = false" // twice, so that the index of the few is preferred to that of all
	case q.Inactive != nil:
		state += " and active"
	}
	err = s.Read(ctx, func(tx *Tx) error {
		var rows []*userRow
		terms, err := termsOf(q.Search)
		if err != nil {
			return err
		}
		if len(terms) > 0 {
			rows, next, err = tx.searched(ctx, finding{terms: terms, where: "and " + state, after: q.After, limit: q.Limit})
		} else {
			rows, next, err = tx.listed(ctx, state, q)
		}
		page = make([]directory.User, len(rows))
		for i, u := range rows {
			page[i] = u.User
		}
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("listing users: %w", err)
	}
	return page, next, nil
}

// listed reads a page of users by userName.
func (tx *Tx) listed(ctx context.Context, state string, q UserQuery) (rows []*userRow, next string, err error) {
	key, id, err := cursor(q.After)
	if err != nil {
		return nil, "", err
	}
	rows, err = tx.users(ctx, "where "+state+" and (user_name_key, id) > ($1, $2) order by user_name_key, id limit $3", key, id, q.Limit+1)
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		last := rows[q.Limit-1]
		next = place(directory.Key(last.UserName), last.ID)
	}
	return rows, next, err
}

// searched reads a page of users whom a search finds.
func (tx *Tx) searched(ctx context.Context, f finding) (rows []*userRow, next string, err error) {
	page, next, err := tx.findPeople(ctx, f)
	if err != nil {
		return nil, "", err
	}
	ids := idsOf(page)
	rows, err = tx.users(ctx, "where id in "+tx.in("$1"), list(ids))
	slices.SortFunc(rows, func(a, b *userRow) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	return rows, next, err
}

// place and cursor carry the place in a list out to the caller and back.
func place(key, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(key + "\x00" + id))
}

func cursor(after string) (key, id string, err error) {
	if after == "" {
		return "", "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(after)
	key, id, ok := strings.Cut(string(b), "\x00")
	if err != nil || !ok || !storable(key) || !storable(id) {
		return "", "", refuse(ErrInvalid, "", "the place in the list is not one that was given out")
	}
	return key, id, nil
}
