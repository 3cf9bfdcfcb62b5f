//go:build race

package cycle_test

// Under the race detector everything takes ten times as long.
func init() { companies, oneIn = 8, 3 }
