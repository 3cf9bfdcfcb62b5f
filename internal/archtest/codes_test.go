package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tables are the variables whose keys are codes, by file.
var tables = map[string]string{
	"internal/connector/classify.go":        "byCode",
	"internal/connector/slack/codes.go":     "codes",
	"internal/connector/slack/diagnosis.go": "diagnoses",
}

// docs/errors.md has a row for every code that can stand in a log, in a test's result or beside an error of a command, and
// no row for a code that there is not.
func TestErrorCodesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| ((?:`[A-Za-z_]+`(?:, )?)+) \\|").FindAllStringSubmatch(string(page), -1) {
		for code := range strings.SplitSeq(m[1], ", ") {
			rows[strings.Trim(code, "`")] = true
		}
	}
	codes := map[string]bool{}
	for _, root := range []string{"../../internal", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && slices.Contains([]string{"slackemulator", "connectortest", "testdata"}, entry.Name()):
				return fs.SkipDir // what they say, others say to Muster
			case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			codesOf(file, tables[filepath.ToSlash(strings.TrimPrefix(path, "../../"))], codes)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(codes)), slices.Sorted(maps.Keys(rows))); diff != "" {
		t.Errorf("codes in the source (-) and rows of docs/errors.md (+):\n%s", diff)
	}
}

// codesOf finds the codes that a file knows: texts of a field Code, constants named Code… or Diagnosis… or of the type Kind of
// package store, the first argument of usage, and the keys of the file's table of codes.
func codesOf(file *ast.File, table string, codes map[string]bool) {
	found := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil && s != "" {
				codes[s] = true
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
				found(n.Value)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "usage" && file.Name.Name == "admin" {
				found(n.Args[0])
			}
		case *ast.ValueSpec:
			typ, _ := n.Type.(*ast.Ident)
			for i, name := range n.Names {
				constant := file.Name.Name == "connector" && (strings.HasPrefix(name.Name, "Code") || strings.HasPrefix(name.Name, "Diagnosis")) ||
					file.Name.Name == "store" && typ != nil && typ.Name == "Kind"
				if i >= len(n.Values) {
					continue
				}
				if constant {
					found(n.Values[i])
				}
				if literal, ok := n.Values[i].(*ast.CompositeLit); ok && name.Name == table {
					for _, e := range literal.Elts {
						found(e.(*ast.KeyValueExpr).Key)
					}
				}
			}
		}
		return true
	})
}
