package store

import (
	"strings"
	"testing"
)

// A scrape costs what waits, and not what the log holds.
func TestAScrapeReadsNoLog(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	plan := strings.Join(s.planOf(t, openByState), "\n")
	if !strings.Contains(plan, "operations_open") {
		t.Errorf("what is open is counted by\n%s", plan)
	}
}
