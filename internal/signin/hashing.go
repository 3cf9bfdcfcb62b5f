package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Hashing is what working on one password costs. It stands in every hash, so that it can be raised:
// who signs in next gets a hash at the new cost.
type Hashing struct {
	MemoryKiB uint32
	Passes    uint32
	Threads   uint8
}

// orDefault is 19 MiB and two passes, the least that OWASP's cheat sheet for passwords advises; about
// 60 ms on a small machine.
func (h Hashing) orDefault() Hashing {
	if h == (Hashing{}) {
		return Hashing{MemoryKiB: 19 * 1024, Passes: 2, Threads: 1}
	}
	return h
}

const (
	saltBytes = 16
	hashBytes = 32
)

var encoding = base64.RawStdEncoding

// hash returns the argon2id hash of a password in the usual form, with its cost and salt:
// $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH. Passwords that look the same are the same (NFKC).
func (h Hashing) hash(password string) string {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	sum := argon2.IDKey(norm.NFKC.Bytes([]byte(password)), salt, h.Passes, h.MemoryKiB, h.Threads, hashBytes)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.MemoryKiB, h.Passes, h.Threads, encoding.EncodeToString(salt), encoding.EncodeToString(sum))
}

// parsed is a hash taken apart.
type parsed struct {
	Hashing
	salt, sum []byte
}

var errHash = errors.New("the password's hash is in no known form")

// parseHash reads what hash wrote, at any cost that is not absurd.
func parseHash(text string) (p parsed, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, errHash
	}
	var rest string
	n, _ := fmt.Sscanf(parts[3]+"\n", "m=%d,t=%d,p=%d%s", &p.MemoryKiB, &p.Passes, &p.Threads, &rest)
	if n != 3 || p.MemoryKiB < 8 || p.MemoryKiB > 1<<20 || p.Passes < 1 || p.Passes > 64 || p.Threads < 1 {
		return p, errHash
	}
	for part, into := range map[string]*[]byte{parts[4]: &p.salt, parts[5]: &p.sum} {
		if *into, err = encoding.DecodeString(part); err != nil || len(*into) < 8 || len(*into) > 64 {
			return p, errHash
		}
	}
	return p, nil
}

// matches reports whether a password has the hash.
func (p parsed) matches(password string) bool {
	sum := argon2.IDKey(norm.NFKC.Bytes([]byte(password)), p.salt, p.Passes, p.MemoryKiB, p.Threads, uint32(len(p.sum)))
	return subtle.ConstantTimeCompare(sum, p.sum) == 1
}

// verify compares a password with a hash, with the decoy when there is none: that takes as long.
// better is another hash to keep instead, at today's cost, or "".
func (g *Gate) verify(ctx context.Context, password, hash string) (ok bool, better string, err error) {
	known := hash != ""
	if !known {
		hash = g.decoy
	}
	p, err := parseHash(hash)
	if err != nil {
		return false, "", err
	}
	if err := g.work(ctx, func() {
		if ok = p.matches(password) && known; ok && p.Hashing != g.hashing {
			better = g.hashing.hash(password)
		}
	}); err != nil {
		return false, "", err
	}
	return ok, better, nil
}

// hashOf returns the hash of a new password.
func (g *Gate) hashOf(ctx context.Context, password string) (hash string, err error) {
	return hash, g.work(ctx, func() { hash = g.hashing.hash(password) })
}

// work waits for a place among those who work on passwords.
func (g *Gate) work(ctx context.Context, fn func()) error {
	select {
	case g.hashes <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.hashes }()
	fn()
	return nil
}
