package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/pgtest"
	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// rows is a source in memory. broken ends it with an error.
type rows struct {
	list   []source.Record
	broken error
}

func (r rows) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		for i, rec := range r.list {
			if rec.Line == 0 {
				rec.Line = i + 2
			}
			if rec.Name == "" {
				rec.Name, _ = rec.Attributes["userName"].(string)
			}
			if rec.Kind == "" {
				rec.Kind = directory.KindUser
			}
			if !yield(rec, nil) {
				return
			}
		}
		if r.broken != nil {
			yield(source.Record{}, r.broken)
		}
	}
}

// fill imports people numbered from one number to another.
func fill(t testing.TB, s *store.Store, from, to int) {
	t.Helper()
	many := made{from: from, to: to}
	if _, err := s.Import(context.Background(), many, store.ImportOptions{Source: "made"}); err != nil {
		t.Fatal(err)
	}
}

// made is a source of made-up people.
type made struct {
	from, to int
	bare     bool // only names
}

func (m made) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		for i := m.from; i < m.to; i++ {
			if m.bare {
				if !yield(named(fmt.Sprint("bare", i)), nil) {
					return
				}
				continue
			}
			boss := fmt.Sprintf("person%06d@example.org", i/10)
			groups := []string{fmt.Sprint("Department ", i%50), "Everyone"}
			rec := source.Record{
				Line: i + 2, Kind: directory.KindUser, Name: fmt.Sprint(i), ExternalID: fmt.Sprint("E", i), Manager: &boss, Groups: &groups,
				Attributes: map[string]any{
					"userName": fmt.Sprintf("person%06d@example.org", i), "name.givenName": "Given" + fmt.Sprint(i), "name.familyName": "Family",
					"emails": fmt.Sprintf("person%06d@example.org", i), "title": "Engineer", "department": fmt.Sprint("Department ", i%50),
				},
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

func yes() *bool { v := true; return &v }
func no() *bool  { v := false; return &v }

func named(name string, more ...any) source.Record {
	rec := source.Record{Attributes: map[string]any{"userName": name}}
	for i := 0; i < len(more); i += 2 {
		switch key := more[i].(string); key {
		case "id":
			rec.ID = more[i+1].(string)
		case "ext":
			rec.ExternalID = more[i+1].(string)
		case "active":
			rec.Active = more[i+1].(*bool)
		case "manager":
			m := more[i+1].(string)
			rec.Manager = &m
		case "managerRef":
			m := more[i+1].(string)
			rec.Manager, rec.ManagerByRef = &m, true
		case "groups":
			g := more[i+1].([]string)
			rec.Groups = &g
		case "ref":
			rec.Ref = more[i+1].(string)
		default:
			rec.Attributes[key] = more[i+1]
		}
	}
	return rec
}

func team(name string, members []source.MemberRef, more ...any) source.Record {
	rec := named("", more...)
	rec.Kind, rec.Name, rec.Attributes = directory.KindGroup, name, map[string]any{"displayName": name}
	if members != nil {
		rec.Members = &members
	}
	return rec
}

// bring imports and asserts the counts "created/updated/unchanged/deactivated/failed". Before, it
// rehearses, which must say the same and write nothing; after, it does the same again, which must
// change nothing.
func bring(t *testing.T, s *store.Store, src source.Source, o store.ImportOptions, want string) store.ImportResult {
	t.Helper()
	ctx := context.Background()
	if o.Source == "" {
		o.Source = "hr"
	}
	counts := func(r store.ImportResult) string {
		return fmt.Sprintf("%d/%d/%d/%d/%d", r.Created, r.Updated, r.Unchanged, r.Deactivated, r.Failed)
	}
	before, err := s.FeedSeq(ctx)
	must(t)(err)
	o.DryRun = true
	rehearsed, err := s.Import(ctx, src, o)
	if err != nil {
		t.Fatalf("rehearsal: %v", err)
	}
	if after, err := s.FeedSeq(ctx); err != nil || after != before {
		t.Errorf("the rehearsal moved the feed from %d to %d, %v", before, after, err)
	}
	o.DryRun = false
	got, err := s.Import(ctx, src, o)
	if err != nil {
		t.Fatalf("import: %v", err)
	}
	if diff := cmp.Diff(rehearsed, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the rehearsal said otherwise (-rehearsal +import):\n%s", diff)
	}
	if counts(got) != want {
		t.Errorf("created/updated/unchanged/deactivated/failed = %s, want %s\n%+v", counts(got), want, got)
	}
	before, err = s.FeedSeq(ctx)
	must(t)(err)
	again, err := s.Import(ctx, src, o)
	must(t)(err)
	if again.Created+again.Updated+again.Deactivated != 0 || again.Failed != got.Failed || again.Guard != got.Guard {
		t.Errorf("the second import is not idle: %s, %+v", counts(again), again)
	}
	if after, err := s.FeedSeq(ctx); err != nil || after != before {
		t.Errorf("the second import wrote %d changes, %v", after-before, err)
	}
	return got
}

// dir is the directory as text: one line for each person who is not deleted.
func dir(t *testing.T, s *store.Store) []string {
	t.Helper()
	lines := []string{}
	page, _, err := s.Users(t.Context(), store.UserQuery{Limit: 10_000})
	must(t)(err)
	names, groups := map[string]string{}, map[string][]string{}
	for _, u := range page {
		names[u.ID] = u.UserName
	}
	for _, row := range contents(t, s, "select m.member_id, g.display_name from members m join groups g on g.id = m.group_id") {
		id, name, _ := strings.Cut(row, " ")
		groups[id] = append(groups[id], name)
	}
	for _, u := range page {
		line := u.UserName
		for _, part := range []string{u.ExternalID, fmt.Sprint(u.Attributes["title"]), names[u.ManagerID], strings.Join(groups[u.ID], "+")} {
			line += "|" + strings.TrimPrefix(part, "<nil>")
		}
		if !u.Active {
			line += "|inactive"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestImport(t *testing.T) {
	t.Parallel()
	type step struct {
		what    string
		records []source.Record
		o       store.ImportOptions
		counts  string
		dir     []string
		errors  []string // parts of the rows' errors, by line
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"clearing and leaving", []step{
			{
				"first",
				[]source.Record{named("ada", "title", "Engineer", "groups", []string{"A", "B"}), named("bob", "title", "Boss")},
				store.ImportOptions{},
				"2/0/0/0/0",
				[]string{"ada||Engineer||A+B", "bob||Boss||"},
				nil,
			},
			{
				"an empty cell clears, an absent column leaves",
				[]source.Record{named("ADA", "title", ""), named("bob", "groups", []string{"A"})},
				store.ImportOptions{},
				"0/2/0/0/0",
				[]string{"ADA||||A+B", "bob||Boss||A"},
				nil,
			},
			{
				"groups are all of them",
				[]source.Record{named("ada", "groups", []string{"b ", "C"}), named("bob", "groups", []string{})},
				store.ImportOptions{},
				"0/2/0/0/0",
				[]string{"ada||||B+C", "bob||Boss||"},
				nil,
			},
		}},
		{"identity", []step{
			{
				"first",
				[]source.Record{named("ada", "ext", "1"), named("bob", "ext", "2"), named("eve")},
				store.ImportOptions{},
				"3/0/0/0/0",
				[]string{"ada|1|||", "bob|2|||", "eve||||"},
				nil,
			},
			{
				"a rename by key",
				[]source.Record{named("ada.lovelace", "ext", "1")},
				store.ImportOptions{},
				"0/1/0/0/0",
				[]string{"ada.lovelace|1|||", "bob|2|||", "eve||||"},
				nil,
			},
			{
				"names are swapped",
				[]source.Record{named("bob", "ext", "1"), named("ada.lovelace", "ext", "2")},
				store.ImportOptions{},
				"0/2/0/0/0",
				[]string{"ada.lovelace|2|||", "bob|1|||", "eve||||"},
				nil,
			},
			{
				"a name moves on, and a new person gets it",
				[]source.Record{named("bob", "ext", "3"), named("robert", "ext", "1")},
				store.ImportOptions{},
				"1/1/0/0/0",
				[]string{"ada.lovelace|2|||", "bob|3|||", "eve||||", "robert|1|||"},
				nil,
			},
			{
				"a new key for a known name",
				[]source.Record{named("eve", "ext", "9"), named("bob", "ext", "33")},
				store.ImportOptions{},
				"0/2/0/0/0",
				[]string{"ada.lovelace|2|||", "bob|33|||", "eve|9|||", "robert|1|||"},
				nil,
			},
			{
				"a name that somebody keeps",
				[]source.Record{named("eve", "ext", "33")},
				store.ImportOptions{},
				"0/0/0/0/1",
				[]string{"ada.lovelace|2|||", "bob|33|||", "eve|9|||", "robert|1|||"},
				[]string{"belongs to another person"},
			},
		}},
		{"one person twice", []step{
			{"new", []source.Record{named("ada"), named("Ada", "title", "x")}, store.ImportOptions{}, "1/0/0/0/1", []string{"ada||||"}, []string{"line 2"}},
			{"by two keys", []source.Record{named("ada", "ext", "1"), named("ada2", "ext", "1")}, store.ImportOptions{}, "0/1/0/0/1", []string{"ada|1|||"}, []string{"line 2"}},
		}},
		{"managers", []step{
			{
				"later in the file, and not at all",
				[]source.Record{named("ada", "manager", "Grace"), named("bob", "manager", "nobody"), named("grace", "manager", "grace")},
				store.ImportOptions{},
				"3/0/0/0/0",
				[]string{"ada|||grace|", "bob||||", "grace|||grace|"},
				nil,
			},
			{
				"in a later file",
				[]source.Record{named("nobody")},
				store.ImportOptions{},
				"1/0/0/0/0",
				[]string{"ada|||grace|", "bob|||nobody|", "grace|||grace|", "nobody||||"},
				nil,
			},
			{
				"by reference",
				[]source.Record{named("ada", "managerRef", "dn=bob"), named("bob", "ref", "dn=bob", "managerRef", "dn=nowhere"), named("grace", "manager", "")},
				store.ImportOptions{},
				"0/2/1/0/0",
				[]string{"ada|||bob|", "bob|||nobody|", "grace||||", "nobody||||"},
				nil,
			},
		}},
		{"bad rows", []step{
			{
				"each alone",
				[]source.Record{{Err: errors.New("the quotes are not closed")}, named("", "title", "x"), named("a\x00b"), named("ok"), named("bad", "emails", true), named("x", "nosuch", "1")},
				store.ImportOptions{},
				"1/0/0/0/5",
				[]string{"ok||||"},
				[]string{"quotes", "needs a userName", "no text", "emails", "unknown attribute"},
			},
		}},
		{"active", []step{
			{"given", []source.Record{named("ada", "active", no()), named("bob", "active", yes()), named("eve")}, store.ImportOptions{}, "3/0/0/0/0", []string{"ada||||" + "|inactive", "bob||||", "eve||||"}, nil},
			{"not given leaves", []source.Record{named("ada"), named("bob")}, store.ImportOptions{}, "0/0/2/0/0", []string{"ada|||||inactive", "bob||||", "eve||||"}, nil},
		}},
		{"full", []step{
			{"first", []source.Record{named("ada"), named("bob"), named("eve", "active", no())}, store.ImportOptions{Full: true}, "3/0/0/0/0", nil, nil},
			{"of another source", []source.Record{named("kim")}, store.ImportOptions{Full: true, Source: "other"}, "1/0/0/0/0", []string{"ada||||", "bob||||", "eve|||||inactive", "kim||||"}, nil},
			{"one is gone", []source.Record{named("ada"), named("eve")}, store.ImportOptions{Full: true}, "0/0/2/1/0", []string{"ada||||", "bob|||||inactive", "eve|||||inactive", "kim||||"}, nil},
			{"and back", []source.Record{named("ada"), named("bob"), named("eve")}, store.ImportOptions{Full: true}, "0/1/2/0/0", []string{"ada||||", "bob||||", "eve|||||inactive", "kim||||"}, nil},
			{"without full", []source.Record{named("ada")}, store.ImportOptions{}, "0/0/1/0/0", []string{"ada||||", "bob||||", "eve|||||inactive", "kim||||"}, nil},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			storetest.ForEach(t, func(t *testing.T, s *store.Store) {
				for _, step := range test.steps {
					got := bring(t, s, rows{list: step.records}, step.o, step.counts)
					if step.dir != nil {
						if diff := cmp.Diff(step.dir, dir(t, s)); diff != "" {
							t.Errorf("%s: directory (-want +got):\n%s", step.what, diff)
						}
					}
					if len(got.Rows) != len(step.errors) {
						t.Errorf("%s: %d failures, want %d: %+v", step.what, len(got.Rows), len(step.errors), got.Rows)
						continue
					}
					for i, part := range step.errors {
						if !strings.Contains(got.Rows[i].Error, part) {
							t.Errorf("%s: line %d says %q, want %q in it", step.what, got.Rows[i].Line, got.Rows[i].Error, part)
						}
					}
				}
			})
		})
	}
}

func TestImportGroups(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ref := func(dns ...string) []source.MemberRef {
			list := []source.MemberRef{}
			for _, dn := range dns {
				list = append(list, source.MemberRef{Ref: dn})
			}
			return list
		}
		members := func(name string) (names []string) {
			g, err := s.GroupByName(t.Context(), name)
			must(t)(err)
			list, _, err := s.Members(t.Context(), store.MemberQuery{Group: g.ID})
			must(t)(err)
			for _, m := range list {
				names = append(names, m.Name)
			}
			return names
		}
		people := []source.Record{named("ada", "ref", "ada"), named("bob", "ref", "bob"), named("eve", "ref", "eve")}
		got := bring(t, s, rows{list: append([]source.Record{
			team("Inner", append(ref("ada", "gone"), source.MemberRef{UserName: "BOB"}, source.MemberRef{UserName: "nobody"}), "ref", "inner"),
			team("Outer", ref("inner", "eve"), "ref", "outer"),
		}, people...)}, store.ImportOptions{}, "5/0/0/0/0")
		if diff := cmp.Diff([]string{"ada", "bob"}, members("inner")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"eve", "Inner"}, members("outer")); diff != "" {
			t.Error(diff)
		}
		if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "2 members") || got.Exit() != 0 {
			t.Errorf("warnings: %v, exit %d", got.Warnings, got.Exit())
		}
		// A group entry is the whole membership; a cycle is left out with its path.
		got = bring(t, s, rows{list: append([]source.Record{team("Inner", ref("eve", "outer"), "ref", "inner"), team("Outer", ref("inner"), "ref", "outer")}, people...)},
			store.ImportOptions{}, "0/2/3/0/0")
		if diff := cmp.Diff([]string{"eve"}, members("inner")); diff != "" {
			t.Error(diff)
		}
		if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "Inner is in Outer is in Inner") {
			t.Errorf("warnings: %v", got.Warnings)
		}
		// Several ways to say who: the first that is known counts. The directory's ids do outside the input.
		ada, err := s.UserByName(t.Context(), "ada")
		must(t)(err)
		kim := named("kim", "managerRef", ada.ID)
		bring(t, s, rows{list: []source.Record{kim, team("Inner", []source.MemberRef{{Ref: "gone", UserName: "nobody", ID: ada.ID}, {UserName: "bob", ID: ada.ID}})}}, store.ImportOptions{}, "1/1/0/0/0")
		if diff := cmp.Diff([]string{"ada", "bob"}, members("inner")); diff != "" {
			t.Error(diff)
		}
		if u, err := s.UserByName(t.Context(), "kim"); err != nil || u.ManagerID != ada.ID {
			t.Errorf("kim's manager is %q, %v", u.ManagerID, err)
		}
		// Two groups of one name, told apart by key; a cell with that name then means neither.
		bring(t, s, rows{list: []source.Record{team("Twins", nil, "ext", "t1"), team("Twins", nil, "ext", "t2")}}, store.ImportOptions{}, "2/0/0/0/0")
		got = bring(t, s, rows{list: []source.Record{named("ada", "groups", []string{"twins"})}}, store.ImportOptions{}, "0/0/0/0/1")
		if !strings.Contains(got.Rows[0].Error, "2 groups are called twins") {
			t.Errorf("%v", got.Rows)
		}
		if _, err := s.GroupByName(t.Context(), "Twins"); !errors.Is(err, store.ErrAmbiguous) {
			t.Errorf("a name of two groups: %v", err)
		}
	})
}

