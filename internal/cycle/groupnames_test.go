package cycle_test

import (
	"testing"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/store"
)

// What is worked out from the names of somebody's groups follows whatever happens to these: renamed, nested, deleted,
// restored, near and far, by hand and by an import.
func TestNamesOfGroupsAreFollowed(t *testing.T) {
	onEach(t, func(w *world) {
		w.app.Provisioning.Scope = "all"
		w.app.Mappings.Users = append(without(w.app.Mappings.Users, "title"), mapping.Mapping{Target: "title", Expression: `join(user.groups, "+")`})
		w.user("ada")
		inner := w.group("Inner", "ada")
		outer := w.group("Outer")
		w.save()
		w.sync()
		title := func(what string, want any) {
			w.t.Helper()
			w.sync()
			if got := w.account("ada")["title"]; got != want {
				w.t.Errorf("%s: ada's title is %v, want %v", what, got, want)
			}
			w.again()
		}
		rename := func(g directory.Group, name string) {
			w.t.Helper()
			if _, _, err := w.store.UpdateGroup(w.t.Context(), by, g.ID, groupNamed(name)); err != nil {
				w.t.Fatal(err)
			}
		}
		title("joined", "Inner")
		w.join("Outer", "Inner")
		title("nested", "Inner+Outer")
		rename(outer, "Beyond")
		title("far renamed", "Beyond+Inner")
		rename(inner, "Core")
		title("near renamed", "Beyond+Core")
		if err := w.store.DeleteGroup(w.t.Context(), by, outer.ID); err != nil {
			w.t.Fatal(err)
		}
		title("far deleted", "Core")
		if err := w.store.RestoreGroup(w.t.Context(), by, outer.ID); err != nil {
			w.t.Fatal(err)
		}
		title("far restored", "Beyond+Core")
		w.leave("Beyond", "Core")
		title("taken out", "Core")
		bring := func(r source.Record) {
			w.t.Helper()
			r.Kind, r.Line = directory.KindGroup, 2
			got, err := w.store.Import(w.t.Context(), records{r}, store.ImportOptions{Source: "hr", Actor: by})
			if err != nil || got.Failed > 0 {
				w.t.Fatalf("%+v, %v", got, err)
			}
		}
		bring(source.Record{Name: "Core", ExternalID: "g1", Attributes: map[string]any{"displayName": "Core"}})
		bring(source.Record{Name: "Heart", ExternalID: "g1", Attributes: map[string]any{"displayName": "Heart"}})
		title("renamed by an import", "Heart")
		members := []source.MemberRef{{ID: inner.ID}}
		bring(source.Record{Name: "Beyond", Attributes: map[string]any{"displayName": "Beyond"}, Members: &members})
		title("nested by an import", "Beyond+Heart")
	})
}
