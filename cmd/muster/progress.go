package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/cycle"
)

// bar shows on a terminal how far something has come: what is done of what is planned, how fast, and
// how long it may take. Elsewhere it says nothing.
type bar struct {
	to      io.Writer // nil where nobody watches
	width   int
	unit    string
	clock   func() time.Time
	begun   time.Time // of the stage
	drawn   time.Time
	stage   string
	visible bool
}

// redraw is the pause between two pictures.
const redraw = 100 * time.Millisecond

func (s *session) progress(unit string) *bar {
	b := &bar{unit: unit, clock: time.Now, width: screen(s.err)}
	if s.interactive() {
		b.to = s.err
	}
	return b
}

// due reports whether it is time for another picture.
func (b *bar) due() bool {
	if b.to == nil || b.clock().Sub(b.drawn) < redraw {
		return false
	}
	b.drawn = b.clock()
	return true
}

// count shows a number without an end.
func (b *bar) count(n int) {
	if b.due() {
		b.draw(fmt.Sprintf("%s %s", number(n), b.unit))
	}
}

// cycle shows how far a cycle has come.
func (b *bar) cycle(p cycle.Progress) {
	if p.Stage != b.stage {
		b.stage, b.begun, b.drawn = p.Stage, b.clock(), time.Time{}
	}
	if b.due() {
		b.draw(picture(p, b.clock().Sub(b.begun), b.width))
	}
}

// picture is one line: stage, bar, done of planned, rate, time left.
func picture(p cycle.Progress, since time.Duration, limit int) string {
	if p.Stage != "applying" || p.Planned == 0 {
		return fmt.Sprintf("%-9s %s", p.Stage, count(p.Planned, "object", "objects"))
	}
	text := fmt.Sprintf(" %s of %s", number(p.Done), number(p.Planned))
	if p.Failed > 0 {
		text += fmt.Sprintf(", %s failed", number(p.Failed))
	}
	if seconds := since.Seconds(); seconds >= 0.5 && p.Done > 0 {
		rate := float64(p.Done) / seconds
		left := time.Duration(float64(max(0, p.Planned-p.Done)) / rate * float64(time.Second)).Round(time.Second)
		remains := took(left)
		if left < time.Minute {
			remains = fmt.Sprintf("%.0f s", left.Seconds())
		}
		text += fmt.Sprintf(", %.0f/s, %s left", rate, remains)
	}
	room := max(5, min(30, limit-width(text)-len("applying  [] ")))
	full := min(room, room*p.Done/p.Planned)
	return "applying  [" + strings.Repeat("█", full) + strings.Repeat("░", room-full) + "]" + text
}

func (b *bar) draw(line string) {
	b.visible = true
	fmt.Fprintf(b.to, "\r\x1b[K%s", cut(line, b.width-1))
}

// end takes the picture away: what came of it is told by whoever began it.
func (b *bar) end() {
	if b.visible {
		fmt.Fprint(b.to, "\r\x1b[K")
		b.visible = false
	}
}
