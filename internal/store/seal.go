package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keyName is the file in the data directory that holds the key, in base64.
const keyName = "muster.key"

// ParseKey reads a key of 32 bytes in base64 or hexadecimal digits, as in MUSTER_KEY.
func ParseKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	decoders := []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	}
	for _, decode := range decoders {
		if key, err := decode(text); err == nil && len(key) == 32 {
			return key, nil
		}
	}
	return nil, refuse(ErrInvalid, "`openssl rand -base64 32` makes one", "the key is not 32 bytes in base64 or hexadecimal digits")
}

// fingerprint names a key without telling it.
func fingerprint(key []byte) string {
	sum := sha256.Sum256(append([]byte("muster key "), key...))
	return hex.EncodeToString(sum[:6])
}

// theKey returns the key that seals secrets: the one given, else the one in the data directory,
// which is made when make is set.
func (s *Store) theKey(create bool) ([]byte, error) {
	s.keyOnce.Lock()
	defer s.keyOnce.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	if s.data == "" {
		return nil, refuse(ErrNeedsSecret, "set MUSTER_KEY, or name a data directory with --data", "there is no key to seal secrets with")
	}
	path := filepath.Join(s.data, keyName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		if text, err = makeKey(path); err != nil {
			return nil, err
		}
	} else if errors.Is(err, fs.ErrNotExist) {
		return nil, refuse(ErrNeedsSecret, "set MUSTER_KEY, or put the key file back", "the key %s is not there", path)
	} else if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return nil, &Error{Kind: ErrNeedsSecret, Reason: "the key file " + path + " is damaged", Next: "put the right one back, or set MUSTER_KEY", Err: err}
	}
	s.key = key
	return key, nil
}

// makeKey writes a new key and returns the text that is then in the file: another process's, when
// one was quicker. A link makes the whole file appear at once.
func makeKey(path string) ([]byte, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the key's directory: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), keyName+".*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("making the key: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n"); err != nil {
		return nil, fmt.Errorf("making the key: %w", err)
	}
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("making the key: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the key: %w", err)
	}
	return os.ReadFile(path)
}

// seal encrypts a value so that it opens only beside the same context (whose it is, what for and
// for where), and puts the fingerprint of the key before it: "v1:FINGERPRINT:BASE64".
func seal(key, value []byte, context string) (string, error) {
	box, err := newBox(key)
	if err != nil {
		return "", err
	}
	sealed := box.Seal(nil, nil, value, []byte(context))
	return "v1:" + fingerprint(key) + ":" + base64.StdEncoding.EncodeToString(sealed), nil
}

// unseal is the reverse of seal. The error never holds the value.
func unseal(key []byte, text, context string) ([]byte, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) != 3 || parts[0] != "v1" {
		return nil, errors.New("the sealed secret is in no known form")
	}
	if have := fingerprint(key); parts[1] != have {
		return nil, refuse(ErrNeedsSecret, "give the right key in MUSTER_KEY, or the secret again", "the secret was sealed with the key %s, and the key at hand is %s", parts[1], have)
	}
	sealed, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, errors.New("the sealed secret is damaged")
	}
	box, err := newBox(key)
	if err != nil {
		return nil, err
	}
	value, err := box.Open(nil, nil, sealed, []byte(context))
	if err != nil {
		return nil, errors.New("the sealed secret is damaged, or was moved from where it belongs")
	}
	return value, nil
}

// newBox returns AES-256-GCM that chooses a random nonce and keeps it before the text.
func newBox(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("using the key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
