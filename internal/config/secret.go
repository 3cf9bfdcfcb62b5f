package config

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/provision"
)

// Secret is a credential on its way into the store. Whatever prints it prints "[secret]"; only
// [Secret.Reveal] gives it away.
type Secret struct{ value string }

// Reveal returns the secret itself, for sealing.
func (s Secret) Reveal() string { return s.value }

// Format hides the secret from every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// maxSecret bounds a secret, and the file that holds one.
const maxSecret = 64 << 10

// fileSecret turns the content of a file into a secret: the newline that editors leave at the end
// is not part of it.
func fileSecret(content []byte) string { return strings.TrimRight(string(content), "\r\n") }

// checkSecret says what is wrong with a secret, in words that don't hold it, and what to do.
func checkSecret(name, secret string) (message, hint string) {
	what := strings.ReplaceAll(name, "_", " ")
	switch {
	case secret == "":
		return "the " + what + " is empty", "leave the key out to keep the sealed one"
	case len(secret) > maxSecret:
		return "the " + what + " is longer than 64 KiB", "is it the right file?"
	case name == provision.SecretKey:
		if err := connector.CheckKey(secret); err != nil {
			return err.Error(), "write file:PATH of the PEM file"
		}
	case name == provision.SecretToken:
		return checkToken(secret)
	}
	return "", ""
}

// checkToken is checkSecret for a token: RFC 6750 §2.1 allows only visible ASCII.
func checkToken(token string) (message, hint string) {
	switch {
	case len(token) > 7 && strings.EqualFold(token[:7], "bearer "):
		return `the token begins with "Bearer"`, "give the token alone; Muster adds the word"
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII }):
		return "the token holds a space, a line break or a letter outside ASCII", "copy it again, without quotes or line breaks"
	}
	return "", ""
}
