package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const (
	answerBytes = 64 << 10         // of an answer are read
	triedFor    = 30 * time.Second // as long as a batch is worth it: newer ones wait behind it
)

// sender posts spans as OTLP over HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp). The library's own sender
// would bring gRPC along, which it does not use.
type sender struct {
	*settings
	agent string
	http  *http.Client
	open  context.Context
	stop  context.CancelFunc
}

func newSender(s *settings, version string) *sender {
	wire := http.DefaultTransport.(*http.Transport).Clone()
	wire.TLSClientConfig = s.tls
	d := &sender{settings: s, agent: "Muster/" + version, http: &http.Client{
		Transport: wire, Timeout: s.timeout,
		// Its headers hold what opens the receiver's door, and are for the receiver alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	d.open, d.stop = context.WithCancel(context.Background())
	return d
}

// Start implements otlptrace.Client. The receiver may come later.
func (d *sender) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (d *sender) Stop(context.Context) error {
	d.stop()
	d.http.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client. A receiver that is busy or away is asked again for a while.
func (d *sender) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// On the wire it is the same message as the ExportTraceServiceRequest, whose package imports gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("writing spans: %w", err)
	}
	if d.gzip {
		body = packed(body)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.open, cancel)()
	_, err = backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, d.post(ctx, body) }, backoff.WithMaxElapsedTime(triedFor))
	return err
}

func packed(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b) // into memory
	_ = w.Close()
	return out.Bytes()
}

// post sends a batch once. What need not be tried again is a [backoff.PermanentError].
func (d *sender) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(err)
	}
	for name, values := range d.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", d.agent)
	req.Header.Set("Content-Type", "application/x-protobuf")
	if d.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := d.http.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // without the address, which may be as good as a password
		}
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, answerBytes))
	switch {
	case res.StatusCode/100 == 2 && err == nil && res.Header.Get("Content-Type") == "application/x-protobuf":
		if n := rejected(answer); n > 0 {
			return backoff.Permanent(fmt.Errorf("the receiver did not take %d spans", n))
		}
		return nil
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusServiceUnavailable:
		if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
			return backoff.RetryAfter(seconds)
		}
		fallthrough
	case res.StatusCode == http.StatusBadGateway, res.StatusCode == http.StatusGatewayTimeout:
		return fmt.Errorf("the receiver answers %d", res.StatusCode)
	}
	return backoff.Permanent(fmt.Errorf("the receiver answers %d", res.StatusCode))
}

// rejected returns how many spans the receiver says that it did not take: rejected_spans of partial_success, each
// the first field of its message.
func rejected(answer []byte) int64 {
	n, _ := protowire.ConsumeVarint(first(first(answer, protowire.BytesType), protowire.VarintType))
	return int64(n)
}

// first returns field 1 of a message, without the length that a message has; nil where there is none of that type.
func first(message []byte, want protowire.Type) []byte {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		message = message[n:]
		size := protowire.ConsumeFieldValue(number, kind, message)
		if size < 0 {
			return nil
		}
		if number == 1 && kind == want {
			if kind == protowire.BytesType {
				inner, _ := protowire.ConsumeBytes(message)
				return inner
			}
			return message[:size]
		}
		message = message[size:]
	}
	return nil
}
