package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

var admin = store.Actor{Name: "root", Via: "cli"}

// person adds a user and returns the id.
func person(t testing.TB, s *store.Store, name string, more ...directory.Edit) string {
	t.Helper()
	e := directory.Edit{"userName": name}
	for _, m := range more {
		for k, v := range m {
			e[k] = v
		}
	}
	u, err := s.CreateUser(context.Background(), admin, store.UserEdit{Attributes: e})
	if err != nil {
		t.Fatalf("creating %s: %v", name, err)
	}
	return u.ID
}

func group(t testing.TB, s *store.Store, name string, members ...directory.Member) string {
	t.Helper()
	g, err := s.CreateGroup(context.Background(), admin, store.GroupEdit{Attributes: directory.Edit{"displayName": name}})
	if err != nil {
		t.Fatalf("creating group %s: %v", name, err)
	}
	if _, err := s.EditMembers(context.Background(), admin, g.ID, members, nil); err != nil {
		t.Fatalf("adding members to %s: %v", name, err)
	}
	return g.ID
}

func users(ids ...string) (members []directory.Member) {
	for _, id := range ids {
		members = append(members, directory.Member{Kind: directory.KindUser, ID: id})
	}
	return members
}

func groups(ids ...string) (members []directory.Member) {
	for _, id := range ids {
		members = append(members, directory.Member{Kind: directory.KindGroup, ID: id})
	}
	return members
}

// news returns what do adds to the feed, sorted, as "type object member", with ids replaced by names.
func news(t *testing.T, s *store.Store, names map[string]string, do func()) []string {
	t.Helper()
	before, err := s.FeedSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do()
	changes, _, err := s.Changes(t.Context(), before, 1000)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, c := range changes {
		name := func(id string) string {
			if n, ok := names[id]; ok {
				return n
			}
			return id
		}
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Type, name(c.Object), name(c.Member))))
	}
	slices.Sort(list)
	return list
}

func must(t *testing.T) func(error) {
	return func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestUserLifeFeedsChanges(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		boss := person(t, s, "boss")
		ada := person(t, s, "ada", directory.Edit{"title": "Engineer", "emails": "ada@example.org"})
		names := map[string]string{boss: "boss", ada: "ada"}
		name := "boss"
		edit := func(e directory.Edit) func() {
			return func() {
				_, _, err := s.UpdateUser(ctx, admin, ada, store.UserEdit{Attributes: e})
				must(t)(err)
			}
		}
		eng := group(t, s, "Engineering", users(ada)...)
		all := group(t, s, "Everyone", groups(eng)...)
		names[eng], names[all] = "eng", "all"
		steps := []struct {
			what string
			do   func()
			want []string
		}{
			{"a title", edit(directory.Edit{"title": "Manager"}), []string{"user ada"}},
			{"the same title", edit(directory.Edit{"title": "Manager", "emails": []any{map[string]any{"value": "ada@example.org", "type": "work", "primary": true}}}), []string{}},
			{"inactive", edit(directory.Edit{"active": "false"}), []string{"user ada"}},
			{"a manager", func() {
				_, _, err := s.UpdateUser(ctx, admin, ada, store.UserEdit{Manager: &name})
				must(t)(err)
			}, []string{"user ada"}},
			{"deleting", func() { must(t)(s.DeleteUser(ctx, admin, ada)) }, []string{"members all ada", "members eng ada", "user ada"}},
			{"deleting again", func() { must(t)(s.DeleteUser(ctx, admin, ada)) }, []string{}},
			{"restoring", func() { must(t)(s.RestoreUser(ctx, admin, ada)) }, []string{"members all ada", "members eng ada", "user ada"}},
			{"deleting the manager", func() { must(t)(s.DeleteUser(ctx, admin, boss)) }, []string{"user ada", "user boss"}},
			{"renaming the group", func() {
				_, _, err := s.UpdateGroup(ctx, admin, eng, store.GroupEdit{Attributes: directory.Edit{"displayName": "R&D"}})
				must(t)(err)
			}, []string{"group eng", "user ada"}},
			{"deleting the group", func() { must(t)(s.DeleteGroup(ctx, admin, eng)) }, []string{"group eng", "members all", "members eng", "user ada"}},
			{"restoring the group", func() { must(t)(s.RestoreGroup(ctx, admin, eng)) }, []string{"group eng", "members all", "members eng", "members eng ada", "user ada"}},
			{"purging", func() { must(t)(s.PurgeUser(ctx, admin, ada)) }, []string{"members all ada", "members eng ada", "user ada"}},
		}
		for _, step := range steps {
			if diff := cmp.Diff(step.want, news(t, s, names, step.do)); diff != "" {
				t.Errorf("%s: feed (-want +got):\n%s", step.what, diff)
			}
		}
		if _, err := s.User(ctx, ada); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a purged user is still there: %v", err)
		}
	})
}

