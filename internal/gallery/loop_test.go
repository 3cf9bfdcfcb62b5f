package gallery_test

import (
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/gallery"
)

// TestLoopsAreRefused: a template that contains itself, or unfolds without end, is refused and costs little.
func TestLoopsAreRefused(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'k'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ",") + "]\n"
	}
	for name, text := range map[string]string{
		"a list in itself":    "name: &a [*a]\n",
		"a mapping in itself": "quirks: &a {x: *a}\n",
		"a merge with itself": "limits: &a {<<: *a, concurrency: 1}\n",
		"ten to the eleventh": bomb,
	} {
		if _, err := gallery.Parse([]byte(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
