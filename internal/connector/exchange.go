package connector

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// maxRedirects bounds the hops of one read.
const maxRedirects = 3

// exchange sends the request, now that it is its turn, and reads the answer into ans. It says
// whether the request may be sent again when it failed.
func (c *Client) exchange(ctx context.Context, r Request, ans *Answer, permit *Permit) (*Error, repeat) {
	attempt, cancel := context.WithTimeout(ctx, wholeTimeout)
	defer cancel()
	at, err := c.address(r)
	if err != nil {
		return &Error{Kind: Rejected, Code: CodeUnreadable, Reason: "the request cannot be put together: " + err.Error(), Err: err}, never
	}
	for hops := 0; ; hops++ {
		failed, again, next := c.roundTrip(ctx, attempt, r, at, ans, permit)
		if next == nil || hops == maxRedirects {
			return failed, again
		}
		at = next
	}
}

// roundTrip is one request and its answer. Next is where a read may follow a redirect to.
func (c *Client) roundTrip(ctx, attempt context.Context, r Request, at *url.URL, ans *Answer, permit *Permit) (failed *Error, again repeat, next *url.URL) {
	write := isWrite(r.Method)
	attempt, span := c.traced(attempt, r, ans.Requests)
	defer func() { answeredSpan(span, ans.Status, failed) }()
	ans.Status, ans.Header, ans.Body = 0, nil, nil
	var connected atomic.Bool
	req, err := c.request(httptrace.WithClientTrace(attempt, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			connected.Store(true)
			permit.start = time.Now() // connecting is no sign of a busy target
		},
	}), r, at)
	if err != nil {
		return &Error{Kind: Rejected, Code: CodeUnreadable, Reason: "the request cannot be put together: " + err.Error(), Err: err}, never, nil
	}
	start := time.Now()
	ans.Exchange = &Exchange{Method: r.Method, URL: c.redact().text(at.String()), Request: c.redact().body(r.Body), At: start}
	ans.Requests++
	c.sent.Add(1)
	defer func() { ans.Exchange.TookMS = time.Since(start).Milliseconds() }()

	res, err := c.wire.RoundTrip(req)
	if err != nil {
		failed = broken(ctx, c.base.Host, err, write, connected.Load())
		// A bad certificate or name stays bad for the next seconds; all else may be a passing fault.
		if (!write || !connected.Load()) && failed.Code != CodeTLS {
			again = afterDelay
		}
		return failed, again, nil
	}
	defer res.Body.Close()
	ans.Status, ans.Header = res.StatusCode, res.Header
	permit.told = budgets(res.Header, time.Now())
	raw, readErr := readBody(res, r.List)
	raw = c.redact().answer(raw)
	ans.Exchange.Status, ans.Exchange.Header, ans.Exchange.Response = res.StatusCode, c.shown(res.Header), c.redact().body(raw)

	if res.StatusCode/100 != 2 {
		body, _ := decode(raw) // an unreadable refusal is a refusal all the same
		failed = refused(c.base.Host, res.StatusCode, body, write)
		if !strings.Contains(r.Path, "/") {
			failed.noCollection(c.base.Host)
		}
		if res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable {
			failed.RetryAfter = retryAfter(res.Header, time.Now())
			if failed.RetryAfter == 0 && res.StatusCode == http.StatusTooManyRequests {
				failed.RetryAfter = usedUp(permit.told)
			}
		}
		if c.refine != nil {
			c.refine(failed, body)
		}
		return failed, repeatable(failed, write), c.follow(res, write)
	}
	if readErr == nil {
		ans.Body, readErr = decode(raw)
	}
	switch {
	case readErr == nil:
		return nil, never, nil
	case errors.Is(readErr, errTooLarge) || errors.Is(readErr, errTooDeep) || errors.Is(readErr, errTooMany):
		return unusable(c.base.Host, res.StatusCode, readErr, write), never, nil
	case errors.Is(readErr, errNotJSON):
		failed = unusable(c.base.Host, res.StatusCode, readErr, write)
	default:
		failed = broken(ctx, c.base.Host, readErr, write, true)
		failed.Status = res.StatusCode
	}
	if !write {
		again = afterDelay
	}
	return failed, again, nil
}

// repeatable says whether a refused request may be sent again by itself. A write is repeated only
// after 429, which says that nothing was done; 503 says it of the gateway that answers it, not of
// what stands behind.
func repeatable(e *Error, write bool) repeat {
	switch {
	case e.Status == http.StatusTooManyRequests:
		return afterPause
	case e.Status == http.StatusServiceUnavailable && e.RetryAfter > 0 && !write:
		return afterPause
	case e.Kind == Unavailable && e.Code != CodeRedirected && !write:
		return afterDelay
	}
	return never
}

// follow returns where a redirected read may go: to the same scheme, host and port, with the
// credentials that were meant for it. Nil is nowhere.
func (c *Client) follow(res *http.Response, write bool) *url.URL {
	if write || res.StatusCode/100 != 3 {
		return nil
	}
	to, err := res.Location()
	if err != nil || to.Scheme != c.base.Scheme || !strings.EqualFold(to.Host, c.base.Host) || to.User != nil {
		return nil
	}
	return to
}

var errTooLarge = errors.New("it is larger than is read")

// readBody reads the body up to its bound and leaves the connection ready for the next request.
func readBody(res *http.Response, list bool) ([]byte, error) {
	limit := int64(OtherBytes)
	switch {
	case res.StatusCode/100 != 2:
		limit = errorBytes
	case list:
		limit = ListBytes
	}
	if res.ContentLength > limit {
		return nil, errTooLarge
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if int64(len(b)) > limit {
		return b[:limit], errTooLarge
	}
	return b, err
}

// shown picks the headers of an answer that help to understand it.
func (c *Client) shown(h http.Header) map[string]string {
	var out map[string]string
	for _, name := range []string{"Content-Type", "Location", "Retry-After", "X-Request-Id", "X-Slack-Req-Id", "Www-Authenticate"} {
		if v := h.Get(name); v != "" {
			if out == nil {
				out = map[string]string{}
			}
			out[name] = c.redact().text(plain(v, 300))
		}
	}
	return out
}
