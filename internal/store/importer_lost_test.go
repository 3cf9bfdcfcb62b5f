package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// A group's record names its members by what their own records are called. Where such a record is missing, could not be
// read, or comes after the place where the input broke off, nobody can tell whom the group means: whoever may be
// meant stays. Whose record is there and who is not named goes all the same.
func TestImportKeepsMembersWhomItCannotTell(t *testing.T) {
	t.Parallel()
	dn := func(names ...string) []source.MemberRef {
		list := []source.MemberRef{}
		for _, name := range names {
			list = append(list, source.MemberRef{Ref: "uid=" + name})
		}
		return list
	}
	person := func(name string) source.Record { return named(name, "ref", "uid="+name) }
	unreadable := func(name string) source.Record {
		return source.Record{Name: "uid=" + name, Err: errors.New("the base64 is broken")}
	}
	byName := func(names ...string) []source.MemberRef {
		list := []source.MemberRef{}
		for _, name := range names {
			list = append(list, source.MemberRef{UserName: name})
		}
		return list
	}
	for _, c := range []struct {
		name    string
		input   rows
		counts  string
		members []string
		warns   string // "" for no warning of members who stay
	}{
		{"whole", rows{list: []source.Record{team("Club", dn("ada", "bob")), person("ada"), person("bob"), person("eve")}}, "0/1/3/0/0", []string{"ada", "bob"}, ""},
		{"a record that cannot be read", rows{list: []source.Record{team("Club", dn("ada", "bob")), person("ada"), unreadable("bob"), person("eve")}}, "0/1/2/0/1", []string{"ada", "bob"}, "does not name: 1;"},
		{"groups alone", rows{list: []source.Record{team("Club", dn("ada", "bob", "eve"))}}, "0/0/1/0/0", []string{"ada", "bob", "eve"}, "does not name: 3;"},
		{"broken off", rows{list: []source.Record{team("Club", dn("ada", "bob", "eve")), person("ada")}, broken: errors.New("cut off")}, "0/0/2/0/0", []string{"ada", "bob", "eve"}, "does not name: 2;"},
		{"somebody who is nowhere", rows{list: []source.Record{team("Club", dn("ada", "admin")), person("ada"), person("bob"), person("eve")}}, "0/1/3/0/0", []string{"ada"}, ""},
		{"by userName", rows{list: []source.Record{team("Club", byName("ada", "root"))}}, "0/1/0/0/0", []string{"ada"}, ""},
		{"by userName, and a record cannot be read", rows{list: []source.Record{team("Club", byName("ada", "robert")), person("ada"), unreadable("robert"), person("eve")}}, "0/1/2/0/1", []string{"ada", "bob"}, "does not name: 1;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			storetest.ForEach(t, func(t *testing.T, s *store.Store) {
				bring(t, s, rows{list: []source.Record{person("ada"), person("bob"), person("eve"), team("Club", dn("ada", "bob", "eve"))}}, store.ImportOptions{}, "4/0/0/0/0")
				got := bring(t, s, c.input, store.ImportOptions{}, c.counts)
				g, err := s.GroupByName(t.Context(), "Club")
				must(t)(err)
				list, _, err := s.Members(t.Context(), store.MemberQuery{Group: g.ID})
				must(t)(err)
				var names []string
				for _, m := range list {
					names = append(names, m.Name)
				}
				if diff := cmp.Diff(c.members, names); diff != "" {
					t.Errorf("members (-want +got):\n%s", diff)
				}
				told := ""
				for _, w := range got.Warnings {
					if strings.Contains(w, "members kept") {
						told = w
					}
				}
				if (c.warns == "") != (told == "") || !strings.Contains(told, c.warns) {
					t.Errorf("warned %q, want %q", told, c.warns)
				}
			})
		})
	}
}

// Whoever is refused because another record of the input has the same name is nobody: not a member and not a manager.
func TestImportRefusedNewcomerIsNobody(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		input := rows{list: []source.Record{
			named("ada", "ext", "1", "ref", "one"), named("ada", "ext", "2", "ref", "two"), named("bob", "manager", "ada"), named("eve", "managerRef", "two"),
			team("Club", []source.MemberRef{{Ref: "one"}, {Ref: "two"}}),
		}}
		bring(t, s, input, store.ImportOptions{}, "4/0/0/0/1")
		ada, err := s.UserByName(t.Context(), "ada")
		must(t)(err)
		if rows := contents(t, s, "select member_id from members"); fmt.Sprint(rows) != fmt.Sprint([]string{ada.ID}) {
			t.Errorf("members are %v, want %s alone", rows, ada.ID)
		}
		for name, manager := range map[string]string{"bob": ada.ID, "eve": ""} {
			if u, err := s.UserByName(t.Context(), name); err != nil || u.ManagerID != manager {
				t.Errorf("%s's manager is %q, want %q, %v", name, u.ManagerID, manager, err)
			}
		}
		// Both new, and both kept back to the end for a name that its holder gives up.
		bring(t, s, rows{list: []source.Record{named("kim", "ext", "9")}}, store.ImportOptions{}, "1/0/0/0/0")
		bring(t, s, rows{list: []source.Record{
			named("kim", "ext", "10", "ref", "ten"), named("kim", "ext", "11", "ref", "eleven"), named("kim2", "ext", "9"), named("leo", "manager", "kim"),
			team("Club", []source.MemberRef{{Ref: "ten"}, {Ref: "eleven"}}),
		}}, store.ImportOptions{}, "2/2/0/0/1")
		kim, err := s.UserByName(t.Context(), "kim")
		must(t)(err)
		// Ada stays: she may be who could not be told.
		if rows := contents(t, s, "select member_id from members order by member_id"); fmt.Sprint(rows) != fmt.Sprint([]string{ada.ID, kim.ID}) {
			t.Errorf("members are %v, want %s and %s", rows, ada.ID, kim.ID)
		}
		if u, err := s.UserByName(t.Context(), "leo"); err != nil || u.ManagerID != kim.ID {
			t.Errorf("leo's manager is %q, want %q, %v", u.ManagerID, kim.ID, err)
		}
	})
}

// Whoever a record names is not gone, even if the record cannot be used and removals are allowed.
func TestFullImportSparesWhomAnUnusableRecordNames(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		bring(t, s, rows{list: []source.Record{named("ada"), named("bob"), named("cleo", "ext", "c1"), named("eve")}}, store.ImportOptions{}, "4/0/0/0/0")
		bad := func(name string) source.Record {
			return source.Record{Name: name, Err: errors.New("column active: wants true or false")}
		}
		bring(t, s, rows{list: []source.Record{named("ada"), bad("BOB"), bad("c1")}}, store.ImportOptions{Full: true, AllowRemovals: true}, "0/0/1/1/2")
		for name, active := range map[string]bool{"ada": true, "bob": true, "cleo": true, "eve": false} {
			if u, err := s.UserByName(t.Context(), name); err != nil || u.Active != active {
				t.Errorf("%s is active: %t, want %t, %v", name, u.Active, active, err)
			}
		}
	})
}
