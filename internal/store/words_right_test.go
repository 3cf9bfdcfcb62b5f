package store_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// A node of the version before writes people and no words of them. When a newer one starts, searches find everybody
// by what they are called, and nobody who is gone.
func TestWhomAnOlderNodeChangedIsFound(t *testing.T) {
	t.Parallel()
	s, ctx := storetest.Open(t, storetest.Postgres(t)), t.Context()
	named := func(given string) directory.Edit { return directory.Edit{"name.givenName": given} }
	created, renamed, longer := person(t, s, "one", named("Ada")), person(t, s, "two", named("Bob")), person(t, s, "three", named("Cy"))
	person(t, s, "four", named("Dora"))
	must(t)(s.Write(ctx, func(tx *store.Tx) error {
		for _, statement := range []string{
			"delete from words where object_id = '" + created + "'",
			"update users set search = 'two eve' where id = '" + renamed + "'",
			"update users set search = 'three cy cyprian' where id = '" + longer + "'",
			"insert into words (word, object_id) values ('gone', 'nobody')",
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, want := range []int{3, 0} {
		if n, err := s.RightWords(ctx); err != nil || n != want {
			t.Errorf("%d people were put right, %v; want %d", n, err, want)
		}
	}
	for search, id := range map[string]string{"ada": created, "eve": renamed, "cyprian": longer} {
		if rows := contents(t, s, fmt.Sprintf("select object_id from words where word = '%s'", search)); !slices.Equal(rows, []string{id}) {
			t.Errorf("%s belongs to %q", search, rows)
		}
		if got := found(t, s, store.UserQuery{Search: search[:3]}); len(got) != 1 {
			t.Errorf("%s finds %v", search, got)
		}
	}
	if rows := contents(t, s, "select word from words where word in ('bob', 'gone')"); len(rows) != 0 {
		t.Errorf("what nobody is called is still there: %q", rows)
	}
}
