//go:build race

package cycle_test

// Under the race detector everything takes some ten times as long: 4.5 s of a processor for each company of the model.
func init() { companies, oneIn = 20, 3 }
