package source

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/unicode"
)

func TestLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"one without end", "a", []string{"a"}},
		{"LF", "a\nb\n", []string{"a", "b"}},
		{"CRLF", "a\r\nb\r\n", []string{"a", "b"}},
		{"CR of old Macs", "a\rb\r", []string{"a", "b"}},
		{"blank ones", "\n\na\r\n\r\nb", []string{"", "", "a", "", "b"}},
		{"too long", "12345678\n123456789\nx\n", []string{"12345678", "12345678…", "x"}},
	} {
		// Byte by byte as well: an end of line may fall between two reads.
		for _, r := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
			in, _, err := Input(r)
			if err != nil {
				t.Fatal(err)
			}
			lines := NewLines(in, 8)
			var got []string
			for {
				text, whole, err := lines.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if !whole {
					text += "…"
				}
				got = append(got, text)
				if lines.Number() != len(got) {
					t.Errorf("%s: line %d is counted as %d", c.name, len(got), lines.Number())
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
		}
	}
}

func TestInput(t *testing.T) {
	t.Parallel()
	const text = "Müller 東京\n"
	encoded := func(e unicode.Endianness) string {
		s, err := unicode.UTF16(e, unicode.UseBOM).NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		name, in, want string
		marked         bool
	}{
		{"UTF-8", text, text, false},
		{"UTF-8 with a mark", "\uFEFF" + text, text, true},
		{"UTF-16 little", encoded(unicode.LittleEndian), text, true},
		{"UTF-16 big", encoded(unicode.BigEndian), text, true},
		{"Latin-1 stays", "M\xFCller", "M\xFCller", false},
		{"nothing", "", "", false},
		{"a mark alone", "\uFEFF", "", true},
	} {
		in, marked, err := Input(iotest.OneByteReader(strings.NewReader(c.in)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		if err != nil || string(got) != c.want || marked != c.marked {
			t.Errorf("%s: %q, marked %v, %v; want %q, %v", c.name, got, marked, err, c.want, c.marked)
		}
	}
	broken := errors.New("the disk is gone")
	if _, _, err := Input(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
}
