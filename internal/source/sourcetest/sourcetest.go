// Package sourcetest is the suite that every source passes: what package store relies on when it reads records, told by one company
// in the format's own words. It is for tests alone. Start at [Run].
package sourcetest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
)

// Format is one format under test.
type Format struct {
	New func(io.Reader) source.Source
	// Company tells in the format of three people and, where the format has groups, of one:
	// ada (Ada Lovelace, ada@example.org, title Countess, department R&D, manager grace) and 李雷 (given name 雷, no title) in the group
	// Engineering, and grace, who is not. Grace, who has a title and no manager, stands last.
	Company string
	Groups  bool // whether the format has groups as records
	// Bad is a piece that is not a usable record, to be put before the last person.
	Bad string
	// Last is where grace begins in Company: the text that her record starts with.
	Last string
	// Head and Person make a large input: Head once, then Person for each number from 0. Between is put between two, Tail at the end.
	Head, Between, Tail string
	Person              func(i int) string
}

// Run holds a format to the contract of [source.Source].
func Run(t *testing.T, f Format) {
	t.Run("company", func(t *testing.T) { t.Parallel(); f.company(t) })
	t.Run("bad record", func(t *testing.T) { t.Parallel(); f.bad(t) })
	t.Run("leaving early", func(t *testing.T) { t.Parallel(); f.early(t) })
	t.Run("input fails", func(t *testing.T) { t.Parallel(); f.fails(t) })
	t.Run("damage", func(t *testing.T) { t.Parallel(); f.damage(t) })
	t.Run("memory", func(t *testing.T) { f.memory(t) }) // alone: it looks at the heap
}

func read(s source.Source) (all []source.Record, err error) {
	for rec, e := range s.Records() {
		if e != nil {
			return all, e
		}
		all = append(all, rec)
	}
	return all, nil
}

// person is what can be compared of a person across formats.
type person struct {
	UserName, Email, Given, Title, Department, Manager string
	Groups                                             string
}

