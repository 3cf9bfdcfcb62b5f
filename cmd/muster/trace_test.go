package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/store"
)

// collected is what a collector of traces got.
type collected struct {
	t     *testing.T
	mu    sync.Mutex
	spans []*tracepb.Span
	by    map[string]string // attributes of whoever sent them
	raw   bytes.Buffer
}

// collect serves a collector on loopback that wants a key.
func collect(t *testing.T, key string) (*collected, string) {
	c := &collected{t: t, by: map[string]string{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := gzip.NewReader(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("X-Key") != key {
			t.Errorf("%s %s with the key %q: %v", r.Method, r.URL, r.Header.Get("X-Key"), err)
			return
		}
		b, err := io.ReadAll(in)
		var data tracepb.TracesData
		if err != nil || proto.Unmarshal(b, &data) != nil {
			t.Error("these are no spans")
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(b)
		for _, rs := range data.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				c.by[a.Key] = a.Value.GetStringValue()
			}
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
	}))
	t.Cleanup(server.Close)
	return c, server.URL
}

// attributesOf returns the attributes of a span as text.
func attributesOf(s *tracepb.Span) map[string]string {
	out := map[string]string{}
	for _, a := range s.Attributes {
		if out[a.Key] = a.Value.GetStringValue(); out[a.Key] == "" {
			out[a.Key] = fmt.Sprint(a.Value.GetIntValue())
		}
	}
	return out
}

// one returns the span of a name beneath another one, nil for any, that has these attributes.
func (c *collected) one(name string, above *tracepb.Span, attributes ...string) *tracepb.Span {
	c.t.Helper()
	for _, s := range c.spans {
		if s.Name != name || above != nil && (!bytes.Equal(s.ParentSpanId, above.SpanId) || !bytes.Equal(s.TraceId, above.TraceId)) {
			continue
		}
		has := attributesOf(s)
		fits := true
		for i := 0; i+1 < len(attributes); i += 2 {
			fits = fits && has[attributes[i]] == attributes[i+1]
		}
		if fits {
			return s
		}
	}
	var all []string
	for _, s := range c.spans {
		all = append(all, fmt.Sprint(s.Name, " ", attributesOf(s)))
	}
	slices.Sort(all)
	c.t.Fatalf("there is no span %q with %q beneath %v; there are\n%s", name, attributes, above, strings.Join(slices.Compact(all), "\n"))
	return nil
}