func TestFullImportGuard(t *testing.T) {
	t.Parallel()
	people := func(n int) (list []source.Record) {
		for i := range n {
			list = append(list, named(fmt.Sprint("p", i)))
		}
		return list
	}
	bad := source.Record{Err: errors.New("unreadable"), Line: 900}
	for _, test := range []struct {
		name   string
		src    rows
		allow  bool
		counts string
		guard  string
	}{
		{"ten per cent", rows{list: people(90)}, false, "0/0/90/10/0", ""},
		{"more", rows{list: people(89)}, false, "0/0/89/0/0", "11 of 100"},
		{"more, allowed", rows{list: people(89)}, true, "0/0/89/11/0", ""},
		{"a bad row", rows{list: append(people(99), bad)}, false, "0/0/99/0/1", "1 records"},
		{"a bad row and nobody gone", rows{list: append(people(100), bad)}, false, "0/0/100/0/1", ""},
		{"empty", rows{}, false, "0/0/0/0/0", "empty"},
		{"empty, allowed", rows{}, true, "0/0/0/100/0", ""},
		{"broken off", rows{list: people(99), broken: errors.New("the disk is gone")}, true, "0/0/99/0/0", "to its end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			storetest.ForEach(t, func(t *testing.T, s *store.Store) {
				bring(t, s, rows{list: people(100)}, store.ImportOptions{}, "100/0/0/0/0")
				got := bring(t, s, test.src, store.ImportOptions{Full: true, AllowRemovals: test.allow}, test.counts)
				if (got.Guard == "") != (test.guard == "") || !strings.Contains(got.Guard, test.guard) {
					t.Errorf("guard says %q, want %q in it", got.Guard, test.guard)
				}
				if want := map[bool]int{true: 0, false: 4}[test.guard == "" && got.Failed == 0]; got.Exit() != want {
					t.Errorf("exit %d, want %d", got.Exit(), want)
				}
			})
		})
	}
	t.Run("few", func(t *testing.T) {
		t.Parallel()
		s := storetest.Open(t, store.Config{Data: t.TempDir()})
		bring(t, s, rows{list: people(8)}, store.ImportOptions{}, "8/0/0/0/0")
		bring(t, s, rows{list: people(4)}, store.ImportOptions{Full: true}, "0/0/4/4/0")
	})
}

