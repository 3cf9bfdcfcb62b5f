package connector

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/muster-id/muster/internal/provision"
)

// Times that a target is given.
const (
	connectTimeout = 10 * time.Second
	headerTimeout  = 30 * time.Second
	wholeTimeout   = 60 * time.Second // of one attempt, from its turn to the last byte of the answer
	maxPatience    = 5 * time.Minute  // of one request, for all the pauses that the target asks for
	maxPause       = time.Hour        // of the connection, whatever the target asks for
	maxRepeats     = 3                // of a request that may be repeated
)

// Options are what a [Client] is made from.
type Options struct {
	Connection provision.Connection // endpoint, allow_http, ca_file, auth.type
	Token      string               // the secret of bearer, where there are no Credentials
	// Credentials of the connection; nil is a bearer of Token.
	Credentials *Credentials
	Limiter     *Limiter // of the connection; nil makes one without buckets
	Version     string   // Muster's, for the User-Agent
	Accept      string   // "" is SCIM, else JSON

	// Refine may put a refusal into the target's own terms, by the codes of its documentation, before
	// anyone sees it; nil leaves it as RFC 7644 has it. Body is the decoded answer.
	Refine func(e *Error, body any)
}

// Client sends every request of one connection: paced by its [Limiter], with its credentials and to
// its endpoint alone, bounded in time and memory whatever the target answers, and with all
// secrets hidden in what it returns. It is safe for concurrent use.
//
// It repeats by itself what may be repeated: requests that were throttled, reads, and writes that
// provably never left. Every other failed write is an *[Error] that says in Unknown whether it may
// have been carried out.
type Client struct {
	wire        *http.Transport // without an http.Client: redirects are followed by our rules alone
	base        *url.URL        // ends in a slash
	credentials *Credentials
	limiter     *Limiter
	agent       string
	accept      string
	refine      func(*Error, any)
	accounts    int // the most that a walk reads, see [Census]
	sent        atomic.Int64
}

// NewClient checks the connection and makes its client; it sends nothing.
func NewClient(o Options) (*Client, error) {
	base, err := endpoint(o.Connection)
	if err != nil {
		return nil, err
	}
	if o.Credentials == nil {
		if kind := o.Connection.Auth.Type; kind != "" && kind != provision.Bearer {
			return nil, fmt.Errorf("connection.auth.type %q needs credentials of its own", kind)
		}
		if o.Credentials, err = bearer(o.Connection, o.Token); err != nil {
			return nil, err
		}
	}
	trusted, err := Authorities(o.Connection.CAFile)
	if err != nil {
		return nil, fmt.Errorf("connection.ca_file: %w", err)
	}
	if o.Limiter == nil {
		o.Limiter = NewLimiter(Limits{})
	}
	if o.Accept == "" {
		o.Accept = "application/scim+json, application/json"
	}
	version := o.Version
	if version == "" {
		version = "dev"
	}
	most := o.Limiter.window.most + 1 // one more for a removal
	return &Client{
		wire: transport(trusted, most, o.Connection.AllowLinkLocal), base: base, credentials: o.Credentials, limiter: o.Limiter, agent: "Muster/" + version, accept: o.Accept,
		refine: o.Refine, accounts: cmp.Or(o.Connection.Limits.Accounts, mostAccounts),
	}, nil
}

// transport makes the connections to one host, most at a time.
func transport(trusted *x509.CertPool, most int, allowLinkLocal bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second, Control: Guard(allowLinkLocal)}).DialContext,
		// HTTP/2 would put every request of the connection behind one lost packet, and its
		// retries could repeat a write that was carried out.
		Protocols:             protocols,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted},
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: headerTimeout,
		MaxConnsPerHost:       most,
		MaxIdleConns:          most,
		MaxIdleConnsPerHost:   most,
		IdleConnTimeout:       30 * time.Second,
		// Without compression a small answer cannot unfold into a large one.
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// endpoint reads and checks the address of a connection.
func endpoint(c provision.Connection) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(c.Endpoint))
	switch {
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("connection.endpoint %q is no address such as https://example.org/scim/v2/", c.Endpoint)
	case u.User != nil:
		return nil, errors.New("connection.endpoint holds a name or a password; credentials belong into connection.auth")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("connection.endpoint %q must end with its path", c.Endpoint)
	case u.Scheme == "http" && !c.AllowHTTP && !Loopback(u.Hostname()):
		return nil, fmt.Errorf("connection.endpoint %q is not encrypted: use https, or set connection.allow_http", c.Endpoint)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("connection.endpoint %q must begin with https://", c.Endpoint)
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil { // a proxy would dial it for us
		if err := Guard(c.AllowLinkLocal)("tcp", netip.AddrPortFrom(a, 443).String(), nil); err != nil {
			return nil, fmt.Errorf("connection.endpoint: %w; where the target really is there, connection.allow_link_local allows it", err)
		}
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return u, nil
}

// Loopback reports whether a host is this machine itself, by name or address.
func Loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.IsLoopback()
}

// authoritiesBytes bounds a file of certificate authorities: those of a whole system take some 200 kB.
const authoritiesBytes = 8 << 20

// Authorities returns the system's certificate authorities and those of a PEM file; nil, for the
// system's alone, without a file.
func Authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	// Not everything that has a name ends: a device would fill the memory, a pipe would wait for ever.
	if info, err := os.Stat(file); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() || info.Size() > authoritiesBytes {
		return nil, fmt.Errorf("%s is no file of certificates", file)
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// Host returns the target's host, for messages.
func (c *Client) Host() string { return c.base.Host }

// Limiter returns the limiter that the client sends through.
func (c *Client) Limiter() *Limiter { return c.limiter }

// Requests returns how many requests were sent since the client was made, repeats included.
func (c *Client) Requests() int64 { return c.sent.Load() }

// Close closes the idle connections.
func (c *Client) Close() { c.wire.CloseIdleConnections() }

// Request is one request to the target.
type Request struct {
	Method      string
	Path        string // below the endpoint, each segment escaped: "Users", "Users/U123"
	Query       url.Values
	Body        []byte // JSON, nil for none
	ContentType string // of Body; "" is application/scim+json
	Urgency     Urgency
	List        bool // the answer may be as large as [ListBytes]
	Once        bool // do not repeat, and do not wait out a pause

	token   Token // that it goes out with
	renewed bool  // after a refusal
}

// Answer is what came back.
type Answer struct {
	Status   int
	Header   http.Header
	Body     any // decoded JSON; nil when the answer has none
	Requests int // sent for it, repeats and followed redirects included
	Exchange *Exchange
}

// Do sends a request and returns its answer. The answer is never nil; beside an error it holds what
// is known: the number of requests and the last exchange. The error is always an *[Error].
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	ans := &Answer{}
	patience := maxPatience
	if r.Once {
		patience = 0
	}
	delays := &backoff.ExponentialBackOff{
		InitialInterval: 250 * time.Millisecond, Multiplier: 2.5, RandomizationFactor: 0.4, MaxInterval: 30 * time.Second,
	}
	delays.Reset()
	var owed time.Duration // of patience, for the pause that the next attempt begins with
	for repeats := 0; ; {
		failed, again := c.attempt(ctx, r, ans, patience)
		patience, owed = patience-owed, 0
		if failed == nil {
			return ans, nil
		}
		if again == afterRenewal {
			r.renewed = true
			continue
		}
		delay := max(delays.NextBackOff(), failed.RetryAfter)
		if again == afterPause {
			delay = max(delay, time.Second) // who throttles and doesn't say for how long
		}
		if again == afterPause || failed.RetryAfter > 0 {
			// The pause is the limiter's: it holds back everyone, and this request with them.
			c.limiter.Pause(time.Now().Add(min(delay, maxPause)))
		}
		if r.Once || again == never || failed.Kind == Canceled {
			return ans, c.finish(failed, ans)
		}
		if again == afterPause {
			if owed = delay; owed > patience {
				return ans, c.finish(failed, ans)
			}
			continue
		}
		if repeats++; repeats > maxRepeats {
			return ans, c.finish(failed, ans)
		}
		select {
		case <-time.After(delay):
		case <-gateOf(ctx).begin(ctx).Done():
			return ans, c.finish(failed, ans)
		}
	}
}

