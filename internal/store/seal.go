package store

import (
	"bytes"
	"context"
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

// theKey returns the key that seals secrets: the one given, else the one in the data directory. Its
// error is fs.ErrNotExist where there is no key yet, or the file has gone.
func (s *Store) theKey() ([]byte, error) {
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
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{Kind: ErrNeedsSecret, Reason: "the key " + path + " is not there", Next: "set MUSTER_KEY, or put the key file back", Err: err}
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

// sealingKey returns the key to seal a secret with. Where there is none it is a new one, which becomes
// the store's with the end of the transaction, see adoptKey.
func (tx *Tx) sealingKey() ([]byte, error) {
	key, err := tx.s.theKey()
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if tx.newKey == nil {
		tx.newKey = make([]byte, 32)
		_, _ = rand.Read(tx.newKey) // never fails
	}
	return tx.newKey, nil
}

// adoptKey writes the key of a transaction that sealed with a new one. While secrets are left that
// another key sealed, a new one beside them would hide that theirs is lost: it is refused, unless the
// transaction brought all of them again.
func (tx *Tx) adoptKey(ctx context.Context) error {
	if tx.newKey == nil {
		return nil
	}
	lost, err := rowsOf(ctx, tx, one[string], `select coalesce(a.name || ' (' || s.name || ')', s.name) from secrets s left join applications a on a.id = s.app_id
		where s.sealed not like $1 order by 1`, "v1:"+fingerprint(tx.newKey)+":%")
	if err != nil {
		return err
	}
	if len(lost) > 0 {
		return refuse(ErrNeedsSecret, "put the key file back, or set MUSTER_KEY; if the key is lost, give these secrets again too, in the same `muster config apply`",
			"the key %s is not there, and it sealed other secrets: %s", filepath.Join(tx.s.data, keyName), strings.Join(lost, ", "))
	}
	tx.s.keyOnce.Lock()
	defer tx.s.keyOnce.Unlock()
	text, err := makeKey(filepath.Join(tx.s.data, keyName), tx.newKey)
	if err != nil {
		return err
	}
	if key, err := ParseKey(string(text)); err != nil || !bytes.Equal(key, tx.newKey) {
		return refuse(ErrNeedsSecret, "do it again", "another process made a key at the same time")
	}
	tx.s.key = tx.newKey
	return nil
}

// makeKey writes a key and returns the text that is then in the file: another process's, when
// one was quicker. A link makes the whole file appear at once.
func makeKey(path string, key []byte) ([]byte, error) {
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
