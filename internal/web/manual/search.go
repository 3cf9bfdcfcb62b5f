package manual

import (
	"slices"
	"strings"
)

// hit is a part of a page that has all the words that were asked for.
type hit struct {
	Page   *page
	Title  string
	Anchor string
	Text   string
	weight int
}

const (
	longestQuery = 200
	mostHits     = 40
	around       = 160 // bytes of text about the first word
)

func short(query string) string {
	if len(query) > longestQuery {
		query = strings.ToValidUTF8(query[:longestQuery], "")
	}
	return query
}

// search returns the parts that have all words, those first that have them in their heading.
func (m *Manual) search(query string) []hit {
	words := strings.Fields(strings.ToLower(query))
	var out []hit
	for _, p := range m.order {
		for _, s := range p.parts {
			h := hit{Page: p, Title: s.Title, Anchor: s.Anchor}
			for _, w := range words {
				if !strings.Contains(s.folded, w) {
					h.weight = -1
					break
				}
				h.weight += strings.Count(s.folded, w)
				if strings.Contains(strings.ToLower(s.Title), w) {
					h.weight += 100
				}
			}
			if h.weight <= 0 {
				continue
			}
			h.Text = excerpt(s.text, words[0])
			out = append(out, h)
		}
	}
	slices.SortStableFunc(out, func(a, b hit) int { return b.weight - a.weight })
	return out[:min(len(out), mostHits)]
}

// excerpt is the text about a word.
func excerpt(text, word string) string {
	text = strings.Join(strings.Fields(text), " ")
	at := strings.Index(strings.ToLower(text), word)
	from := max(0, min(at, len(text))-around/2)
	for from > 0 && text[from-1] != ' ' { // whole words
		from--
	}
	to := min(len(text), from+around)
	for to < len(text) && text[to] != ' ' {
		to++
	}
	return text[from:to]
}
