package otlp

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  map[string]string
		url  string // "" for no traces
		want string // of the error
	}{
		"nothing":                    {},
		"only other settings":        {env: map[string]string{"OTEL_SERVICE_NAME": "x", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"}},
		"a general endpoint":         {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, url: "http://collector:4318/v1/traces"},
		"with a path":                {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example.org/otlp/"}, url: "https://c.example.org/otlp/v1/traces"},
		"one for traces":             {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/in"}, url: "http://b/in"},
		"wanted, and no place":       {env: map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, url: "http://localhost:4318/v1/traces"},
		"switched off":               {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"}},
		"all switched off":           {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "True"}},
		"another exporter":           {env: map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, want: "OTEL_TRACES_EXPORTER"},
		"no address":                 {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, want: "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"a password in the address":  {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:s3cret@a"}, want: "OTEL_EXPORTER_OTLP_HEADERS"},
		"another protocol":           {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, want: "4318"},
		"another compression":        {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, want: "COMPRESSION"},
		"no time":                    {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_TIMEOUT": "5s"}, want: "TIMEOUT"},
		"headers that are none":      {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_HEADERS": "s3cret"}, want: "HEADERS"},
		"headers with a line break":  {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_HEADERS": "a=s3cret%0d%0ab: c"}, want: "HEADERS"},
		"authorities that are none":  {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nonexistent.pem"}, want: "CERTIFICATE"},
		"a certificate without key":  {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/nonexistent.pem"}, want: "CLIENT_CERTIFICATE"},
		"headers, time, compression": {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_HEADERS": "a=b, c = d%2Ce", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "500", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, url: "http://a/v1/traces"},
	} {
		s, err := read(func(name string) string { return tt.env[name] })
		switch {
		case tt.want != "":
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %v, want a word of %s, and no secret", name, err, tt.want)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.url == "":
			if s != nil {
				t.Errorf("%s: traces go to %s", name, s.url)
			}
		case s == nil || s.url != tt.url:
			t.Errorf("%s: %+v, want %s", name, s, tt.url)
		}
		if name == "headers, time, compression" && (s.header.Get("a") != "b" || s.header.Get("C") != "d,e" || s.timeout.Milliseconds() != 500 || !s.gzip) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// receiver takes what is posted, and answers one answer after the other; after them it is well.
type receiver struct {
	mu      sync.Mutex
	answers []func(http.ResponseWriter)
	asked   int
	names   []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	in := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		in, _ = gzip.NewReader(req.Body)
	}
	b, _ := io.ReadAll(in)
	var got tracepb.TracesData
	if req.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(b, &got) != nil || req.URL.Path != "/v1/traces" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if len(r.answers) > 0 {
		answer := r.answers[0]
		r.answers = r.answers[1:]
		answer(w)
		return
	}
	for _, rs := range got.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				r.names = append(r.names, s.Name)
			}
		}
	}
}

func status(code int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// A receiver that is busy is asked again, one that refuses is not; what is lost is said, once, and without what opens the receiver's door.
func TestSending(t *testing.T) {
	t.Parallel()
	partial := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 3))
	for name, tt := range map[string]struct {
		answers []func(http.ResponseWriter)
		asked   int
		log     string
	}{
		"well":           {nil, 1, ""},
		"busy":           {[]func(http.ResponseWriter){status(503), status(502)}, 3, ""},
		"told when":      {[]func(http.ResponseWriter){status(429, "Retry-After", "1")}, 2, ""},
		"refused":        {[]func(http.ResponseWriter){status(401)}, 1, "answers 401"},
		"sent elsewhere": {[]func(http.ResponseWriter){status(307, "Location", "/v1/traces")}, 1, "answers 307"},
		"partly taken": {[]func(http.ResponseWriter){func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			_, _ = w.Write(partial)
		}}, 1, "did not take 3 spans"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &receiver{answers: tt.answers}
			server := httptest.NewServer(r)
			defer server.Close()
			var log bytes.Buffer
			env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=s3cret", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
			traces, err := Open(t.Context(), Options{Env: func(name string) string { return env[name] }, Version: "test", Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			_, span := traces.Tracer().Start(t.Context(), "a span")
			span.End()
			if err := traces.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if r.asked != tt.asked {
				t.Errorf("it was asked %d times, want %d", r.asked, tt.asked)
			}
			if said := log.String(); !strings.Contains(said, tt.log) || (tt.log == "") != (said == "") || strings.Contains(said, "s3cret") {
				t.Errorf("the log says %q, want %q", said, tt.log)
			}
			if tt.log == "" && (len(r.names) != 1 || r.names[0] != "a span") {
				t.Errorf("it got %q", r.names)
			}
		})
	}
}

// Where nobody asks for traces nothing is begun.
func TestNoTraces(t *testing.T) {
	t.Parallel()
	traces, err := Open(t.Context(), Options{Env: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	_, span := traces.Tracer().Start(t.Context(), "a span")
	if span.IsRecording() || span.SpanContext().IsValid() || traces.Close(t.Context()) != nil {
		t.Error("a span is made")
	}
}

// What a receiver answers is read whatever it is.
func FuzzRejected(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0x02, 0x08, 0x03})
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(_ *testing.T, answer []byte) { rejected(answer) })
}