// An import that is killed leaves whole slices; another one ends right.
func TestImportKilledAndRunAgain(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx, kill := context.WithCancel(t.Context())
		_, err := s.Import(ctx, made{to: 1500}, store.ImportOptions{Source: "made", Progress: func(n int) {
			if n >= 1000 {
				kill()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("not killed: %v", err)
		}
		bring(t, s, made{to: 1500}, store.ImportOptions{Source: "made"}, "500/0/1000/0/0")
		fresh := storetest.Open(t, store.Config{Data: t.TempDir()})
		fill(t, fresh, 0, 1500)
		if diff := cmp.Diff(dir(t, fresh), dir(t, s)); diff != "" {
			t.Errorf("the directory differs from one import at a stroke:\n%s", diff)
		}
	})
}

// What an import tells the feed is exactly who changed.
func TestImportFeedsChanges(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		first := []source.Record{named("ada", "groups", []string{"Inner"}), named("bob"), named("eve")}
		bring(t, s, rows{list: first}, store.ImportOptions{}, "3/0/0/0/0")
		names := map[string]string{}
		for _, n := range []string{"ada", "bob", "eve"} {
			u, err := s.UserByName(t.Context(), n)
			must(t)(err)
			names[u.ID] = n
		}
		inner, err := s.GroupByName(t.Context(), "inner")
		must(t)(err)
		outer := group(t, s, "Outer", groups(inner.ID)...)
		names[inner.ID], names[outer] = "inner", "outer"
		got := news(t, s, names, func() {
			_, err := s.Import(t.Context(), rows{list: []source.Record{named("ada", "groups", []string{}), named("bob", "groups", []string{"Inner"}), named("eve")}}, store.ImportOptions{Source: "hr"})
			must(t)(err)
		})
		want := []string{"members inner ada", "members inner bob", "members outer ada", "members outer bob", "user ada", "user bob"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("feed (-want +got):\n%s", diff)
		}
	})
}

