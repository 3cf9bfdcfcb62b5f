package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What takes a tenth of a second to count is counted once a second at most, whoever asks; what an administrator does shows at once.
func TestCountedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 100 * time.Millisecond
		var counts Counted[int]
		var mu sync.Mutex
		times := 0
		number := func(context.Context) (int, error) {
			<-time.After(takes)
			mu.Lock()
			defer mu.Unlock()
			times++
			return times, nil
		}
		notable := int64(0)
		ask := func() int {
			t.Helper()
			n, err := counts.Of(t.Context(), "slack", notable, number)
			if err != nil {
				t.Error(err)
			}
			return n
		}
		wants := func(want int, when string) {
			t.Helper()
			if got := ask(); got != want {
				t.Errorf("%s: count %d, want %d", when, got, want)
			}
		}
		wants(1, "at first")
		<-time.After(patience*takes - 1)
		wants(1, "while it is good")
		<-time.After(1)
		var all sync.WaitGroup
		all.Go(func() { wants(2, "who comes first when it is not good any more") })
		synctest.Wait() // it counts
		began := time.Now()
		for range 200 {
			wants(1, "whoever comes while somebody counts")
		}
		if passed := time.Since(began); passed != 0 {
			t.Errorf("200 waited %v for one that counts", passed)
		}
		all.Wait()
		wants(2, "then")
		notable++
		wants(3, "after an administrator did something")
		<-time.After(time.Hour)
		for range 200 {
			all.Go(func() { wants(4, "nobody gets what is an hour old") })
		}
		all.Wait()

		broken := errors.New("the disk is gone")
		notable++
		if _, err := counts.Of(t.Context(), "slack", notable, func(context.Context) (int, error) { return 0, broken }); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
		wants(5, "an error is not remembered")
	})
}
