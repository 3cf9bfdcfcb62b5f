package signin

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// What a password has to be, by NIST SP 800-63B §3.1.1: long enough, not one that everybody tries
// first, not made of one's own name; and nothing about which characters are in it.
const (
	passwordLeast = 12
	passwordMost  = 1024 // bytes; nobody is to make us hash a book
)

// commonest are the passwords that leaks hold most often, in lower case, one a line; see
// docs/decisions for where they come from.
//
//go:embed commonest.txt.gz
var commonest []byte

var commonPasswords = sync.OnceValue(func() map[string]bool {
	r, err := gzip.NewReader(bytes.NewReader(commonest))
	if err != nil {
		panic("muster: the list of common passwords: " + err.Error())
	}
	text, err := io.ReadAll(r)
	if err != nil {
		panic("muster: the list of common passwords: " + err.Error())
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		known[strings.TrimSuffix(line, "\n")] = true
	}
	return known
})

// CheckPassword refuses a password that is too easy to guess for an administrator of that name.
func CheckPassword(password, name string) error {
	weak := func(why string) error {
		return &Refusal{Reason: why, Next: "Take another one: several words that do not belong together are easy to remember."}
	}
	plain := strings.ToLower(norm.NFKC.String(password))
	switch n := utf8.RuneCountInString(plain); {
	case !utf8.ValidString(password):
		return weak("The password is not text")
	case n < passwordLeast:
		return weak(fmt.Sprintf("The password has %d characters, and needs at least %d", n, passwordLeast))
	case len(password) > passwordMost:
		return &Refusal{Reason: "The password is too long", Next: fmt.Sprintf("At most %d bytes are taken.", passwordMost)}
	}
	// Digits and signs that people hang on, because somebody once asked for them, make nothing stronger.
	core := strings.TrimFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) })
	if known := commonPasswords(); known[plain] || known[core] && len(plain)-len(core) <= 6 {
		return weak("The password, or one much like it, is among those that everybody tries first")
	}
	rest := plain
	for _, word := range append(strings.FieldsFunc(strings.ToLower(norm.NFKC.String(name)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), "muster", "password") {
		if len(word) >= 3 {
			rest = strings.ReplaceAll(rest, word, "")
		}
	}
	distinct := map[rune]bool{}
	for _, r := range rest {
		distinct[r] = true
	}
	if utf8.RuneCountInString(rest) < 8 || len(distinct) < 5 {
		return weak("The password is hardly more than a name or a few characters over and over")
	}
	return nil
}