// A rehearsal works beside the writer that has the data directory.
func TestRehearsalOnReader(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		w := storetest.Open(t, c)
		person(t, w, "ada")
		c.ReadOnly = true
		r := storetest.Open(t, c)
		got, err := r.Import(t.Context(), rows{list: []source.Record{named("ada", "title", "x"), named("bob")}}, store.ImportOptions{Source: "hr", DryRun: true, Verbose: true})
		must(t)(err)
		var statuses []string
		for _, row := range got.Rows {
			statuses = append(statuses, row.Name+" "+row.Status)
		}
		if !slices.Equal(statuses, []string{"ada updated", "bob created"}) {
			t.Errorf("%v", statuses)
		}
		if _, err := r.Import(t.Context(), rows{list: []source.Record{named("bob")}}, store.ImportOptions{Source: "hr"}); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("a reader imports: %v", err)
		}
	})
}

func BenchmarkImport(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for _, what := range []string{"first", "again", "rehearsed"} {
			b.Run(fmt.Sprintf("%d/%s", n, what), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					s := storetest.Open(b, store.Config{Data: b.TempDir()})
					if what != "first" {
						fill(b, s, 0, n)
					}
					b.StartTimer()
					_, err := s.Import(b.Context(), made{to: n}, store.ImportOptions{Source: "made", DryRun: what == "rehearsed"})
					if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "people/s")
			})
		}
	}
}

