package otlp

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/muster-id/muster/internal/connector"
)

// settings are how the receiver of the spans is reached.
type settings struct {
	url     string
	header  http.Header
	timeout time.Duration // of one request
	gzip    bool
	tls     *tls.Config
}

// defaultEndpoint is where a collector on the same machine listens.
const defaultEndpoint = "http://localhost:4318"

// read reads the variables that the specification of OpenTelemetry's exporters names. It returns nil when nobody asks
// for traces. What it refuses names the variable and never a value that may be a secret.
func read(env func(string) string) (*settings, error) {
	exporter := env("OTEL_TRACES_EXPORTER")
	switch {
	case strings.EqualFold(env("OTEL_SDK_DISABLED"), "true"), exporter == "none":
		return nil, nil
	case exporter != "" && exporter != "otlp":
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER is %q; there are otlp and none", exporter)
	}
	// What is said of traces alone goes before what is said of everything.
	of := func(name string) (string, string) {
		for _, full := range []string{"OTEL_EXPORTER_OTLP_TRACES_" + name, "OTEL_EXPORTER_OTLP_" + name} {
			if v := strings.TrimSpace(env(full)); v != "" {
				return v, full
			}
		}
		return "", ""
	}
	endpoint, from := of("ENDPOINT")
	if endpoint == "" && exporter == "" {
		return nil, nil
	}
	s := &settings{timeout: 10 * time.Second}
	if err := s.at(endpoint, from); err != nil {
		return nil, err
	}
	for name, take := range map[string]func(string) error{
		"PROTOCOL": func(v string) error {
			if v != "http/protobuf" {
				return fmt.Errorf("is %q; there is http/protobuf, which collectors take on port 4318", v)
			}
			return nil
		},
		"COMPRESSION": func(v string) error {
			if s.gzip = v == "gzip"; !s.gzip && v != "none" {
				return fmt.Errorf("is %q; there are gzip and none", v)
			}
			return nil
		},
		"TIMEOUT": func(v string) error {
			ms, err := strconv.Atoi(v)
			if s.timeout = time.Duration(ms) * time.Millisecond; err != nil || ms < 1 || s.timeout > time.Minute {
				return fmt.Errorf("is %q; it takes milliseconds, a minute's at most", v)
			}
			return nil
		},
		"HEADERS": s.headers,
	} {
		v, from := of(name)
		if v == "" {
			continue
		}
		if err := take(v); err != nil {
			return nil, fmt.Errorf("%s %w", from, err)
		}
	}
	return s, s.certificates(of)
}

// at reads the address. One that is given for traces is taken as it is; beneath a general one they have their place.
func (s *settings) at(endpoint, from string) error {
	if endpoint == "" {
		endpoint = defaultEndpoint
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%s is no address such as %s", from, defaultEndpoint)
	case u.User != nil:
		return fmt.Errorf("%s holds a name or a password; that belongs into OTEL_EXPORTER_OTLP_HEADERS", from)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%s must end with its path", from)
	}
	if !strings.Contains(from, "_TRACES_") {
		u = u.JoinPath("v1", "traces")
	}
	s.url = u.String()
	return nil
}

// headers reads name=value,name=value, the values as in a URL.
func (s *settings) headers(list string) error {
	s.header = http.Header{}
	for pair := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || err != nil || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return fmt.Errorf("is no list such as name=value,name=value, with values written as in a URL")
		}
		s.header.Set(name, value)
	}
	return nil
}

func (s *settings) certificates(of func(string) (string, string)) error {
	s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if file, from := of("CERTIFICATE"); file != "" {
		var err error
		if s.tls.RootCAs, err = connector.Authorities(file); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	certificate, from := of("CLIENT_CERTIFICATE")
	key, _ := of("CLIENT_KEY")
	if certificate == "" && key == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("%s and the key beside it cannot be used: %w", from, err)
	}
	s.tls.Certificates = []tls.Certificate{pair}
	return nil
}
