package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/cycle"
)

func TestWidth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "abc": 3, "王小云": 6, "Zoë": 3, "Zoe\u0308": 3, "ﾊﾝｶｸ": 4, "Ａ": 2, "…": 1, "a\u200bb": 2,
	} {
		if got := width(text); got != want {
			t.Errorf("width(%q) = %d, want %d", text, got, want)
		}
	}
	for _, c := range []struct {
		text string
		to   int
		want string
	}{
		{"abcdef", 6, "abcdef"}, {"abcdef", 5, "abcd…"}, {"王小云云", 5, "王小…"}, {"王小云云", 6, "王小…"}, {"a", 1, "a"},
	} {
		if got := cut(c.text, c.to); got != c.want || width(got) > c.to {
			t.Errorf("cut(%q, %d) = %q, want %q", c.text, c.to, got, c.want)
		}
	}
}

// TestPlain holds what comes from outside to one line that cannot move the cursor.
func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\nb": "a b", "\x1b[2Jx": "\uFFFD[2Jx", "a\u202eb": "a\uFFFDb", " a\t": "a", "Zoë": "Zoë",
	} {
		if got := plain(text); got != want {
			t.Errorf("plain(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestTame keeps lines and colours of ours, and nothing else that a terminal would obey.
func TestTame(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\nb\tc": "a\nb\tc", paint(true).red("muster:") + " x": "\x1b[31mmuster:\x1b[0m x",
		"\x1b[2Jx": "\uFFFD[2Jx", "\x1b]0;title\a": "\uFFFD]0;title\uFFFD", "\rgone": "\uFFFDgone", "\u009b2J": "\uFFFD2J", "a\u202eb": "a\uFFFDb", "Zoë": "Zoë",
	} {
		if got := tame(text); got != want {
			t.Errorf("tame(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestProblemsAreTame checks that what was typed or read from a file comes back as text, also on stderr.
func TestProblemsAreTame(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"user", "show", "\x1b]0;x\a"}, {"import", "\x1b[2J.csv"}, {"sync", "--\x1b[2J"}, {"\x1b[2J"},
	} {
		var out, errs strings.Builder
		run(t.Context(), append(args, "--data", t.TempDir()), streams{in: strings.NewReader(""), out: &out, err: &errs})
		if text := out.String() + errs.String(); strings.ContainsAny(text, "\x1b\a") || errs.Len() == 0 {
			t.Errorf("%q: %q", args, text)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	table := &table{head: []string{"NAME", "!ID", "TEXT"}}
	table.add("王小云", "0123456789", strings.Repeat("long ", 30))
	table.add("a", "b", "c\nd")
	var b bytes.Buffer
	table.write(&b, 40, false)
	const want = "NAME    ID          TEXT\n" +
		"王小云  0123456789  long long long long…\n" +
		"a       b           c d\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestPicture(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p     cycle.Progress
		since time.Duration
		limit int
		want  string
	}{
		{cycle.Progress{Stage: "planning", Planned: 1200}, time.Second, 80, "planning  1,200 objects"},
		{cycle.Progress{Stage: "applying", Done: 50, Planned: 200}, 10 * time.Second, 60, "applying  [█████░░░░░░░░░░░░░░░░] 50 of 200, 5/s, 30 s left"},
		{cycle.Progress{Stage: "applying", Done: 1, Planned: 2, Failed: 1}, 0, 80, "applying  [███████████████░░░░░░░░░░░░░░░] 1 of 2, 1 failed"},
	} {
		if got := picture(c.p, c.since, c.limit); got != c.want || width(got) > c.limit {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"24h": now.Add(-24 * time.Hour), "7d": now.AddDate(0, 0, -7), "90m": now.Add(-90 * time.Minute),
		"2026-11-22T10:00:00Z": now.Add(-2 * time.Hour), "2026-11-22T11:00:00+01:00": now.Add(-2 * time.Hour),
	} {
		if got, err := since(text, now); err != nil || !got.Equal(want) {
			t.Errorf("since(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-1h", "-2d", "d", "1.5d", "2026"} {
		if got, err := since(text, now); err == nil {
			t.Errorf("since(%q) = %v, want an error", text, got)
		}
	}
}
