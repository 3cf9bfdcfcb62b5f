package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
)

// Why operations are held is not told among those that are skipped.
func TestHeldBesideSkipped(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := newSession(t.Context(), &commands{}, streams{out: &out, err: &out})
	p := &planPrinter{session: s}
	err := p.print(func(yield func(admin.Operation, error) bool) {
		held := admin.Operation{Action: provision.Disable, Held: true, Hold: "too many"}
		held.Source.Name = "ada"
		if !yield(held, nil) {
			return
		}
		for i := range 12 {
			skip := admin.Operation{Action: provision.Skip}
			skip.Source.Name = fmt.Sprint("p", i)
			if !yield(skip, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.HasSuffix(text, "… and 2 others; --verbose shows them\n\n  HELD because too many\n\n") {
		t.Errorf("the plan ends with\n%s", text)
	}
}
