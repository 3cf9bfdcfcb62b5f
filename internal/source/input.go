package source

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"golang.org/x/text/encoding/unicode"
)

// InputBuffer is how far [Input] lets a source look ahead, in bytes.
const InputBuffer = 64 << 10

// Input returns r as text of an ASCII-compatible encoding: a byte order mark is taken away, and UTF-16 that one
// announces (Excel's "Unicode Text", ldifde -u) becomes UTF-8. marked reports such a mark: the text is Unicode for sure.
// Without one the bytes stay as they are. Peek of the result sees [InputBuffer] bytes.
func Input(r io.Reader) (in *bufio.Reader, marked bool, err error) {
	in = bufio.NewReaderSize(r, InputBuffer)
	start, err := in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xEF\xBB\xBF")):
		_, err := in.Discard(3)
		return in, true, err
	case bytes.HasPrefix(start, []byte("\xFF\xFE")), bytes.HasPrefix(start, []byte("\xFE\xFF")):
		utf8 := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Reader(in)
		return bufio.NewReaderSize(utf8, InputBuffer), true, nil
	}
	return in, false, nil
}

// Lines reads text line by line and counts as editors do. A line ends with LF, CRLF, a lone CR or the end.
type Lines struct {
	in     *bufio.Reader
	max    int
	number int
	halfCR bool // the last line ended with CR: an LF that follows belongs to it
}

// NewLines reads lines of at most max bytes.
func NewLines(in *bufio.Reader, max int) *Lines { return &Lines{in: in, max: max} }

// Number is the number of the line that Next returned last, from 1.
func (l *Lines) Number() int { return l.number }

// Next returns the next line without its end; whole is false when it was longer than allowed and is cut. The error is
// io.EOF after the last line, or what the input failed with: then the text of the line that broke off is lost.
func (l *Lines) Next() (text string, whole bool, err error) {
	var parts []byte
	whole, begun := true, false
	for {
		if _, err := l.in.Peek(1); err != nil {
			if begun && errors.Is(err, io.EOF) {
				l.number++
				return string(parts), whole, nil
			}
			return "", false, err
		}
		buffer, _ := l.in.Peek(l.in.Buffered())
		if l.halfCR {
			l.halfCR = false
			if buffer[0] == '\n' {
				l.in.Discard(1)
				continue
			}
		}
		begun = true
		end := lineEnd(buffer)
		piece := buffer[:max(end, 0)]
		if end < 0 {
			piece = buffer
		}
		if room := l.max - len(parts); len(piece) > room {
			piece, whole = piece[:room], false
		}
		if end < 0 {
			parts = append(parts, piece...)
			l.in.Discard(len(buffer))
			continue
		}
		text = string(piece)
		if parts != nil {
			text = string(append(parts, piece...))
		}
		l.halfCR = buffer[end] == '\r'
		l.in.Discard(end + 1)
		l.number++
		return text, whole, nil
	}
}

// lineEnd returns the place of the first LF or CR, -1 for none.
func lineEnd(b []byte) int {
	end := bytes.IndexByte(b, '\n')
	if end >= 0 {
		b = b[:end]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return end
}
