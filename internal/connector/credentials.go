package connector

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/muster-id/muster/internal/provision"
)

// Token is what a token endpoint gave.
type Token struct {
	Access  string    `json:"access"`
	Refresh string    `json:"refresh,omitempty"`
	Expires time.Time `json:"expires,omitzero"` // of Access; zero for never, as far as is known
}

// early is how long before its end an access token is renewed, so that no request carries one that ends on
// the way.
const early = 30 * time.Second

func (t Token) good(now time.Time) bool {
	return t.Access != "" && (t.Expires.IsZero() || now.Before(t.Expires.Add(-early)))
}

// CredentialOptions are what [Credentials] are made from.
type CredentialOptions struct {
	Connection provision.Connection
	Secrets    map[string]string // by name, see provision.Auth.Secrets
	OAuth      OAuth             // how the target's OAuth departs from RFC 6749
	Token      Token             // what was got before

	// Renew lets one process at a time get a new token. It is called with the token that is no good any
	// more; it calls fetch with the newest that there is, unless another process has got a better one
	// meanwhile, and keeps what fetch returns before it returns it: a refresh token may work only once. nil
	// keeps nothing.
	Renew func(ctx context.Context, old Token, fetch func(ctx context.Context, newest Token) (Token, error)) (Token, error)
}

// Credentials put themselves on every request of a connection. Those that end renew themselves, one
// request for a token at a time. They are safe for concurrent use.
type Credentials struct {
	header  string
	prefix  string
	source  *source // nil for those that stay
	options CredentialOptions
	turn    chan struct{} // one renewal at a time
	token   atomic.Pointer[Token]
	hidden  atomic.Pointer[redactor]
	secrets []string
}

// NewCredentials checks and makes the credentials of a connection; it sends nothing.
func NewCredentials(o CredentialOptions) (*Credentials, error) {
	auth := o.Connection.Auth
	c := &Credentials{header: "Authorization", prefix: "Bearer ", options: o, turn: make(chan struct{}, 1)}
	token := o.Token
	for _, s := range o.Secrets {
		c.secrets = append(c.secrets, s)
	}
	switch auth.Type {
	case "", provision.Bearer:
		token = Token{Access: o.Secrets[provision.SecretToken]}
	case provision.Header:
		if c.header = auth.Header; !httpguts.ValidHeaderFieldName(auth.Header) {
			return nil, fmt.Errorf("connection.auth.header %q is no name of a header", auth.Header)
		}
		c.prefix, token = "", Token{Access: o.Secrets[provision.SecretToken]}
	case provision.Basic:
		c.prefix = "Basic "
		token = Token{Access: base64.StdEncoding.EncodeToString([]byte(auth.Username + ":" + o.Secrets[provision.SecretPassword]))}
	default:
		var err error
		if c.source, err = newSource(o); err != nil {
			return nil, err
		}
	}
	if strings.ContainsFunc(token.Access, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token holds spaces or characters that no token has; copy it again")
	}
	c.set(token)
	return c, nil
}

// bearer are the credentials of a pasted token.
func bearer(connection provision.Connection, token string) (*Credentials, error) {
	return NewCredentials(CredentialOptions{Connection: connection, Secrets: map[string]string{provision.SecretToken: token}})
}

// set takes a token into use. The one before stays hidden in what is shown: it may still be echoed.
func (c *Credentials) set(t Token) {
	for _, s := range []string{t.Access, t.Refresh} {
		if s != "" {
			c.secrets = append(c.secrets, s)
		}
	}
	hidden := newRedactor(c.secrets...)
	c.hidden.Store(&hidden)
	c.token.Store(&t)
}

// Token returns the token in use.
func (c *Credentials) Token() Token { return *c.token.Load() }

// ready returns a token that is good, and gets one first where there is none.
func (c *Credentials) ready(ctx context.Context) (Token, *Error) {
	t := c.Token()
	if c.source == nil || t.good(time.Now()) {
		return t, nil
	}
	return c.renew(ctx, t)
}

// renew gets another token than one that is no good any more. Whoever comes while another gets it, waits
// for that one.
func (c *Credentials) renew(ctx context.Context, old Token) (Token, *Error) {
	host := c.source.at.Host
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return Token{}, broken(ctx, host, ctx.Err(), false, false)
	}
	if now := c.Token(); now.Access != old.Access && now.good(time.Now()) {
		return now, nil
	}
	fetch := func(ctx context.Context, newest Token) (Token, error) {
		t, failed := c.source.fetch(ctx, newest)
		if failed != nil {
			failed.Reason = c.hidden.Load().text(failed.Reason)
			return Token{}, failed
		}
		return t, nil
	}
	renewed := c.options.Renew
	if renewed == nil {
		renewed = func(ctx context.Context, old Token, fetch func(context.Context, Token) (Token, error)) (Token, error) {
			return fetch(ctx, old)
		}
	}
	t, err := renewed(ctx, old, fetch)
	if err != nil {
		var failed *Error
		if !errors.As(err, &failed) {
			failed = broken(ctx, host, err, false, false)
			failed.Reason = "a new token could not be got: " + plain(c.hidden.Load().text(err.Error()), 300)
		}
		return Token{}, failed
	}
	c.set(t)
	return t, nil
}

// put sets the header of a request.
func (c *Credentials) put(h http.Header, t Token) {
	if t.Access != "" {
		h.Set(c.header, c.prefix+t.Access)
	}
}
