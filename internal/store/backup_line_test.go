package store

import (
	"io"
	"strings"
	"testing"
)

// endless is a line that does not end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// A small file that unpacks into a line without end fills no memory; lines that end may be as many as there are.
func TestLinesOfABackupAreBounded(t *testing.T) {
	t.Parallel()
	if n, err := io.Copy(io.Discard, &boundedLines{from: endless{}}); err == nil || n > lineBytes+1<<20 {
		t.Errorf("%d bytes were read: %v", n, err)
	}
	many := io.MultiReader(strings.NewReader("x\n"), io.LimitReader(endless{}, lineBytes-1), strings.NewReader("\n"), io.LimitReader(endless{}, lineBytes-1))
	if n, err := io.Copy(io.Discard, &boundedLines{from: many}); err != nil || n != 2*lineBytes+1 {
		t.Errorf("%d bytes were read: %v", n, err)
	}
}