func TestFindByName(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ada := person(t, s, "Ada", directory.Edit{"emails": "ada@example.org"})
		person(t, s, "ada@example.org")
		bob := person(t, s, "bob", directory.Edit{"emails": "Robert@Example.org"})
		for _, name := range []string{"BOB", "robert@example.ORG", bob, " bob "} {
			if u, err := s.UserByName(t.Context(), name); err != nil || u.ID != bob {
				t.Errorf("%q is %v, %v", name, u.UserName, err)
			}
		}
		if u, err := s.UserByName(t.Context(), "ada"); err != nil || u.ID != ada {
			t.Errorf("ada is %v, %v", u, err)
		}
		if _, err := s.UserByName(t.Context(), "ada@example.org"); !errors.Is(err, store.ErrAmbiguous) || !strings.Contains(err.Error(), ada) {
			t.Errorf("a name of two: %v", err)
		}
		if _, err := s.UserByName(t.Context(), "bbo"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
		if _, err := s.UserByName(t.Context(), "bobb"); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "did you mean bob?") {
			t.Errorf("no hint: %v", err)
		}
		for _, strange := range []string{"", "\x00", "\xff", "%", `\`, "'; drop table users"} {
			if _, err := s.UserByName(t.Context(), strange); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%q: %v", strange, err)
			}
		}
		if _, err := s.CreateUser(t.Context(), admin, store.UserEdit{Attributes: directory.Edit{"userName": "BOB"}}); !errors.Is(err, store.ErrExists) {
			t.Errorf("a second bob: %v", err)
		}
	})
}

func TestManagersWhoComeLater(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx, name := t.Context(), "Grace@example.org"
		u, err := s.CreateUser(ctx, admin, store.UserEdit{Attributes: directory.Edit{"userName": "ada"}, Manager: &name})
		must(t)(err)
		if u.ManagerID != "" {
			t.Fatalf("ada has the manager %s, who is not there", u.ManagerID)
		}
		grace := ""
		got := news(t, s, map[string]string{u.ID: "ada"}, func() { grace = person(t, s, "grace", directory.Edit{"emails": "grace@example.org"}) })
		if !slices.Contains(got, "user ada") {
			t.Errorf("the feed does not tell that ada has a manager now: %v", got)
		}
		doc, err := s.UserResource(ctx, u.ID)
		must(t)(err)
		want := map[string]any{"value": grace, "displayName": "grace"}
		if diff := cmp.Diff(want, doc[directory.Enterprise].(map[string]any)["manager"]); diff != "" {
			t.Errorf("manager (-want +got):\n%s", diff)
		}
		none := ""
		u, changed, err := s.UpdateUser(ctx, admin, u.ID, store.UserEdit{Manager: &none})
		if err != nil || !changed || u.ManagerID != "" {
			t.Errorf("clearing the manager: %v %v %v", u.ManagerID, changed, err)
		}
	})
}

func TestWhoeverComesBackIsTheSame(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ada := person(t, s, "ada", directory.Edit{"title": "Engineer"})
		must(t)(s.DeleteUser(t.Context(), admin, ada))
		if again := person(t, s, "ADA"); again != ada {
			t.Errorf("ada came back as %s, was %s", again, ada)
		}
		bob := person(t, s, "bob", directory.Edit{"externalId": "1"})
		must(t)(s.DeleteUser(t.Context(), admin, bob))
		if other := person(t, s, "bob", directory.Edit{"externalId": "2"}); other == bob {
			t.Error("another bob got the first one's id")
		}
		if err := s.RestoreUser(t.Context(), admin, bob); !errors.Is(err, store.ErrExists) {
			t.Errorf("restoring a bob beside another: %v", err)
		}
	})
}

func TestGroupCyclesAreRefusedWithThePath(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		c := group(t, s, "C")
		b := group(t, s, "B", groups(c)...)
		a := group(t, s, "A", groups(b)...)
		for _, try := range []struct {
			into, member string
			path         string
		}{
			{c, a, "C is in B is in A is in C"},
			{c, b, "C is in B is in C"},
			{c, c, "C is in C"},
		} {
			_, err := s.EditMembers(t.Context(), admin, try.into, groups(try.member), nil)
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), try.path) {
				t.Errorf("want %q, got %v", try.path, err)
			}
		}
		if _, err := s.EditMembers(t.Context(), admin, a, groups(c), nil); err != nil {
			t.Errorf("two ways to one group are no cycle: %v", err)
		}
	})
}

func TestPages(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		var want []string
		for i := range 25 {
			name := fmt.Sprintf("user%02d", i)
			want = append(want, name)
			person(t, s, name, directory.Edit{"name.familyName": fmt.Sprintf("100%%_%d", i%5)})
		}
		var got []string
		q := store.UserQuery{Limit: 7}
		for {
			page, next, err := s.Users(t.Context(), q)
			must(t)(err)
			for _, u := range page {
				got = append(got, u.UserName)
			}
			if q.After = next; next == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("all pages (-want +got):\n%s", diff)
		}
		for text, want := range map[string]int{"100%_3": 5, "100%": 25, "3 USER0": 2, "00%": 0, "_": 25, "user0 user1": 0, "100%_3 user": 5} {
			page, _, err := s.Users(t.Context(), store.UserQuery{Search: text})
			if err != nil || len(page) != want {
				t.Errorf("a search for %q found %d, want %d: %v", text, len(page), want, err)
			}
		}
		if _, _, err := s.Users(t.Context(), store.UserQuery{After: "nonsense"}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a made-up place: %v", err)
		}
	})
}

// The closure that the store computes, and what it tells the feed, against a model in maps: whoever
// follows the feed knows at every moment who belongs where.
func TestMembershipModel(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		rapid.Check(t, func(rt *rapid.T) {
			run := fmt.Sprint(rapid.Uint64().Draw(rt, "run"))
			var people, teams []string
			for i := range 3 {
				people = append(people, person(t, s, fmt.Sprintf("p%d-%s-%s", i, run, newName())))
				teams = append(teams, group(t, s, fmt.Sprintf("g%d-%s-%s", i, run, newName())))
			}
			direct := map[[2]string]bool{} // group, member
			var belongs func(user, group string) bool
			belongs = func(user, group string) bool {
				if direct[[2]string{group, user}] {
					return true
				}
				return slices.ContainsFunc(teams, func(g string) bool { return direct[[2]string{group, g}] && belongs(user, g) })
			}
			follower := map[[2]string]bool{} // who the follower of the feed believes is in which group
			seq, err := s.FeedSeq(ctx)
			if err != nil {
				rt.Fatal(err)
			}
			for range rapid.IntRange(1, 8).Draw(rt, "steps") {
				into := rapid.SampledFrom(teams).Draw(rt, "group")
				member := users(rapid.SampledFrom(people).Draw(rt, "user"))
				if rapid.Bool().Draw(rt, "nest") {
					member = groups(rapid.SampledFrom(teams).Draw(rt, "nested"))
				}
				edge := [2]string{into, member[0].ID}
				if rapid.Bool().Draw(rt, "remove") {
					if _, err := s.EditMembers(ctx, store.Actor{}, into, nil, member); err != nil {
						rt.Fatal(err)
					}
					delete(direct, edge)
				} else if _, err := s.EditMembers(ctx, store.Actor{}, into, member, nil); err == nil {
					direct[edge] = true
				} else if !errors.Is(err, store.ErrInvalid) {
					rt.Fatal(err)
				}
				changes, last, err := s.Changes(ctx, seq, 1000)
				if err != nil {
					rt.Fatal(err)
				}
				seq = last
				for _, c := range changes {
					for _, p := range people {
						for _, g := range teams {
							if c.Type == store.ChangedMembers && c.Object == g && (c.Member == "" || c.Member == p) {
								follower[[2]string{g, p}] = belongs(p, g)
							}
						}
					}
				}
				for _, p := range people {
					have, err := s.GroupsOf(ctx, p, true)
					if err != nil {
						rt.Fatal(err)
					}
					for _, g := range teams {
						in := slices.ContainsFunc(have, func(m directory.Member) bool { return m.ID == g })
						if in != belongs(p, g) {
							rt.Fatalf("%s in %s: store says %v", p, g, in)
						}
						if follower[[2]string{g, p}] != in {
							rt.Fatalf("%s in %s is %v, and the feed did not tell", p, g, in)
						}
					}
				}
			}
		})
	})
}

// newName returns a word that no other call returns: the cases of a property share a database.
func newName() string { return strings.ToLower(rand.Text()) }

// together runs several functions at once and returns how many of them succeeded; the others must
// have been refused with the kind.
func together(t *testing.T, kind store.Kind, fns ...func() error) (n int) {
	t.Helper()
	errs := make(chan error, len(fns))
	for _, fn := range fns {
		go func() { errs <- fn() }()
	}
	for range fns {
		if err := <-errs; err == nil {
			n++
		} else if !errors.Is(err, kind) {
			t.Errorf("refused with %v, want %s", err, kind)
		}
	}
	return n
}

func TestRivalsSeeEachOther(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for round := range 5 {
			var users, teams []func() error
			for range 6 {
				users = append(users, func() error {
					_, err := s.CreateUser(ctx, admin, store.UserEdit{Attributes: directory.Edit{"userName": fmt.Sprint("same", round)}})
					return err
				})
				teams = append(teams, func() error {
					_, err := s.CreateGroup(ctx, admin, store.GroupEdit{Attributes: directory.Edit{"displayName": fmt.Sprint("Same ", round)}})
					return err
				})
			}
			if n := together(t, store.ErrExists, users...); n != 1 {
				t.Errorf("%d users of one name", n)
			}
			if n := together(t, store.ErrExists, teams...); n != 1 {
				t.Errorf("%d groups of one name", n)
			}
			// Three groups that are put into each other at once: the last edge would close the ring.
			var ids []string
			for i := range 3 {
				ids = append(ids, group(t, s, fmt.Sprintf("Ring %d.%d", round, i)))
			}
			var nest []func() error
			for i := range ids {
				nest = append(nest, func() error {
					_, err := s.EditMembers(ctx, admin, ids[i], groups(ids[(i+1)%3]), nil)
					return err
				})
			}
			if n := together(t, store.ErrInvalid, nest...); n != 2 {
				t.Errorf("%d edges of a ring of three", n)
			}
		}
	})
}

// Edits of one person at once are all there at the end: none writes back what it read before
// another's.
func TestEditsDoNotOverwriteEachOther(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ada := person(t, s, "ada")
		var edits []func() error
		for i := range 10 {
			edits = append(edits, func() error {
				_, _, err := s.UpdateUser(t.Context(), admin, ada, store.UserEdit{Attributes: directory.Edit{fmt.Sprint("custom.n", i): "x"}})
				return err
			})
		}
		if n := together(t, "", edits...); n != 10 {
			t.Errorf("%d of 10 edits", n)
		}
		u, err := s.User(t.Context(), ada)
		must(t)(err)
		if n := len(u.Attributes[directory.Custom].(map[string]any)); n != 10 {
			t.Errorf("%d of 10 edits are left", n)
		}
	})
}