// company checks that each format tells the same of the same people.
func (f Format) company(t *testing.T) {
	all, err := read(f.New(strings.NewReader(f.Company)))
	if err != nil {
		t.Fatal(err)
	}
	checkAll(t, all)
	got, refs, groups := map[string]person{}, map[string]string{}, map[string][]string{}
	for _, rec := range all {
		refs[rec.Ref] = rec.Name
	}
	for _, rec := range all {
		if rec.Kind != directory.KindGroup {
			continue
		}
		for _, m := range *rec.Members {
			name := refs[m.Ref]
			if m.UserName != "" {
				name = m.UserName
			}
			groups[name] = append(groups[name], rec.Name)
		}
	}
	for _, rec := range all {
		if rec.Kind == directory.KindGroup {
			continue
		}
		u, _, err := directory.User{Active: true}.Merge(rec.Attributes)
		if err != nil {
			t.Errorf("%s: the directory does not take it: %v", rec.Name, err)
			continue
		}
		p := person{UserName: u.UserName, Email: u.Email(), Groups: strings.Join(groups[rec.Name], ";")}
		p.Title, _ = u.Attributes["title"].(string)
		if name, ok := u.Attributes["name"].(map[string]any); ok {
			p.Given, _ = name["givenName"].(string)
		}
		if extension, ok := u.Attributes[directory.Enterprise].(map[string]any); ok {
			p.Department, _ = extension["department"].(string)
		}
		if rec.Manager != nil {
			if p.Manager = *rec.Manager; rec.ManagerByRef {
				p.Manager = refs[p.Manager]
			}
		}
		if rec.Groups != nil {
			p.Groups = strings.Join(*rec.Groups, ";")
		}
		got[rec.Name] = p
	}
	want := map[string]person{
		"ada":   {"ada", "ada@example.org", "Ada", "Countess", "R&D", "grace", "Engineering"},
		"李雷":    {"李雷", "lilei@example.org", "雷", "", "R&D", "grace", "Engineering"},
		"grace": {"grace", "grace@example.org", "Grace", "Admiral", "R&D", "", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the company (-want +got):\n%s", diff)
	}
	if hasGroup := len(got) < len(all); hasGroup != f.Groups {
		t.Errorf("groups as records: %v, want %v", hasGroup, f.Groups)
	}
}

// checkAll checks what holds for every record of every input.
func checkAll(t testing.TB, all []source.Record) {
	t.Helper()
	last := 0
	for _, rec := range all {
		if rec.Line < last {
			t.Errorf("line %d comes after line %d", rec.Line, last)
		}
		last = rec.Line
		if problem := check(rec); problem != "" {
			t.Errorf("line %d: %s: %+v", rec.Line, problem, rec)
		}
	}
}

// check returns what is wrong with a record, "" for nothing.
func check(rec source.Record) string {
	schema, naming := directory.UserSchema, "userName"
	if rec.Kind == directory.KindGroup {
		schema, naming = directory.GroupSchema, "displayName"
	}
	switch {
	case rec.Line < 1:
		return "it stands on no line"
	case rec.Err != nil && (rec.Attributes != nil || rec.ID+rec.ExternalID+rec.Ref != "" || rec.Active != nil || rec.Manager != nil || rec.Groups != nil || rec.Members != nil):
		return "it cannot be used and says something all the same"
	case rec.Err != nil:
		return ""
	case rec.Kind != directory.KindUser && rec.Kind != directory.KindGroup:
		return "it is neither a user nor a group"
	case rec.Name == "":
		return "it has no name"
	case rec.Attributes[naming] == nil && rec.ID+rec.ExternalID == "":
		return "nobody can tell who it is"
	case rec.Kind == directory.KindUser && rec.Members != nil, rec.Kind == directory.KindGroup && (rec.Manager != nil || rec.Groups != nil || rec.Active != nil):
		return "it has what only the other kind has"
	case rec.ManagerByRef && rec.Manager == nil:
		return "its manager is nobody, by reference"
	}
	for key, v := range rec.Attributes {
		path, a, err := schema.Canonical(key)
		if err != nil || directory.Short(path) != key {
			return fmt.Sprintf("%q is not how the directory writes an attribute: %v", key, err)
		}
		if _, isList := v.([]any); a.MultiValued && path.Sub == "" && v != nil && !isList {
			return key + " is no list"
		}
	}
	return ""
}

// bad puts a bad piece before the last person: it is reported, and costs nobody else.
func (f Format) bad(t *testing.T) {
	at := strings.Index(f.Company, f.Last)
	if f.Last == "" || at < 0 {
		t.Fatal("Last is not in Company")
	}
	all, err := read(f.New(strings.NewReader(f.Company[:at] + f.Bad + f.Company[at:])))
	if err != nil {
		t.Fatal(err)
	}
	checkAll(t, all)
	good, bad := map[string]bool{}, 0
	for _, rec := range all {
		if rec.Err != nil {
			bad++
			if want := 1 + strings.Count(f.Company[:at], "\n"); rec.Line != want {
				t.Errorf("the bad record is said to be on line %d, and is on %d", rec.Line, want)
			}
			continue
		}
		good[rec.Name] = true
	}
	if bad != 1 || !good["ada"] || !good["李雷"] || !good["grace"] {
		t.Errorf("%d bad records, and of the good ones there are %v", bad, good)
	}
}

// early leaves after each number of records; the source must not go on, and must not mind.
func (f Format) early(t *testing.T) {
	all, _ := read(f.New(strings.NewReader(f.Company)))
	for n := 1; n <= len(all); n++ {
		got := 0
		for range f.New(strings.NewReader(f.Company)).Records() {
			if got++; got == n {
				break
			}
		}
		if got != n {
			t.Errorf("left after %d records, not %d", got, n)
		}
	}
}

// fails lets the input break off at every byte: the error comes through, once, at the end, and no record is made of half a line.
func (f Format) fails(t *testing.T) {
	gone := errors.New("the disk is gone")
	whole, err := read(f.New(strings.NewReader(f.Company)))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, rec := range whole {
		names[rec.Name] = true
	}
	for at := range len(f.Company) {
		errs := 0
		for rec, err := range f.New(io.MultiReader(strings.NewReader(f.Company[:at]), iotest.ErrReader(gone))).Records() {
			switch {
			case errs > 0:
				t.Fatalf("broken off after %d bytes: something comes after the error", at)
			case err != nil:
				errs++
				if !errors.Is(err, gone) {
					t.Fatalf("broken off after %d bytes: the error is %v", at, err)
				}
			case rec.Err == nil && !names[rec.Name]:
				t.Fatalf("broken off after %d bytes: there is a %q", at, rec.Name)
			}
		}
		if errs == 0 {
			t.Fatalf("broken off after %d bytes: nobody was told", at)
		}
	}
}

// damage changes bytes at random: whatever comes, records keep the contract, and it ends.
func (f Format) damage(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		in := []byte(f.Company)
		for range 1 + random.IntN(8) {
			switch at := random.IntN(len(in)); random.IntN(4) {
			case 0:
				in[at] = byte(random.IntN(256))
			case 1:
				in = append(in[:at], in[at+1:]...)
			case 2:
				in[at] = "\x00\n\r\",;:{}[]# \\"[random.IntN(14)]
			case 3:
				to := min(len(in), at+random.IntN(40))
				in = append(in[:to:to], in[at:]...)
			}
		}
		for rec, err := range f.New(strings.NewReader(string(in))).Records() {
			if err != nil {
				break
			}
			if problem := check(rec); problem != "" {
				t.Fatalf("%s: %+v\nof\n%s", problem, rec, in)
			}
		}
	}
}

// many is how many people the large input has; a format whose Head or Tail counts them says 30000.
const many = 30_000

// memory reads many people and looks how the heap grows on the way: what is held may not depend on how many there are.
func (f Format) memory(t *testing.T) {
	const people, step = many, 5_000
	var first uint64
	n := 0
	for rec, err := range f.New(&large{format: f, people: people}).Records() {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Err != nil {
			t.Fatalf("line %d: %v", rec.Line, rec.Err)
		}
		if n++; n%step > 0 {
			continue
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		if first == 0 {
			first = m.HeapAlloc
		}
		if grown := int64(m.HeapAlloc) - int64(first); grown > 2<<20 {
			t.Fatalf("after %d people the heap is %d bytes larger than after %d", n, grown, step)
		}
	}
	if n != people {
		t.Errorf("%d people of %d", n, people)
	}
}

// Bench reads people of which there are as many as the benchmark wants: the figures are for one person.
func Bench(b *testing.B, f Format) {
	b.ReportAllocs()
	n := 0
	for range f.New(&large{format: f, people: b.N}).Records() {
		n++
	}
	if n < b.N {
		b.Fatalf("%d people of %d", n, b.N)
	}
}

// large is an input that is made while it is read.
type large struct {
	format Format
	people int
	made   int
	rest   string
	done   bool
}

func (l *large) Read(p []byte) (int, error) {
	for l.rest == "" {
		switch {
		case l.done:
			return 0, io.EOF
		case l.made == l.people:
			l.rest, l.done = l.format.Tail, true
		default:
			if l.rest = l.format.Between; l.made == 0 {
				l.rest = l.format.Head
			}
			l.rest += l.format.Person(l.made)
			l.made++
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}
