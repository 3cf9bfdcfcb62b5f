package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
)

// served is an HTTP server of ours.
type served struct {
	http *http.Server
	url  string
	done chan error
	cut  context.CancelFunc // ends the requests that are under way
}

// recordTime is how long a request that is ended may take until it has ended.
const recordTime = 4 * time.Second

// shut waits for requests that are under way, and takes no more.
func (v *served) shut(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return v.http.Shutdown(ctx)
}

// serve begins to serve on an address; port 0 takes a free one.
func serve(address string, h http.Handler) (*served, error) {
	l, err := listen(address)
	if err != nil {
		return nil, err
	}
	return serveOn(l, h), nil
}

// listen takes an address.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &admin.Problem{Exit: admin.ExitUsage, Code: "listen", Message: fmt.Sprintf("cannot listen on %s: %v", address, err), Next: "name a free address, or port 0 for any", Err: err}
	}
	return l, nil
}

// serveOn begins to answer at an address that was taken.
func serveOn(l net.Listener, h http.Handler) *served {
	life, cut := context.WithCancel(context.Background())
	v := &served{cut: cut, http: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, BaseContext: func(net.Listener) context.Context { return life }}, url: "http://" + l.Addr().String(), done: make(chan error, 1)}
	go func() { v.done <- v.http.Serve(l) }()
	return v
}

// close ends the server: what is under way has a second to end, and then some more to record how far it came.
func (v *served) close() error {
	defer v.cut()
	if v.shut(time.Second) != nil {
		v.cut()
		if v.shut(recordTime) != nil {
			_ = v.http.Close() // an endless answer is a fault that was asked for
		}
	}
	if err := <-v.done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", v.url, err)
	}
	return nil
}

// near is the server's address for commands on its own machine.
func (v *served) near() string {
	address, err := reachable(strings.TrimPrefix(v.url, "http://"))
	if err != nil {
		return v.url
	}
	return "http://" + address
}

// reachable is where a server that listens on an address can be reached from its own machine.
func reachable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "" {
		return "", fmt.Errorf("%q is no address with a port", listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port), nil
}
