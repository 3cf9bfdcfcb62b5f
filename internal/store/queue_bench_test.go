package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// BenchmarkCommitToJob is how long it takes from a change to the beginning of the job that it causes, on
// SQLite, the commit with it.
func BenchmarkCommitToJob(b *testing.B) {
	s := storetest.Open(b, store.Config{Data: b.TempDir()})
	app := application("on")
	app.Provisioning.Status, app.Provisioning.Scope = "on", "all"
	if _, err := s.SaveApplication(b.Context(), admin, app); err != nil {
		b.Fatal(err)
	}
	begun := make(chan error, 1)
	stop, err := s.Work(b.Context(), store.Worker{Run: func(ctx context.Context, id string) time.Duration {
		_, err := s.Awake(ctx, id)
		if err == nil {
			_, err = s.Attended(ctx, id)
		}
		begun <- err
		return 0
	}})
	if err != nil {
		b.Fatal(err)
	}
	<-begun
	n := 0
	for b.Loop() {
		n++
		_, err := s.CreateUser(b.Context(), admin, store.UserEdit{Attributes: directory.Edit{"userName": fmt.Sprint("u", n)}})
		if err == nil {
			err = <-begun
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}
