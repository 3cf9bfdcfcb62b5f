package slackemulator_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/slackemulator"
)

// TestDocumentation keeps the page for outsiders whole: every fault with its default argument, and
// every policy, has a row.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/slack-emulator.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, f := range slackemulator.FaultNames() {
		arg := " "
		if f.Arg != "" {
			arg = " `" + f.Arg + "` "
		}
		if !strings.Contains(page, "| `"+f.Name+"` |"+arg+"|") {
			t.Errorf("no row for fault %s with argument %q", f.Name, f.Arg)
		}
	}
	policies := reflect.TypeFor[slackemulator.Policies]()
	for i := range policies.NumField() {
		name, _, _ := strings.Cut(policies.Field(i).Tag.Get("json"), ",")
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("policy %s is not mentioned", name)
		}
	}
}
