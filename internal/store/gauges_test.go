package store

import (
	"slices"
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
	plan := s.planOf(t, openByState)
	if !slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, "operations_open") }) ||
		slices.ContainsFunc(plan, func(line string) bool {
			return strings.HasPrefix(line, "SCAN c") || strings.HasPrefix(line, "SCAN operations") && !strings.Contains(line, "operations_open")
		}) {
		t.Errorf("what is open is counted by\n%s", strings.Join(plan, "\n"))
	}
}
