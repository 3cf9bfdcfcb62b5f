package directory

import (
	"strings"
	"unicode/utf8"
)

// CleanText reports whether a text can be a value: UTF-8 without NUL, which no database of ours and
// no target takes.
func CleanText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }
