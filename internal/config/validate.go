package json

import (
	"bufio"
	"bytes"
	"fmt"
)

// Bounds of one resource, so that no file makes us hold more than one large group.
const (
	maxSize  = 32 << 20 // bytes: some 300,000 members
	maxDepth = 32
)

var errSize = fmt.Errorf("it is larger than %d bytes", maxSize)

// scanner finds where values begin and end, and checks nothing else: encoding/json reads what it finds.
type scanner struct {
	in   *bufio.Reader
	line int // of the next byte
	buf  []byte
}

// peek skips white space and returns the byte that comes next.
func (s *scanner) peek() (byte, error) {
	for {
		c, err := s.in.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			s.line++
		case ' ', '\t', '\r':
		default:
			return c, s.in.UnreadByte()
		}
	}
}

// value reads the next value and returns its bytes, which are good until the next call. problem says that it is too large or too
// deep: it was read to its end nevertheless. A line break inside of a string ends the string: JSON has none there, so a quote is
// missing, and the rest of the file should not pay for it.
//
// With list given, an array that is the "Resources" of the object being read is left to it, which reads up to its closing bracket.
func (s *scanner) value(list func() error) (raw []byte, problem, err error) {
	buf, depth := s.buf[:0], 0
	inString, escaped := false, false
	stringAt, key := 0, []byte(nil) // the string that was read last, at depth 1
	defer func() { s.buf = buf[:0] }()
	for {
		if inString && !escaped {
			// Most of a file is inside of strings, and most of a string is nothing special.
			run, _ := s.in.Peek(s.in.Buffered())
			if end := bytes.IndexAny(run, "\"\\\n"); end >= 0 {
				run = run[:end]
			}
			if room := maxSize - len(buf); len(run) > room {
				buf, problem = append(buf, run[:room]...), errSize
			} else {
				buf = append(buf, run...)
			}
			s.in.Discard(len(run))
		}
		c, err := s.in.ReadByte()
		if err != nil {
			return nil, nil, err
		}
		if c == '\n' {
			s.line++
		}
		if len(buf) < maxSize {
			buf = append(buf, c)
		} else {
			problem = errSize
		}
		if inString {
			switch {
			case c == '\n':
				inString = false
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				inString = false
				if depth == 1 && problem == nil {
					key = buf[stringAt : len(buf)-1]
				}
			}
			if !inString && depth == 0 {
				return buf, problem, nil
			}
			continue
		}
		switch c {
		case '"':
			inString, escaped, stringAt = true, false, len(buf)
			continue
		case '[':
			if list != nil && depth == 1 && bytes.EqualFold(key, []byte("Resources")) {
				// What was read so far may be overwritten by the resources.
				held := bytes.Clone(buf)
				if err := list(); err != nil {
					return nil, nil, err
				}
				buf, key = append(held, ']'), nil
				continue
			}
			fallthrough
		case '{':
			if depth++; depth > maxDepth {
				problem = fmt.Errorf("it is nested deeper than %d", maxDepth)
			}
		case ']', '}':
			depth--
		case ',':
			key = nil
		}
		if depth > 0 {
			continue
		}
		if depth == 0 && (c == ']' || c == '}') || depth < 0 {
			return buf, problem, nil
		}
		// Nothing that nests: a number, a word, or what is no JSON at all. It ends before the next thing.
		next, err := s.in.Peek(1)
		if err != nil || bytes.ContainsAny(next, ",]}{[\" \t\r\n") {
			return buf, problem, nil
		}
	}
}