// A server tells whoever collects traces what it does, beneath the request that asked for it, and nothing of people or secrets; the target
// hears nothing of it. All of it is sent when the server ends: nothing was due before.
func TestTraces(t *testing.T) {
	t.Parallel()
	const key, caller = "key-of-the-collector", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	people := []string{"Lovelace", "Hopper", "analyst-of-engines"}
	c, url := collect(t, key)
	target, endpoint := connectortest.Serve(t, connectortest.Behaviour{})
	target.Fail(connectortest.Fault{Method: "POST", Path: "Users", Times: -1, Status: 400, Body: `{"scimType":"Hopper is not wanted","detail":"Hopper is not wanted"}`, When: func(_, _, body string) bool { return strings.Contains(body, "Hopper") }})

	data := t.TempDir()
	st, err := store.Open(t.Context(), store.Config{Data: data, Key: []byte(strings.Repeat("\xab", 32))})
	if err != nil {
		t.Fatal(err)
	}
	desk := admin.New(st, admin.Options{By: store.Actor{Name: "test", Via: "test"}, Protocols: protocols, Version: "test"})
	made, err := desk.CreateToken(t.Context(), admin.TokenRequest{Role: string(admin.Owner), Name: "script"})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("applications:\n- {name: target, template: scim2, connection: {endpoint: %q, auth: {type: bearer, token: %s}}, provisioning: {scope: all}}\n", endpoint, connectortest.Token)
	if _, err := desk.Apply(t.Context(), []config.File{{Name: "t.yaml", Data: []byte(text)}}, admin.Source{Env: os.LookupEnv, ReadFile: os.ReadFile}); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}

	n := startNodeWith(t, "traced", []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_EXPORTER_OTLP_HEADERS=x-key=" + key, "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
		"OTEL_SERVICE_NAME=muster-of-the-test", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test", "OTEL_BSP_SCHEDULE_DELAY=3600000", "OTEL_BSP_EXPORT_TIMEOUT=30000",
	}, "--data", data)
	ask := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, n.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer " + made.Secret}, "Content-Type": {"application/json"}, "Traceparent": {caller}, "X-Request-Id": {"the-caller-s"}}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, _ := io.ReadAll(res.Body); res.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, b)
		}
	}
	for _, name := range people[:2] {
		ask("POST", "/api/v1/users", fmt.Sprintf(`{"userName":"%[1]s","attributes":{"name.familyName":"%[1]s","emails":"%[1]s@example.org","title":"%[2]s"}}`, name, people[2]))
	}
	ask("GET", "/api/v1/users/Lovelace", "")
	ask("GET", "/api/v1/users?search=Hopper", "")
	ask("POST", "/api/v1/applications/target/cycles", "{}")
	ask("GET", "/signin", "")
	began := time.Now()
	n.end()
	if took := time.Since(began); took > slowness*10*time.Second {
		t.Errorf("it ended after %s", took)
	}

	request := c.one("POST /api/v1/applications/{app}/cycles", nil, "http.route", "/api/v1/applications/{app}/cycles", "http.response.status_code", "200", "muster.request.id", "the-caller-s")
	if hex.EncodeToString(request.TraceId) != caller[3:35] || hex.EncodeToString(request.ParentSpanId) != caller[36:52] {
		t.Errorf("the request is not beneath the caller's: %x, %x", request.TraceId, request.ParentSpanId)
	}
	cycle := c.one("cycle", request, "muster.application", "target", "muster.cycle.type", "initial", "muster.cycle.state", "done", "muster.cycle.create", "1", "muster.cycle.failed", "1")
	created := c.one("create user", cycle, "muster.operation.status", "success", "muster.operation.type", "user", "muster.operation.action", "create")
	c.one("POST Users", created, "http.request.method", "POST", "url.template", "Users", "http.response.status_code", "201", "server.address", "127.0.0.1")
	refused := c.one("create user", cycle, "muster.operation.status", "failure")
	if answer := c.one("POST Users", refused, "http.response.status_code", "400", "error.type", "other"); answer.Status.Code != tracepb.Status_STATUS_CODE_ERROR || answer.Status.Message != "" {
		t.Errorf("the refused request ends with %v", answer.Status)
	}
	c.one("commit", cycle, "db.system.name", "sqlite", "muster.db.attempts", "1")
	c.one("commit", c.one("POST /api/v1/users", nil, "http.response.status_code", "201"))
	c.one("GET /api/v1/users/{user}", nil)
	c.one("GET /signin", nil, "http.response.status_code", "200")
	if log, err := os.ReadFile(n.log); err != nil || !strings.Contains(string(log), "trace="+caller[3:35]) {
		t.Errorf("the log does not say which trace a request belongs to: %v\n%s", err, log)
	}
	for name, want := range map[string]string{"service.name": "muster-of-the-test", "deployment.environment.name": "test"} {
		if c.by[name] != want {
			t.Errorf("%s is %q, want %q", name, c.by[name], want)
		}
	}
	for _, secret := range append(people, "example.org", made.Secret, connectortest.Token, key, "is not wanted") {
		if bytes.Contains(bytes.ToLower(c.raw.Bytes()), bytes.ToLower([]byte(secret))) {
			t.Errorf("%q is in what is collected", secret)
		}
	}
	for _, r := range target.Log() {
		for _, header := range []string{"Traceparent", "Tracestate", "Baggage"} {
			if r.Header.Get(header) != "" {
				t.Errorf("the target was told of the trace: %s %s", header, r.Header.Get(header))
			}
		}
	}
}

// A collector that is not there keeps nothing from being done, and a server not from ending in time.
func TestTracesToNobody(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	n := startNodeWith(t, "untraced", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + gone.URL, "OTEL_EXPORTER_OTLP_HEADERS=x-key=key-of-the-collector", "OTEL_TRACES_SAMPLER=nonsense"}, "--data", t.TempDir())
	res, err := http.Get(n.url + "/signin")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	n.end()
	said, err := os.ReadFile(n.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"the last traces were not sent", "nonsense"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("the log lacks %q:\n%s", want, said)
		}
	}
	if strings.Contains(string(said), "key-of-the-collector") {
		t.Errorf("the log holds the collector's key:\n%s", said)
	}
}