// redact hides the credentials, also such as were renewed meanwhile.
func (c *Client) redact() *redactor { return c.credentials.hidden.Load() }

// finish completes an error for whoever reads it.
func (c *Client) finish(e *Error, ans *Answer) *Error {
	if e.Exchange == nil {
		e.Exchange = ans.Exchange
	}
	e.Reason, e.Code = c.redact().text(e.Reason), c.redact().text(e.Code)
	return e
}

// repeat says whether a failed request may be sent again.
type repeat int

const (
	never repeat = iota
	afterDelay
	afterPause   // of the whole connection
	afterRenewal // of the credentials, once
)

// attempt sends the request once, following redirects of reads within the endpoint's origin.
func (c *Client) attempt(ctx context.Context, r Request, ans *Answer, patience time.Duration) (*Error, repeat) {
	token, refused := c.credentials.ready(ctx)
	if refused != nil {
		return refused, never
	}
	r.token = token
	gate := gateOf(ctx)
	permit, err := c.limiter.Acquire(gate.begin(ctx), r.Method, r.Path, r.Urgency, patience)
	if err == nil {
		if err = gate.check(); err != nil {
			permit.Done(false, false)
		}
	}
	if err != nil {
		var paused *PausedError
		if errors.As(err, &paused) {
			return &Error{
				Kind: Unavailable, Code: CodeThrottled, RetryAfter: time.Until(paused.Until), Err: err,
				Reason: c.base.Host + " asked for a pause until " + paused.Until.UTC().Format(time.RFC3339),
				Advice: "It is tried again by itself after that.",
			}, never
		}
		if gate.closed(ctx) {
			return &Error{Kind: Canceled, Code: CodeCanceled, Reason: "the request to " + c.base.Host + " was not sent any more", Err: err}, never
		}
		return broken(ctx, c.base.Host, err, isWrite(r.Method), false), never
	}
	failed, again := c.exchange(ctx, r, ans, permit)
	throttled := failed != nil && failed.Status == http.StatusTooManyRequests
	permit.Done(throttled, failed != nil && failed.Kind == Unavailable && failed.Code != CodeRedirected)
	if failed != nil && failed.Status == http.StatusUnauthorized && c.credentials.source != nil && !r.renewed {
		// The token ended before its time, or on the way: nothing was done, and another one may be good.
		if _, refused := c.credentials.renew(ctx, token); refused != nil {
			refused.Exchange = failed.Exchange
			return refused, never
		}
		again = afterRenewal
	}
	return failed, again
}

// request puts one HTTP request together.
func (c *Client) request(ctx context.Context, r Request, at *url.URL) (*http.Request, error) {
	var body io.Reader = http.NoBody
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, at.String(), body)
	if err != nil {
		return nil, err
	}
	if r.Body != nil {
		kind := r.ContentType
		if kind == "" {
			kind = "application/scim+json"
		}
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Accept", c.accept)
	req.Header.Set("User-Agent", c.agent)
	c.credentials.put(req.Header, r.token)
	return req, nil
}

// address returns the URL of a path below the endpoint.
func (c *Client) address(r Request) (*url.URL, error) {
	u, err := url.Parse(c.base.String() + r.Path)
	if err != nil {
		return nil, err
	}
	if u.Host != c.base.Host || !strings.HasPrefix(u.EscapedPath(), c.base.EscapedPath()) {
		return nil, fmt.Errorf("%q leaves the endpoint", r.Path)
	}
	u.RawQuery = strings.ReplaceAll(r.Query.Encode(), "+", "%20") // some servers take + for itself
	return u, nil
}
