package slack

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/connector"
)

var updateDocs = flag.Bool("update", false, "write the table of Slack's codes into docs/errors.md")

// becomes says, in the words of docs/errors.md, what a kind of failure does.
var becomes = map[connector.Failure]string{
	unauthorised: "quarantine",
	forbidden:    "parked",
	notFound:     "looked at again",
	conflict:     "matched again",
	rejected:     "escrow",
	unavailable:  "escrow",
}

// The table of Slack's codes in docs/errors.md is made of the table that the connector goes by.
func TestErrorsPage(t *testing.T) {
	t.Parallel()
	const page = "../../../docs/errors.md"
	const begin, end = "<!-- Slack's codes: go test ./internal/connector/slack -run TestErrorsPage -update -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the table, between %q and %q", page, begin, end)
	}
	var table strings.Builder
	table.WriteString("| code | what Slack says | then | do |\n|---|---|---|---|\n")
	inOrder := slices.SortedFunc(maps.Keys(codes), func(a, b string) int {
		return cmp.Or(cmp.Compare(becomes[codes[a].kind], becomes[codes[b].kind]), cmp.Compare(a, b))
	})
	for _, code := range inOrder {
		m := codes[code]
		if becomes[m.kind] == "" {
			t.Errorf("%s: the page has no words for kind %s", code, m.kind)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", code, m.says, becomes[m.kind], m.advice)
	}
	want := before + begin + table.String() + end + after
	if want == string(text) {
		return
	}
	if !*updateDocs {
		t.Fatalf("%s is out of date: go test ./internal/connector/slack -run TestErrorsPage -update", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
