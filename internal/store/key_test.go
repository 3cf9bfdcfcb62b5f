package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// TestLostKey checks that no new key is made beside secrets that only the lost one opens, unless all of
// them come again together.
func TestLostKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() *store.Store {
		s, err := store.Open(t.Context(), store.Config{Data: dir})
		must(t)(err)
		t.Cleanup(func() { s.Close() })
		return s
	}
	const endpoint = "https://example.org/scim/v2/"
	s := open()
	var apps []*provision.Application
	for _, name := range []string{"one", "two"} {
		app := &provision.Application{Name: name, Template: "scim2", Connection: provision.Connection{Endpoint: endpoint}}
		_, err := s.SaveApplication(t.Context(), admin, app)
		must(t)(err)
		apps = append(apps, app)
		must(t)(s.SetSecret(t.Context(), admin, app.ID, "token", endpoint, "first-"+name))
	}
	must(t)(s.Close())
	key := filepath.Join(dir, "muster.key")
	must(t)(os.Remove(key))

	s = open()
	err := s.SetSecret(t.Context(), admin, apps[0].ID, "token", endpoint, "second-one")
	if !errors.Is(err, store.ErrNeedsSecret) || !strings.Contains(err.Error(), "two (token)") || strings.Contains(err.Error(), "one (token)") {
		t.Errorf("one of two secrets beside a lost key: %v", err)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a new key was made")
	}
	must(t)(s.Write(t.Context(), func(tx *store.Tx) error {
		for _, app := range apps {
			if err := tx.SetSecret(t.Context(), admin, app.ID, "token", endpoint, "second-"+app.Name); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t)(s.Close())
	s = open()
	for _, app := range apps {
		if got, err := s.Secret(t.Context(), app.ID, "token", endpoint); err != nil || got != "second-"+app.Name {
			t.Errorf("%s: %q, %v", app.Name, got, err)
		}
	}
}
