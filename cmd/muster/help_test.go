package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/cli.md")

// tree returns all commands, from the root down.
func tree(t *testing.T) []*kong.Node {
	t.Helper()
	parser, err := newParser(&commands{}, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	var all []*kong.Node
	var walk func(*kong.Node)
	walk = func(n *kong.Node) {
		if n.Type != kong.ArgumentNode {
			all = append(all, n)
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(parser.Model.Node)
	return all
}

// line is how a command is typed, with something in the place of arguments between its words.
func line(n *kong.Node) []string {
	var words []string
	for ; n.Parent != nil; n = n.Parent {
		word := n.Name
		if n.Type == kong.ArgumentNode {
			word = "x"
		}
		words = append([]string{word}, words...)
	}
	return words
}

// TestHelp asks every command for its help, as people do.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, n := range tree(t) {
		name := strings.Join(line(n), " ")
		var out, errs bytes.Buffer
		if status := run(t.Context(), append(line(n), "--help"), streams{in: strings.NewReader(""), out: &out, err: &errs}); status != 0 {
			t.Errorf("muster %s --help ends with %d: %s", name, status, errs.String())
			continue
		}
		if out.String() != helpOf(n) || n.Help == "" {
			t.Errorf("muster %s --help prints\n%s", name, out.String())
		}
		for l := range strings.Lines(out.String()) {
			if l = strings.TrimRight(l, "\n"); width(l) > helpWidth {
				t.Errorf("muster %s --help: %d columns: %s", name, width(l), l)
			}
		}
		for _, f := range flagsOf(n, true) {
			if f.Help == "" {
				t.Errorf("muster %s: --%s has no help", name, f.Name)
			}
		}
		for _, a := range n.Positional {
			if a.Help == "" {
				t.Errorf("muster %s: argument %s has no help", name, a.Name)
			}
		}
	}
}

const cliPage = "../../docs/cli.md"

const cliHead = `# The command line

Made from the commands themselves by ` + "`go test ./cmd/muster -run TestPage -update`" + `; a test fails when it is out of date.

Every command works on ` + "`--data DIR`" + ` or ` + "`--database URL`" + ` directly. Commands that only read, and ` + "`backup`" + `, work beside another muster that
writes to the same directory. ` + "`-o json`" + ` prints one JSON document on standard output and nothing else (` + "`logs --follow`" + `: one record a line);
progress and hints go to standard error.

| exit | meaning |
|---|---|
| 0 | done |
| 1 | internal error; data directory in use; Muster's own database unreachable, newer, damaged or read-only |
| 2 | wrong usage or configuration; unknown or ambiguous name; a token of the wrong kind |
| 3 | connection or credentials refused, or the endpoint is not what it should be |
| 4 | finished, but some rows or objects failed |
| 5 | operations are held for approval |

On 1 to 3 the JSON document is ` + "`{\"error\":{\"code\",\"message\",\"next\"}}`" + ` (for ` + "`test`" + ` it is its result).
`

// TestPage keeps docs/cli.md what the commands say.
func TestPage(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(cliHead)
	for _, n := range tree(t) {
		b.WriteString("\n## " + strings.Join(append([]string{"muster"}, line(n)...), " ") + "\n\n```\n" + helpOf(n) + "```\n")
	}
	want := strings.ReplaceAll(b.String(), "## muster held x ", "## muster held APP ")
	if *update {
		if err := os.WriteFile(cliPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(cliPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/cli.md is out of date; -update writes it (-want +got):\n%s", diff)
	}
}
