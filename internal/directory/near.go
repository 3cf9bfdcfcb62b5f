package directory

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest returns the names that somebody who wrote name may have meant, the nearest first, at most
// limit: those that differ in a few letters (one for every three, or two neighbours swapped), and
// those that contain it or are contained in it.
func Nearest(name string, among []string, limit int) []string {
	type hit struct {
		name string
		cost int
	}
	var hits []hit
	key := Key(name)
	if key == "" {
		return nil
	}
	bound := max(1, len(key)/3)
	for _, candidate := range among {
		other := Key(candidate)
		switch cost := distance(key, other, bound); {
		case cost <= bound:
			hits = append(hits, hit{candidate, cost})
		case len(key) >= 3 && len(other) >= 3 && (strings.Contains(other, key) || strings.Contains(key, other)):
			hits = append(hits, hit{candidate, bound + 1 + max(len(key)-len(other), len(other)-len(key))})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.cost, b.cost) })
	var out []string
	for _, h := range hits[:min(limit, len(hits))] {
		out = append(out, h.name)
	}
	return out
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to make b of
// a (optimal string alignment); it gives up with bound+1.
func distance(a, b string, bound int) int {
	x, y := []rune(a), []rune(b)
	if d := len(x) - len(y); d > bound || -d > bound {
		return bound + 1
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			replace := last[j-1]
			if x[i-1] != y[j-1] {
				replace++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
