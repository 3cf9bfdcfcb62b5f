package heap

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

const least = 32 << 20

func TestMain(m *testing.M) {
	os.Unsetenv("GOGC")
	os.Unsetenv("GOMEMLIMIT")
	AtLeast(least)
	os.Exit(m.Run())
}

var kept []byte // so that nothing is made on a stack

func percent() uint64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// until collects until the heap may grow by what is asked for: the size is set soon after a collection, not with it.
func until(t *testing.T, what string, is func(percent uint64) bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(percent()); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%s: the heap may grow by %d parts of a hundred", what, percent())
		}
		runtime.GC()
	}
}

func TestFewCollections(t *testing.T) {
	until(t, "with little in use", func(percent uint64) bool { return percent > usual })
	var before, after debug.GCStats
	debug.ReadGCStats(&before)
	const made = 16 * least
	for range made / (64 << 10) {
		kept = make([]byte, 64<<10)
	}
	debug.ReadGCStats(&after)
	// At 4 MB each, as Go would have it, there would be a hundred and more.
	if n := after.NumGC - before.NumGC; n > 2*made/least {
		t.Errorf("%d collections of %d MB", n, made>>20)
	}
}

func TestMuchInUse(t *testing.T) {
	kept = make([]byte, least)
	until(t, "with much in use", func(percent uint64) bool { return percent == usual })
	kept = nil
	until(t, "with little in use again", func(percent uint64) bool { return percent > usual })
}

func TestGrowth(t *testing.T) {
	for _, c := range []struct {
		inUse uint64
		want  int
	}{{0, 1600}, {1, 1600}, {4 << 20, 1500}, {8 << 20, 700}, {31 << 20, 106}, {32 << 20, 100}, {33 << 20, 100}, {1 << 40, 100}} {
		if got := growth(64<<20, c.inUse); got != c.want {
			t.Errorf("with %d bytes in use: %d, want %d", c.inUse, got, c.want)
		}
	}
}
