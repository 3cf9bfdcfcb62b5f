package store_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/pgtest"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// Of several who save a setting at the same moment, all having read the same, one does.
func TestSettingSavedOnce(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, store.Config{Data: t.TempDir(), Database: pgtest.Database(t)})
	for range 10 {
		version, err := s.SettingVersion(t.Context(), store.RetentionSetting)
		if err != nil {
			t.Fatal(err)
		}
		var saved atomic.Int32
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				if s.SetRetentionIf(t.Context(), store.Actor{}, version, store.Retention{Audit: provision.Duration(time.Duration(i+1)*time.Hour + time.Duration(time.Now().UnixNano()))}) == nil {
					saved.Add(1)
				}
			})
		}
		all.Wait()
		if saved.Load() != 1 {
			t.Fatalf("%d of them saved it", saved.Load())
		}
	}
}
