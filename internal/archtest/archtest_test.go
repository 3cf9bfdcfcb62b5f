package archtest

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const (
	module   = "github.com/muster-id/muster"
	rulesAre = "internal/archtest/rules_test.go"
)

// source is what the rules look at in one package: its files without the tests.
type source struct {
	imports map[string]bool
	clock   []string // calls that read the clock, as "file.go:12 time.Now"
}

func TestHouse(t *testing.T) {
	t.Parallel()
	house, err := read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(house) == 0 {
		t.Fatal("no packages were found")
	}
	for _, complaint := range check(house) {
		t.Error(complaint)
	}
}

func TestFolderNames(t *testing.T) {
	t.Parallel()
	err := folders(os.DirFS("../.."), func(dir string) error {
		if slices.Contains(names, path.Base(dir)) {
			t.Errorf("%s: a folder is named after what is inside, and %q says nothing about that", dir, path.Base(dir))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNothingPointsOutside(t *testing.T) {
	t.Parallel()
	for _, name := range tracked(t) {
		text, err := os.ReadFile(filepath.Join("../..", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		for number, line := range bytes.Split(text, []byte("\n")) {
			for _, place := range outside {
				if bytes.Contains(line, []byte(place)) {
					t.Errorf("%s:%d: contains %q, a place that a reader of this repository does not have", name, number+1, place)
				}
			}
		}
	}
}

// tracked lists the files that git knows; in an unpacked archive, without git, all of them.
func tracked(t *testing.T) []string {
	t.Helper()
	// Not our repository for git's taste when another user cloned it, hence safe.directory.
	out, err := exec.CommandContext(t.Context(), "git", "-c", "safe.directory=*", "-C", "../..", "ls-files", "-z").Output()
	if err == nil {
		return strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	}
	var all []string
	err = fs.WalkDir(os.DirFS("../.."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == ".cache" {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			all = append(all, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// check applies the tables to the packages, named by their folder, and returns one sentence for each breach.
func check(house map[string]source) []string {
	var complaints []string
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	for name, pkg := range house {
		if row(name) < 0 && !matches(name, alone) && !matches(name, forTests) {
			complain("%s: the package has no place in the house yet; add it to layers in %s", name, rulesAre)
		}
		for imported := range pkg.imports {
			ours, isOurs := strings.CutPrefix(imported, module+"/")
			switch {
			case matches(name, pure) && below(imported, acts) && !slices.Contains(harmless, imported):
				complain("%s imports %s: it decides and does not act; whoever calls it hands in what it needs", name, imported)
			case isOurs:
				if why := refusal(name, ours); why != "" {
					complain("%s imports %s: %s", name, ours, why)
				}
			}
		}
		if matches(name, pure) {
			for _, call := range pkg.clock {
				complain("%s/%s: it decides and does not look at the clock; the time is handed in", name, call)
			}
		}
	}
	slices.Sort(complaints)
	return complaints
}

// refusal says why one package may not import another, or nothing when it may.
func refusal(importer, imported string) string {
	switch {
	case matches(importer, forTests):
		return ""
	case matches(imported, forTests):
		return "that package is for tests"
	case matches(importer, alone):
		return "it is to import nothing of Muster"
	}
	for _, rule := range reserved {
		if matches(imported, []string{rule.packages}) && !matches(importer, rule.importers) {
			return fmt.Sprintf("only %s may, because %s", strings.Join(rule.importers, " and "), rule.because)
		}
	}
	from, to := row(importer), row(imported)
	switch {
	case from < 0 || to < 0: // an unknown package is complained about once; the emulator lies beside the rows
		return ""
	case from > to, from == to && slices.Contains(beside[importer], imported):
		return ""
	case from == to:
		return "they lie on one row of layers, and beside does not allow it"
	}
	return "imports go down only, see layers in " + rulesAre
}

// row is a package's place in layers, or -1. A package listed by name is not taken for one of its folder's.
func row(name string) int {
	if matches(name, forTests) {
		return -1
	}
	return slices.IndexFunc(layers, func(packages []string) bool { return matches(name, packages) })
}

// matches reports whether a package is one of those listed, where /... stands for everything below a folder.
func matches(name string, list []string) bool {
	return slices.ContainsFunc(list, func(pattern string) bool {
		if folder, all := strings.CutSuffix(pattern, "..."); all {
			return strings.HasPrefix(name, folder)
		}
		return name == pattern
	})
}

// below reports whether an import is one of those listed or lies below one.
func below(imported string, list []string) bool {
	return slices.ContainsFunc(list, func(name string) bool {
		return imported == name || strings.HasPrefix(imported, name+"/")
	})
}

// read parses the packages of a tree without their tests; all files count, whatever system they are built for.
func read(tree fs.FS) (map[string]source, error) {
	house := map[string]source{}
	err := folders(tree, func(dir string) error {
		files, err := fs.Glob(tree, path.Join(dir, "*.go"))
		if err != nil {
			return err
		}
		pkg := source{imports: map[string]bool{}}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				if err := pkg.add(tree, file); err != nil {
					return err
				}
				house[dir] = pkg
			}
		}
		return nil
	})
	return house, err
}

// add notes one file's imports and its calls of the clock.
func (s *source) add(tree fs.FS, name string) error {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, path.Base(name), text, parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	clock := "" // what the file calls package time
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		s.imports[imported] = true
		if imported == "time" {
			clock = "time"
			if spec.Name != nil {
				clock = spec.Name.Name
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if use, ok := n.(*ast.SelectorExpr); ok {
			if from, ok := use.X.(*ast.Ident); ok && clock != "" && from.Name == clock && slices.Contains(clocks, use.Sel.Name) {
				at := positions.Position(use.Pos())
				s.clock = append(s.clock, fmt.Sprintf("%s:%d time.%s", at.Filename, at.Line, use.Sel.Name))
			}
		}
		return true
	})
	return nil
}

// folders visits the folders of a tree that the go command looks into, and that belong to this module.
func folders(tree fs.FS, visit func(dir string) error) error {
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() || name == "." {
			return nil
		}
		base := path.Base(name)
		if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
			return fs.SkipDir
		}
		if _, err := fs.Stat(tree, path.Join(name, "go.mod")); err == nil {
			return fs.SkipDir
		}
		return visit(name)
	})
}

// TestRules builds small houses, each with one breach or none, and looks for the complaint.
func TestRules(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file, text string
		want       []string // the beginnings of the complaints
	}{
		"down":                                {"internal/store/store.go", `import _ "github.com/muster-id/muster/internal/provision"`, nil},
		"up":                                  {"internal/attr/attr.go", `import _ "github.com/muster-id/muster/internal/store"`, []string{"internal/attr imports internal/store: imports go down only"}},
		"up, in a file for another system":    {"internal/attr/attr_windows.go", `import _ "github.com/muster-id/muster/internal/store"`, []string{"internal/attr imports internal/store: imports go down only"}},
		"up, in a test":                       {"internal/attr/attr_test.go", `import _ "github.com/muster-id/muster/internal/store"`, nil},
		"across":                              {"internal/source/source.go", `import _ "github.com/muster-id/muster/internal/connector"`, []string{"internal/source imports internal/connector: they lie on one row"}},
		"across, as listed":                   {"internal/connector/slack/slack.go", `import _ "github.com/muster-id/muster/internal/connector/scim"`, nil},
		"across, the other way":               {"internal/connector/scim/scim.go", `import _ "github.com/muster-id/muster/internal/connector/slack"`, []string{"internal/connector/scim imports internal/connector/slack: they lie on one row"}},
		"an adapter from below the top":       {"internal/cycle/cycle.go", `import _ "github.com/muster-id/muster/internal/connector/slack"`, []string{"internal/cycle imports internal/connector/slack: only cmd/muster"}},
		"an adapter from the top":             {"cmd/muster/main.go", `import _ "github.com/muster-id/muster/internal/source/csv"`, nil},
		"the emulator imports us":             {"internal/slackemulator/e.go", `import _ "github.com/muster-id/muster/internal/attr"`, []string{"internal/slackemulator imports internal/attr: it is to import nothing"}},
		"the emulator from the command":       {"cmd/muster/main.go", `import _ "github.com/muster-id/muster/internal/slackemulator"`, nil},
		"the emulator from elsewhere":         {"internal/web/web.go", `import _ "github.com/muster-id/muster/internal/slackemulator"`, []string{"internal/web imports internal/slackemulator: only cmd/muster"}},
		"the store's insides from outside":    {"internal/cycle/cycle.go", `import _ "github.com/muster-id/muster/internal/store/queries"`, []string{"internal/cycle imports internal/store/queries: only internal/store"}},
		"tests' packages from the product":    {"internal/store/store.go", `import _ "github.com/muster-id/muster/internal/pgtest"`, []string{"internal/store imports internal/pgtest: that package is for tests"}},
		"tests' packages from another":        {"internal/store/storetest/s.go", `import _ "github.com/muster-id/muster/internal/pgtest"`, nil},
		"a new package":                       {"internal/billing/b.go", ``, []string{"internal/billing: the package has no place in the house yet"}},
		"a decision that takes a context":     {"internal/provision/p.go", `import _ "context"`, []string{"internal/provision imports context: it decides"}},
		"a decision that uses the network":    {"internal/mapping/m.go", `import _ "net/http"`, []string{"internal/mapping imports net/http: it decides"}},
		"a decision that reads the clock":     {"internal/provision/p.go", "import \"time\"\nvar now = time.Now", []string{"internal/provision/p.go:3 time.Now: it decides"}},
		"a decision that renames the clock":   {"internal/provision/p.go", "import clock \"time\"\nvar now = clock.Now()", []string{"internal/provision/p.go:3 time.Now: it decides"}},
		"a decision that counts in durations": {"internal/provision/p.go", "import \"time\"\nvar hour = time.Hour", nil},
		"a part of another module":            {"tools/thing/t.go", ``, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			house, err := read(fstest.MapFS{
				tt.file:        {Data: []byte("package p\n" + tt.text)},
				"tools/go.mod": {},
			})
			if err != nil {
				t.Fatal(err)
			}
			got := check(house)
			same := slices.EqualFunc(got, tt.want, strings.HasPrefix)
			if !same {
				t.Errorf("complaints (-want +got):\n%s", cmp.Diff(tt.want, got))
			}
		})
	}
}