func BenchmarkImportPostgres(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := storetest.Open(b, store.Config{Database: pgtest.Database(b)})
		b.StartTimer()
		fill(b, s, 0, 10_000)
	}
	b.ReportMetric(10_000*float64(b.N)/b.Elapsed().Seconds(), "people/s")
}

// However a source hands names from one person to another, in whatever order it tells of it, each
// key has its name at the end, nobody is doubled and nothing fails.
func TestImportMovesNames(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		rapid.Check(t, func(rt *rapid.T) {
			const n = 6
			run := newName()
			record := func(key, name int) source.Record {
				return named(fmt.Sprintf("%s-%d", run, name), "ext", fmt.Sprintf("%s-%d", run, key))
			}
			names := make([]int, n+3) // some names are nobody's yet
			for i := range names {
				names[i] = i
			}
			var first, second []source.Record
			for key := range n {
				first = append(first, record(key, key))
			}
			after := rapid.Permutation(names).Draw(rt, "names")
			want := map[string]string{}
			for _, key := range rapid.Permutation(names[:n+1]).Draw(rt, "order") { // one key is new
				rec := record(key, after[key])
				want[rec.ExternalID] = rec.Attributes["userName"].(string)
				second = append(second, rec)
			}
			for _, list := range [][]source.Record{first, second} {
				got, err := s.Import(context.Background(), rows{list: list}, store.ImportOptions{Source: "hr"})
				if err != nil || got.Failed > 0 {
					rt.Fatalf("%v %+v", err, got)
				}
			}
			page, _, err := s.Users(context.Background(), store.UserQuery{Search: run, Limit: 100})
			if err != nil {
				rt.Fatal(err)
			}
			have := map[string]string{}
			for _, u := range page {
				have[u.ExternalID] = u.UserName
			}
			if diff := cmp.Diff(want, have); diff != "" {
				rt.Fatalf("names by key (-want +got):\n%s", diff)
			}
		})
	})
}

