package cycle_test

import (
	"iter"
	"slices"
	"testing"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/store"
)

// What is worked out from a manager's name, and who is in scope by it, follows when the manager is renamed, goes, and comes
// back, whichever way the directory hears of it.
func TestReportsFollowTheirManager(t *testing.T) {
	onEach(t, func(w *world) {
		w.app.Mappings.Users = append(without(w.app.Mappings.Users, "title"), mapping.Mapping{Target: "title", Expression: `user.manager`})
		w.app.Provisioning.Filters = []string{`user.manager != "banned"`}
		w.user("ada")
		w.user("bob", "manager", "ada")
		w.group("Engineering", "ada", "bob")
		w.assign("Engineering")
		w.sync()
		title := func(want any) {
			w.t.Helper()
			w.sync()
			if got := w.account("bob")["title"]; got != want {
				w.t.Errorf("bob's title is %v, want %v", got, want)
			}
			w.again()
		}
		title("ada")
		w.set("ada", "userName", "countess")
		title("countess")
		w.set("countess", "userName", "banned")
		w.sync()
		w.active("bob", false)
		w.set("banned", "userName", "ada")
		title("ada")
		w.active("bob", true)

		// By an import, which knows her by a key.
		bring := func(name string) {
			w.t.Helper()
			r, err := w.store.Import(w.t.Context(), records{{Line: 2, Kind: directory.KindUser, Name: name, ExternalID: "a1", Attributes: map[string]any{"userName": name}}}, store.ImportOptions{Source: "hr", Actor: by})
			if err != nil || r.Failed > 0 {
				w.t.Fatalf("%+v, %v", r, err)
			}
		}
		bring("ada")
		bring("lady")
		title("lady")

		// She is deleted, and added again.
		u, err := w.store.UserByName(w.t.Context(), "lady")
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.store.DeleteUser(w.t.Context(), by, u.ID); err != nil {
			w.t.Fatal(err)
		}
		title(nil)
		w.user("lady")
		title("lady")
	})
}

// records is a source of these records.
type records []source.Record

func (list records) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// without is a list of mappings that leaves a target attribute out.
func without(rows []mapping.Mapping, target string) []mapping.Mapping {
	return slices.DeleteFunc(slices.Clone(rows), func(m mapping.Mapping) bool { return m.Target == target })
}
