package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
)

// Options say which server is talked to, and how.
type Options struct {
	Server    string // URL, with a path where a proxy puts Muster below one
	Token     string
	AllowHTTP bool   // send the token without TLS beyond loopback, too
	Version   string // of this program, for the User-Agent
}

// Client is a desk at a server. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	token   string
	version string
	http    *http.Client
}

// New returns the client of a server; it sends nothing yet.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(o.Server, "/"))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, usage("--server is no address: "+legible(o.Server), "write it as https://muster.example.org")
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, usage("--server holds more than an address", "write it as https://muster.example.org, and give the token with --token or MUSTER_TOKEN")
	}
	if base.Scheme == "http" && !o.AllowHTTP && !loopback(base.Hostname()) {
		return nil, usage("the token would go to "+base.Host+" in clear text", "use https, or say --plain-http when the network between is your own")
	}
	if strings.TrimSpace(o.Token) == "" {
		return nil, &admin.Problem{Exit: admin.ExitTarget, Code: "unauthorized", Message: "there is no token for " + base.Host, Next: "an owner makes one in the console, or with `muster token create` on the server's data directory before it starts; give it with MUSTER_TOKEN or --token"}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 0 // a cycle may take as long as it takes; the connection is kept alive below
	transport.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}}).DialContext
	return &Client{base: base, token: strings.TrimSpace(o.Token), version: o.Version, http: &http.Client{
		Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// legible is an address without what may be a password.
func legible(address string) string {
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		return "…" + address[i:]
	}
	return address
}

func usage(message, next string) *admin.Problem {
	return &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: message, Next: next}
}

// request is one request to the API.
type request struct {
	method string
	path   []string // below the prefix; each part is escaped
	query  url.Values
	body   any       // sent as JSON, unless it is a stream
	stream io.Reader // with its type
	kind   string
	accept string
}

// send sends a request and returns the answer when it is one of success. The caller closes its body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	body, kind := r.stream, r.kind
	if r.body != nil {
		b, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("writing a request: %w", err)
		}
		body, kind = bytes.NewReader(b), "application/json"
	}
	at := c.base.String() + api.Prefix
	for _, part := range r.path {
		at += "/" + url.PathEscape(part)
	}
	if len(r.query) > 0 {
		at += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, at, body)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("User-Agent", "muster/"+c.version)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.problem(res)
}

// unreachable is the problem of a server that does not answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var sent *url.Error
	if errors.As(err, &sent) {
		err = sent.Err // without the address, which names people
	}
	return &admin.Problem{Exit: admin.ExitTarget, Code: "server_unreachable", Message: fmt.Sprintf("the server %s cannot be reached: %v", c.base.Host, err), Next: "check --server, and that `muster serve` runs there", Err: err}
}

// answerLimit bounds what is read of an answer that is no stream.
const answerLimit = 256 << 20

// problem reads why a request was refused.
func (c *Client) problem(res *http.Response) error {
	var p api.Problem
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") && json.Unmarshal(b, &p) == nil && p.Code != "" {
		return problemOf(p)
	}
	if to := res.Header.Get("Location"); res.StatusCode >= 300 && res.StatusCode < 400 && to != "" {
		where := "elsewhere"
		if u, err := c.base.Parse(to); err == nil {
			where = u.Scheme + "://" + u.Host
		}
		return &admin.Problem{Exit: admin.ExitTarget, Code: "server_wrong", Message: fmt.Sprintf("%s sends elsewhere, to %s; the token was not sent there", c.base.Host, where), Next: "give the address itself with --server"}
	}
	return &admin.Problem{Exit: admin.ExitTarget, Code: "server_wrong", Message: fmt.Sprintf("what answers at %s is no Muster (%s)", c.base.Host, res.Status), Next: "check --server; a proxy in front must pass " + api.Prefix + " on"}
}

// problemOf makes of a problem of the API what it was at the server's desk.
func problemOf(p api.Problem) *admin.Problem {
	exit := p.Exit
	if exit < admin.ExitInternal || exit > admin.ExitTarget {
		exit = admin.ExitInternal
	}
	return &admin.Problem{Exit: exit, Code: p.Code, Message: p.Detail, Next: p.Next}
}

// ask sends a request and reads the answer as T.
func ask[T any](ctx context.Context, c *Client, r request) (v T, err error) {
	res, err := c.send(ctx, r)
	if err != nil {
		return v, err
	}
	defer res.Body.Close()
	return decoded[T](ctx, c, res)
}

// query makes the query of a request of names and values; empty values are left out.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// flag writes a choice for a query: the default is left out.
func flag(v bool) string {
	if v {
		return "true"
	}
	return ""
}
