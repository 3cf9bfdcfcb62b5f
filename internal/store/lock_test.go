package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/muster-id/muster/internal/store"
)

// TestLockFollowsNoLink: whoever can put a link into the data directory must not have another file of
// Muster's user emptied.
func TestLockFollowsNoLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	must(t)(os.WriteFile(victim, []byte("precious"), 0o600))
	data := filepath.Join(dir, "data")
	must(t)(os.Mkdir(data, 0o700))
	must(t)(os.Symlink(victim, filepath.Join(data, "lock")))
	s, err := store.Open(t.Context(), store.Config{Data: data})
	if err == nil {
		must(t)(s.Close())
	}
	if !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("opening: %v, want that it cannot be written", err)
	}
	if b, _ := os.ReadFile(victim); string(b) != "precious" {
		t.Errorf("the file behind the link holds %q", b)
	}
}
