package config

import (
	"fmt"
	"strings"

	"github.com/muster-id/muster/internal/directory"
)

// nearest returns the known word that was probably meant, "" when none is near.
func nearest(word string, known []string) string {
	if len(word) > 100 {
		return ""
	}
	if near := directory.Nearest(word, known, 1); len(near) > 0 {
		return near[0]
	}
	return ""
}

// didYouMean is the hint for a mistyped word: the nearest of the words that are known, else all of
// them when they are few.
func didYouMean(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(known) == 0 || len(known) > 12 {
		return ""
	}
	return "use " + either(known)
}

// either joins words as a sentence does: "a, b or c".
func either(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
