package admin

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/muster-id/muster/internal/connector"
)

const (
	asking        = 15 * time.Second // is how long an identity provider may take to answer
	providerBytes = 1 << 20          // of an answer are read; the largest are sets of keys
)

// ProviderClient returns the client that identity providers are asked with, whoever asks: to no address where
// a cloud keeps a machine's credentials, for a bounded time and amount, with no secret to another place than it
// was meant for, and showing nothing of what a server says that is none.
func ProviderClient() *http.Client {
	wire := http.DefaultTransport.(*http.Transport).Clone()
	wire.DialContext = (&net.Dialer{Timeout: 10 * time.Second, Control: connector.Guard(false)}).DialContext
	return &http.Client{Timeout: asking, Transport: providerTransport{wire}, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		switch from := via[0]; {
		case from.Method != http.MethodGet:
			return errors.New("the identity provider points to another address, where no secret goes")
		case from.URL.Scheme == "https" && req.URL.Scheme != "https":
			return errors.New("the identity provider points to an address without encryption")
		case len(via) > 3:
			return errors.New("the identity provider points to one address after another")
		}
		return nil
	}}
}

type providerTransport struct{ wire http.RoundTripper }

// RoundTrip bounds an answer. The library puts a refusal's text into its errors, which people are shown: of a
// page that is asked for, it may be anything that this machine can reach.
func (t providerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if a, err := netip.ParseAddr(req.URL.Hostname()); err == nil { // a proxy would dial it for us
		if err := connector.Guard(false)("tcp", netip.AddrPortFrom(a, 443).String(), nil); err != nil {
			return nil, err
		}
	}
	res, err := t.wire.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	most := int64(providerBytes)
	if req.Method == http.MethodGet && res.StatusCode != http.StatusOK {
		most = 0
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, most), res.Body}
	return res, nil
}
