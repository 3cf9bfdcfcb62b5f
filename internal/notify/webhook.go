package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/store"
)

// body is what is posted. Its form and its signature follow https://www.standardwebhooks.com.
type body struct {
	Type      string    `json:"type"` // notice.quarantine, notice.held, …, test
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	Notices []store.Event `json:"notices"`
	More    int           `json:"more,omitempty"` // notices that are only counted
}

// secretPrefix marks the secret of a webhook.
const secretPrefix = "whsec_"

// NewSecret returns a secret that signs what is posted to a webhook.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// CheckWebhook judges the address of a webhook before it is saved.
func CheckWebhook(w store.Webhook) error {
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Host == "" || strings.ContainsFunc(w.URL, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return errors.New("that is no address such as https://hooks.example.org/muster")
	case u.User != nil:
		return errors.New("the address holds a name or a password, which would be shown in lists")
	case u.Fragment != "":
		return errors.New("the address ends in a #fragment, which is never sent")
	case u.Scheme == "http" && !w.AllowHTTP && !connector.Loopback(u.Hostname()):
		return errors.New("what is posted to it would not be encrypted: use https, or allow http")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the address must begin with https://")
	}
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if u.Port() != "" {
		port = u.Port()
	}
	// An address is judged at once; what a name resolves to is judged each time it is dialed.
	if net.ParseIP(u.Hostname()) != nil {
		return connector.Guard(w.AllowLinkLocal)("tcp", net.JoinHostPort(u.Hostname(), port), nil)
	}
	return nil
}

// sign returns the signature of a body: HMAC-SHA256 over id, time and body.
func sign(secret, id string, at time.Time, text []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil || len(key) == 0 {
		return "", errors.New("the webhook's secret is damaged: remove the webhook and add it again")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(text)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// post sends one body to a webhook. Only an answer from 200 to 299 means that it was received.
func (d *Deliverer) post(ctx context.Context, w store.Webhook, id string, b body) error {
	address, secret, err := d.Store.OpenWebhook(ctx, w)
	if err != nil {
		return fmt.Errorf("webhook %s: %w", w.Name, err)
	}
	w.URL = address
	if err := CheckWebhook(w); err != nil {
		return fmt.Errorf("webhook %s: %w", w.Name, err)
	}
	now := d.Store.Now()
	b.Timestamp = now
	if b.Data.Notices == nil {
		b.Data.Notices = []store.Event{}
	}
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("writing a message: %w", err)
	}
	signature, err := sign(secret, id, now, text)
	if err != nil {
		return fmt.Errorf("webhook %s: %w", w.Name, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("webhook %s: the address cannot be used", w.Name)
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Muster/" + d.Version},
		"Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Webhook-Signature": {signature},
	}
	wire := transport(w)
	defer wire.CloseIdleConnections()
	answer, err := wire.RoundTrip(req) // without a client: a redirect would carry the message elsewhere
	if err != nil {
		return fmt.Errorf("webhook %s: %w", w.Name, withoutURL(err))
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	switch {
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
		return nil
	case answer.StatusCode == http.StatusGone:
		return &later{err: fmt.Errorf("webhook %s answered 410: it wants no more; remove it", w.Name), never: true}
	}
	return &later{err: fmt.Errorf("webhook %s answered %d", w.Name, answer.StatusCode), after: retryAfter(answer.Header, now)}
}

// transport is made for each post: they are few, and no connection stays open between them.
func transport(w store.Webhook) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, Control: connector.Guard(w.AllowLinkLocal)}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  attempt / 2,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}

// withoutURL leaves the address out of an error: its path and query may be as good as a password.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// retryAfter reads when a server wants to be asked again, in seconds or as a date; 0 for no word.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n < 1<<20 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