// TestImportWarnsOfMissingManagers checks that whoever names a manager that nobody is hears of it, and
// only they: once the manager is there, there is nothing to say.
func TestImportWarnsOfMissingManagers(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		got := bring(t, s, rows{list: []source.Record{named("ada", "manager", "bob"), named("bob"), named("eve", "manager", "Nobody")}}, store.ImportOptions{}, "3/0/0/0/0")
		if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "manager of eve, nobody,") || got.Exit() != 0 {
			t.Errorf("warnings %q, exit %d", got.Warnings, got.Exit())
		}
		got = bring(t, s, rows{list: []source.Record{named("ada", "manager", "gone"), named("eve", "manager", "nobody")}}, store.ImportOptions{}, "0/1/1/0/0")
		if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "2 people") || !strings.Contains(got.Warnings[0], "first ada (gone)") {
			t.Errorf("warnings %q", got.Warnings)
		}
		if got = bring(t, s, rows{list: []source.Record{named("nobody")}}, store.ImportOptions{}, "1/0/0/0/0"); len(got.Warnings) != 0 {
			t.Errorf("warnings %q of an input that names no manager", got.Warnings)
		}
	})
}

// An import that is ended early has changed people; the audit log says so, and how many.
func TestImportEndedEarlyIsAudited(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, store.Config{Data: t.TempDir()})
	ctx, end := context.WithCancel(t.Context())
	boss := "nobody@example.org" // of some the manager is still to come
	people := rows{list: make([]source.Record, 1500)}
	for i := range people.list {
		people.list[i] = named(fmt.Sprint("person", i))
		if i%2 == 0 {
			people.list[i].Manager = &boss
		}
	}
	_, err := s.Import(ctx, people, store.ImportOptions{Source: "hr", Actor: store.Actor{Name: "ada", Via: "cli"}, Progress: func(int) { end() }})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the import ends with %v", err)
	}
	list, err := s.AuditLog(t.Context(), store.AuditQuery{Action: "import"})
	if err != nil || len(list) != 1 {
		t.Fatalf("the audit log has %v, %v", list, err)
	}
	if got := list[0].After; got["created"] != 1000.0 || got["incomplete"] != true {
		t.Errorf("the audit log says %v of 1,000 people who came in", got)
	}
}

// TestTakenOver: an import tells that it takes over what another source brought. Silently, two sources that know a group by
// one name would each make the other's people leave.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		here := []source.Record{named("ada"), named("bob"), team("All", []source.MemberRef{{UserName: "ada"}, {UserName: "bob"}})}
		there := []source.Record{named("ADA"), named("eve"), team("All", []source.MemberRef{{UserName: "eve"}})}
		if r := bring(t, s, rows{list: here}, store.ImportOptions{Source: "a"}, "3/0/0/0/0"); len(r.Warnings) != 0 {
			t.Errorf("the first import warns: %q", r.Warnings)
		}
		r := bring(t, s, rows{list: there}, store.ImportOptions{Source: "b"}, "1/2/0/0/0")
		want := []string{
			"people whom source a brought and who are b's from now on: 1, first ADA; a full import of b that lacks them deactivates them",
			"groups of source a that are b's from now on: 1, first All; an input that names their members replaces them, so let one source have each group",
		}
		if diff := cmp.Diff(want, r.Warnings); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
		if r := bring(t, s, rows{list: there}, store.ImportOptions{Source: "b"}, "0/0/3/0/0"); len(r.Warnings) != 0 {
			t.Errorf("the same again warns: %q", r.Warnings)
		}
	})
}
