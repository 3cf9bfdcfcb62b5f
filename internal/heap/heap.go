// Package heap spares a small program the collector of garbage.
//
// Go collects whenever the heap has doubled. While there are a few megabytes in use, that is many times a second for
// memory that nobody would miss, and a first load spends a tenth of its processor time on it. So the heap may
// always grow to some size; beyond that it doubles as before, and nothing large becomes larger.
package heap

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Worthwhile is a size that a machine which runs Muster has to spare.
const Worthwhile = 64 << 20

// usual is how much a heap grows before it is collected, in parts of a hundred of what is in use.
const usual = 100

// AtLeast lets the heap grow to a number of bytes before it is collected, for as long as the program runs. Where GOGC or
// GOMEMLIMIT say something else, they hold.
func AtLeast(bytes uint64) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	const first = 4 << 20 // in use, as Go takes it before it has counted
	now := growth(bytes, first)
	debug.SetGCPercent(now)
	watch(bytes, now)
}

// collected is what nobody keeps, so that the next collection ends it. What holds a pointer shares its place with
// nothing that might be kept.
type collected struct{ _ *collected }

// watch sets after each collection how far the heap grows until the next.
func watch(bytes uint64, before int) {
	inUse := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtime.AddCleanup(&collected{}, func(before int) {
		metrics.Read(inUse)
		now := growth(bytes, inUse[0].Value.Uint64())
		if now != before {
			debug.SetGCPercent(now)
		}
		watch(bytes, now)
	}, before)
}

// growth returns by how many parts of a hundred the heap may grow when so much of it is in use.
func growth(bytes, inUse uint64) int {
	most := bytes / (4 << 20) * usual // Go takes no heap for smaller than 4 MB
	if inUse >= bytes/2 {
		return usual
	}
	return int(min(most, (bytes-inUse)*100/max(inUse, 1)))
}
