package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Origin returns the scheme, host and port of an endpoint, in one spelling: what a secret is given
// for, and the only place that it may be sent to.
func Origin(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme == "" || u.User != nil {
		return "", refuse(ErrInvalid, "", "the endpoint is not a URL with scheme and host")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[strings.ToLower(u.Scheme)]
	}
	return strings.ToLower(u.Scheme) + "://" + strings.ToLower(u.Hostname()) + ":" + port, nil
}

// SetSecret seals a credential of an application for the origin of an endpoint, in place of the one
// of the same name that there was.
func (tx *Tx) SetSecret(ctx context.Context, by Actor, appID, name, endpoint, value string) error {
	origin, err := tx.keepSecret(ctx, appID, name, endpoint, value)
	if err != nil {
		return err
	}
	return tx.audit(ctx, by, "set secret", subject{"application", appID, name}, nil, map[string]any{"secret": name, "origin": origin})
}

// keepSecret seals a secret of an owner for the origin of an endpoint, and notes when it ends where it
// says so itself.
func (tx *Tx) keepSecret(ctx context.Context, owner, name, endpoint, value string) (origin string, err error) {
	if origin, err = Origin(endpoint); err != nil {
		return "", err
	}
	key, err := tx.sealingKey()
	if err != nil {
		return "", err
	}
	sealed, err := seal(key, []byte(value), sealContext(owner, name, origin))
	if err != nil {
		return "", fmt.Errorf("sealing a secret: %w", err)
	}
	return origin, tx.insert(ctx, "secrets", []string{"app_id", "name", "origin", "sealed", "expires_at"}, [][]any{{owner, name, origin, sealed, millis(ExpiryOf(value))}},
		"on conflict (app_id, name) do update set origin = excluded.origin, sealed = excluded.sealed, expires_at = excluded.expires_at")
}

// ExpiryOf returns when a token ends, where it is a JWT and says so (RFC 7519 §4.1.4); else the zero
// time. Nothing is verified: it is the target that judges the token.
func ExpiryOf(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	const year9999 = 253_402_300_800
	if json.Unmarshal(text, &claims) != nil || claims.Expires <= 0 || claims.Expires >= year9999 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Expires), 0).UTC()
}

// DropSecrets forgets credentials of an application.
func (tx *Tx) DropSecrets(ctx context.Context, appID string, names ...string) error {
	if _, err := tx.Exec(ctx, "delete from secrets where app_id = $1 and name in "+tx.in("$2"), appID, list(names)); err != nil {
		return fmt.Errorf("forgetting secrets: %w", err)
	}
	return nil
}

// SetSecret is [Tx.SetSecret] in a transaction of its own.
func (s *Store) SetSecret(ctx context.Context, by Actor, appID, name, endpoint, value string) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.SetSecret(ctx, by, appID, name, endpoint, value) })
}

func sealContext(appID, name, origin string) string {
	return strings.Join([]string{"muster secret", appID, name, origin}, "\x00")
}

// Secret returns a credential of an application to be sent to an endpoint. It is refused with
// [ErrNeedsSecret] when there is none, when it was given for another origin, and when it was sealed
// with another key.
func (s *Store) Secret(ctx context.Context, appID, name, endpoint string) (string, error) {
	origin, err := Origin(endpoint)
	if err != nil {
		return "", err
	}
	return read(ctx, s, func(tx *Tx) (string, error) {
		var given, sealed string
		err := tx.QueryRow(ctx, "select origin, sealed from secrets where app_id = $1 and name = $2", appID, name).Scan(&given, &sealed)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return "", refuse(ErrNeedsSecret, "give it with `muster config apply`", "the %s is missing", name)
		case err != nil:
			return "", fmt.Errorf("reading a secret: %w", err)
		case given != origin:
			return "", refuse(ErrNeedsSecret, "give the "+name+" again", "the %s was given for %s, and the connection now needs the %s again for %s", name, given, name, origin)
		}
		key, err := s.theKey()
		if err != nil {
			return "", err
		}
		value, err := unseal(key, sealed, sealContext(appID, name, origin))
		if err != nil {
			return "", fmt.Errorf("opening the %s: %w", name, err)
		}
		return string(value), nil
	})
}

// SecretOrigins returns the names of the secrets that an application has, each with the origin that
// it was given for.
func (tx *Tx) SecretOrigins(ctx context.Context, appID string) (map[string]string, error) {
	pairs, err := collect(func(row scanner) (p [2]string, err error) { return p, row.Scan(&p[0], &p[1]) })(
		tx.Query(ctx, "select name, origin from secrets where app_id = $1", appID))
	by := make(map[string]string, len(pairs))
	for _, p := range pairs {
		by[p[0]] = p[1]
	}
	return by, err
}

// SecretOrigins is [Tx.SecretOrigins] in a transaction of its own.
func (s *Store) SecretOrigins(ctx context.Context, appID string) (map[string]string, error) {
	return read(ctx, s, func(tx *Tx) (map[string]string, error) { return tx.SecretOrigins(ctx, appID) })
}

// SecretsMark tells whether secrets of an application were given anew: it is another text after each of
// them that was set, and tells nothing of them.
func (tx *Tx) SecretsMark(ctx context.Context, appID string, names ...string) (string, error) {
	sealed, err := collect(func(row scanner) (s string, err error) { return s, row.Scan(&s) })(
		tx.Query(ctx, "select sealed from secrets where app_id = $1 and name in "+tx.in("$2")+" order by name", appID, list(names)))
	sum := sha256.Sum256([]byte(strings.Join(sealed, "\n")))
	return hex.EncodeToString(sum[:]), err
}

// KeyFingerprint names the key that secrets are sealed with, "" when there is none yet.
func (s *Store) KeyFingerprint() (string, error) {
	key, err := s.theKey()
	if errors.Is(err, ErrNeedsSecret) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return fingerprint(key), nil
}
