package store_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// found are the userNames that a search finds, page by page.
func found(t *testing.T, s *store.Store, q store.UserQuery) (names []string) {
	t.Helper()
	for {
		page, next, err := s.Users(t.Context(), q)
		must(t)(err)
		for _, u := range page {
			names = append(names, u.UserName)
		}
		if q.After = next; next == "" {
			return names
		}
	}
}

// A person is found by the beginning of each name and address, once on all pages together, and by what they are
// called now: also after a rename, a deletion, an import, an erasure and a restore.
func TestSearchFollowsThePerson(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		s, ctx := storetest.Open(t, c), t.Context()
		expect := func(s *store.Store, text string, want ...string) {
			t.Helper()
			got := found(t, s, store.UserQuery{Search: text, Limit: 2})
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%q finds %v, want %v", text, got, want)
			}
		}
		// Each of these has several words that begin with g.
		for i := range 5 {
			person(t, s, fmt.Sprintf("grace%d.gray@example.org", i), directory.Edit{"name.givenName": "Grace", "name.familyName": "Gray", "displayName": "Gigi the Great"})
		}
		hopper := person(t, s, "hopper@navy.example.org", directory.Edit{"name.givenName": "Grace", "name.familyName": "O'Brien-Hopper"})
		all := []string{"grace0.gray@example.org", "grace1.gray@example.org", "grace2.gray@example.org", "grace3.gray@example.org", "grace4.gray@example.org"}
		expect(s, "g", append(slices.Clone(all), "hopper@navy.example.org")...)
		expect(s, "gr gigi", all...)
		expect(s, "GRAY@EXAMPLE", all...)
		expect(s, "@navy.exa", "hopper@navy.example.org")
		expect(s, "brien", "hopper@navy.example.org")
		expect(s, "o'b grace", "hopper@navy.example.org")
		expect(s, "rien")
		expect(s, "grace nobody")
		if got := found(t, s, store.UserQuery{Search: "' . @", Limit: 2}); len(got) != 6 {
			t.Errorf("marks alone find %v", got)
		}

		_, _, err := s.UpdateUser(ctx, admin, hopper, store.UserEdit{Attributes: directory.Edit{"name.familyName": "Murray"}})
		must(t)(err)
		expect(s, "brien")
		expect(s, "mur", "hopper@navy.example.org")
		off, left := true, false
		if got := found(t, s, store.UserQuery{Search: "mur", Inactive: &off}); len(got) != 0 {
			t.Errorf("somebody active is found among the inactive: %v", got)
		}
		bring(t, s, rows{list: []source.Record{named("hopper@navy.example.org", "active", &left, "title", "Admiral")}}, store.ImportOptions{}, "0/1/0/0/0")
		if got := found(t, s, store.UserQuery{Search: "mur", Inactive: &off}); len(got) != 1 {
			t.Errorf("among the inactive are %v", got)
		}
		if got := found(t, s, store.UserQuery{Inactive: &off}); len(got) != 1 {
			t.Errorf("the inactive are %v", got)
		}
		must(t)(s.DeleteUser(ctx, admin, hopper))
		expect(s, "mur")
		if got := found(t, s, store.UserQuery{Search: "mur", Deleted: true}); len(got) != 1 {
			t.Errorf("among the deleted are %v", got)
		}
		_, err = s.EraseUser(ctx, admin, hopper, false)
		must(t)(err)
		if rows := contents(t, s, "select object_id from words where object_id = '"+hopper+"'"); len(rows) != 0 {
			t.Error("who is erased can still be found")
		}

		var archive bytes.Buffer
		must(t)(s.Backup(ctx, &archive))
		to := storetest.Open(t, store.Config{Data: t.TempDir()})
		_, err = to.Restore(ctx, &archive)
		must(t)(err)
		expect(to, "gigi", all...)
	})
}

// A search goes by the rarest of its words, however long the others are, and from page to page by the same one.
func TestSearchGoesByTheRarestWord(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add := func(n int, family, domain string) {
			t.Helper()
			var list []source.Record
			for i := range n {
				list = append(list, named(fmt.Sprintf("%s.%03d@%s", family, i, domain), "name.familyName", fmt.Sprintf("%s-%03d", family, n-i)))
			}
			bring(t, s, rows{list: list}, store.ImportOptions{Source: family + domain}, fmt.Sprintf("%d/0/0/0/0", n))
		}
		add(60, "gray", "example.org")
		add(3, "smith", "example.org")
		q := store.UserQuery{Search: "example smith", Limit: 1}
		page, next, err := s.Users(ctx, q)
		must(t)(err)
		names := []string{page[0].UserName}
		add(200, "smith", "navy.test") // now the other is the rarer one
		for q.After = next; q.After != ""; q.After = next {
			page, next, err = s.Users(ctx, q)
			must(t)(err)
			for _, u := range page {
				names = append(names, u.UserName)
			}
		}
		// In the order of their words that begin with smith: these are smith-001, smith-002, smith-003.
		if want := []string{"smith.002@example.org", "smith.001@example.org", "smith.000@example.org"}; !slices.Equal(names, want) {
			t.Errorf("found are %v, want %v", names, want)
		}
		for _, place := range []string{"smith-001\x00u", "2 smith-001\x00u", "-1 smith-001\x00u", "x smith-001\x00u"} {
			q.After = base64.RawURLEncoding.EncodeToString([]byte(place))
			if _, _, err := s.Users(ctx, q); err == nil || !strings.Contains(err.Error(), "not one that was given out") {
				t.Errorf("%q is taken for a place: %v", place, err)
			}
		}
	})
}
