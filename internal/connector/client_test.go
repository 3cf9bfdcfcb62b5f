package connector_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/provision"
)

const token = "xoxp-very-secret/+=token"

func client(t *testing.T, c provision.Connection, refine func(*connector.Error, any)) *connector.Client {
	t.Helper()
	out, err := connector.NewClient(connector.Options{Connection: c, Token: token, Refine: refine})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	return out
}

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

func failure(t *testing.T, err error) *connector.Error {
	t.Helper()
	var e *connector.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e
}

func TestNewClientRefuses(t *testing.T) {
	t.Parallel()
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		connection provision.Connection
		token      string
		want       string
	}{
		"no endpoint":            {want: "connection.endpoint"},
		"no host":                {connection: provision.Connection{Endpoint: "/scim/v2"}, want: "no address"},
		"plain http":             {connection: provision.Connection{Endpoint: "http://example.org/scim/v2"}, want: "allow_http"},
		"another scheme":         {connection: provision.Connection{Endpoint: "ftp://example.org/"}, want: "https"},
		"password in it":         {connection: provision.Connection{Endpoint: "https://user:pw@example.org/"}, want: "credentials"},
		"link-local":             {connection: provision.Connection{Endpoint: "http://169.254.169.254/scim/", AllowHTTP: true}, want: "allow_link_local"},
		"link-local, version 6":  {connection: provision.Connection{Endpoint: "https://[fe80::1]/scim/"}, want: "link-local"},
		"in version 6's clothes": {connection: provision.Connection{Endpoint: "https://[::ffff:169.254.169.254]/scim/"}, want: "link-local"},
		"a cloud's metadata":     {connection: provision.Connection{Endpoint: "https://100.100.100.200/scim/"}, want: "a cloud keeps credentials"},
		"query":                  {connection: provision.Connection{Endpoint: "https://example.org/scim?x=y"}, want: "path"},
		"unknown credentials":    {connection: provision.Connection{Endpoint: "https://example.org/", Auth: provision.Auth{Type: "magic"}}, want: "magic"},
		"no such file":           {connection: provision.Connection{Endpoint: "https://example.org/", CAFile: "/nonexistent/ca.pem"}, want: "ca_file"},
		"no file that ends":      {connection: provision.Connection{Endpoint: "https://example.org/", CAFile: "/dev/zero"}, want: "no file of certificates"},
		"no certificate":         {connection: provision.Connection{Endpoint: "https://example.org/", CAFile: notPEM}, want: "PEM"},
		"token with a break":     {connection: provision.Connection{Endpoint: "https://example.org/"}, token: "a\nb", want: "token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connector.NewClient(connector.Options{Connection: c.connection, Token: c.token})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error about %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "pw@") || strings.Contains(err.Error(), "a\nb")) {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
	for _, endpoint := range []string{"http://127.0.0.1:8080/scim", "http://localhost/", "http://[::1]:1/", "https://example.org"} {
		if _, err := connector.NewClient(connector.Options{Connection: provision.Connection{Endpoint: endpoint}}); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	for _, c := range []provision.Connection{{Endpoint: "http://example.org/", AllowHTTP: true}, {Endpoint: "https://169.254.1.2/", AllowLinkLocal: true}} {
		if _, err := connector.NewClient(connector.Options{Connection: c}); err != nil {
			t.Error(err)
		}
	}
}

// TestTLS checks that a certificate must be trusted, and that one's own authority can be.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	ans, err := client(t, provision.Connection{Endpoint: s.URL, CAFile: ca}, nil).Do(t.Context(), connector.Request{Method: "GET", Path: "Users"})
	if err != nil || ans.Status != 200 {
		t.Errorf("with the authority: %v", err)
	}
	for name, endpoint := range map[string]string{
		"untrusted":      s.URL,
		"no TLS at all":  strings.Replace(serve(t, func(http.ResponseWriter, *http.Request) {}), "http://", "https://", 1),
		"not an HTTP at": closed(t),
	} {
		_, err = client(t, provision.Connection{Endpoint: endpoint}, nil).Do(t.Context(), connector.Request{Method: "POST", Path: "Users", Once: true})
		e := failure(t, err)
		want := connector.CodeTLS
		if name == "not an HTTP at" {
			want = connector.CodeUnreachable
		}
		if e.Code != want || e.Unknown || e.Kind != connector.Unavailable {
			t.Errorf("%s: %+v", name, e)
		}
		if d := connector.Diagnose(e); d.Code != want || d.Next == "" {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// TestTLSAdvice: what to do about a certificate depends on what is wrong with it.
func TestTLSAdvice(t *testing.T) {
	t.Parallel()
	authority, key, pool := certificate(t, nil, nil, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour)})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pool, 0o600); err != nil {
		t.Fatal(err)
	}
	here := []net.IP{net.IPv4(127, 0, 0, 1)}
	for name, c := range map[string]struct {
		made *x509.Certificate
		ca   string
		want string
	}{
		"ended":        {&x509.Certificate{IPAddresses: here, NotAfter: time.Now().Add(-time.Hour)}, ca, "renewed"},
		"another name": {&x509.Certificate{DNSNames: []string{"scim.example.org"}, NotAfter: time.Now().Add(time.Hour)}, ca, "under a name"},
		"unknown":      {&x509.Certificate{IPAddresses: here, NotAfter: time.Now().Add(time.Hour)}, "", "connection.ca_file"},
	} {
		made, private, _ := certificate(t, authority, key, c.made)
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{made.Raw}, PrivateKey: private}}}
		s.StartTLS()
		t.Cleanup(s.Close)
		_, err := client(t, provision.Connection{Endpoint: s.URL, CAFile: c.ca}, nil).Do(t.Context(), connector.Request{Method: "GET", Path: "Users", Once: true})
		if d := connector.Diagnose(failure(t, err)); d.Code != connector.DiagnosisTLS || !strings.Contains(d.Next, c.want) {
			t.Errorf("%s: %+v; want advice with %q", name, d, c.want)
		}
	}
}

// certificate makes a certificate that an authority signs, or itself where there is none.
func certificate(t *testing.T, authority *x509.Certificate, signer *ecdsa.PrivateKey, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore = big.NewInt(1), time.Now().Add(-48*time.Hour)
	if authority == nil {
		authority, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// closed returns an address where nobody listens.
func closed(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "https://" + l.Addr().String()
}

// TestRedirects checks that credentials go nowhere but to the endpoint's own origin.
func TestRedirects(t *testing.T) {
	t.Parallel()
	var stolen atomic.Int64
	thief := serve(t, func(w http.ResponseWriter, _ *http.Request) { stolen.Add(1); _, _ = io.WriteString(w, "{}") })
	for name, c := range map[string]struct {
		method, to string
		ok         bool
		requests   int
	}{
		"elsewhere, read":    {"GET", thief, false, 1},
		"elsewhere, write":   {"POST", thief, false, 1},
		"other port":         {"GET", strings.Replace(thief, "127.0.0.1", "localhost", 1), false, 1},
		"other scheme":       {"GET", "https://HOST/Users/", false, 1},
		"name and password":  {"GET", "http://a:b@HOST/Users/", false, 1},
		"no address":         {"GET", "http://%zz/", false, 1},
		"same origin, read":  {"GET", "/scim/Users/", true, 2},
		"same origin, write": {"POST", "/scim/Users/", false, 1},
		"in circles":         {"GET", "/scim/Users", false, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/scim/Users/" && c.ok {
					_, _ = io.WriteString(w, `{"ok":true}`)
					return
				}
				w.Header().Set("Location", strings.Replace(c.to, "HOST", r.Host, 1))
				w.WriteHeader(http.StatusTemporaryRedirect)
			})
			ans, err := client(t, provision.Connection{Endpoint: endpoint + "/scim"}, nil).Do(t.Context(), connector.Request{Method: c.method, Path: "Users"})
			if (err == nil) != c.ok || ans.Requests != c.requests {
				t.Errorf("%d requests, %v; want %d, ok %v", ans.Requests, err, c.requests, c.ok)
			}
			if err != nil {
				if e := failure(t, err); e.Code != connector.CodeRedirected || e.Unknown {
					t.Errorf("got %+v", e)
				}
			}
		})
	}
	t.Cleanup(func() {
		if n := stolen.Load(); n != 0 {
			t.Errorf("%d requests went to another origin", n)
		}
	})
}

// TestNoSecretComesBack checks that a target that echoes the token in every place it has finds it in none
// of what the client returns.
func TestNoSecretComesBack(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"refusal": func(w http.ResponseWriter, r *http.Request) {
			echo := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			w.Header().Set("Location", "/?token="+url.QueryEscape(echo))
			w.Header().Set("X-Request-Id", echo)
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"detail": "bad token " + echo, "scimType": echo, "access_token": "another-secret"})
		},
		"page": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 4090)+r.Header.Get("Authorization")+"<html>")
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.org/?t="+url.QueryEscape(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")), http.StatusFound)
		},
		"dropped": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = c.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := client(t, provision.Connection{Endpoint: serve(t, h)}, nil).Do(t.Context(), connector.Request{
				Method: "POST", Path: "Users", Query: url.Values{"filter": {`userName eq "` + token + `"`}},
				Body: []byte(`{"userName":"ada","password":"hunter2","note":"` + token + `"}`),
			})
			e := failure(t, err)
			b, jsonErr := json.Marshal(e.Exchange)
			if jsonErr != nil {
				t.Fatal(jsonErr)
			}
			all := string(b) + e.Error() + e.Code + e.Advice
			if e.Err != nil {
				all += e.Err.Error()
			}
			inJSON, _ := json.Marshal(token)
			for _, secret := range []string{token, url.QueryEscape(token), url.PathEscape(token), strings.Trim(string(inJSON), `"`), "xoxp-", "hunter2", "another-secret"} {
				if strings.Contains(all, secret) {
					t.Errorf("%q is in %s", secret, all)
				}
			}
			if len(e.Exchange.Response) > 5<<10 || e.Exchange.Method != "POST" {
				t.Errorf("the exchange is %+v", e.Exchange)
			}
		})
	}
}

// TestEchoedTokenIsNotKept checks that an account whose attributes echo the token is read without it:
// what a target says of its accounts is stored.
func TestEchoedTokenIsNotKept(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"id": "1", "userName": r.Header.Get("Authorization"), "active": true})
	})
	ans, err := client(t, provision.Connection{Endpoint: url}, nil).Do(t.Context(), connector.Request{Method: "GET", Path: "Users/1"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"id": "1", "userName": "Bearer [secret]", "active": true}
	if !reflect.DeepEqual(ans.Body, want) {
		t.Errorf("the answer is %v, want %v", ans.Body, want)
	}
}

// TestStatuses checks the table of answers, with and without the target's own words.
func TestStatuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status        int
		body          string
		kind          connector.Failure
		code          string
		unknown       bool // of a write
		reason        string
		readsRepeated bool
	}{
		{400, `{"detail":"no","scimType":"invalidValue"}`, connector.Rejected, "invalidValue", false, "no", false},
		{400, `{"detail":"taken","scimType":"uniqueness"}`, connector.Conflict, "uniqueness", false, "taken", false},
		{400, ``, connector.Rejected, connector.CodeHTTP, false, "refuses the request", false},
		{401, `{"Errors":{"description":"invalid_authentication","code":401}}`, connector.Unauthorised, connector.CodeHTTP, false, "invalid_authentication", false},
		{401, `{"scimType":"uniqueness"}`, connector.Unauthorised, "uniqueness", false, "credentials", false},
		{403, `{"error":{"code":"nope","message":"not you"}}`, connector.Forbidden, "nope", false, "not you", false},
		{404, `{}`, connector.NotFound, connector.CodeHTTP, false, "no such", false},
		{410, ``, connector.NotFound, connector.CodeHTTP, false, "any more", false},
		{409, `{"Errors":[{"description":"exists"}]}`, connector.Conflict, connector.CodeHTTP, false, "exists", false},
		{412, ``, connector.Rejected, connector.CodeHTTP, false, "refuses", false},
		{413, ``, connector.Rejected, connector.CodeTooLarge, false, "large", false},
		{422, `{"message":"\u001b[31mred\nline"}`, connector.Rejected, connector.CodeHTTP, false, "[31mred line", false},
		{500, `<html>`, connector.Unavailable, connector.CodeServerError, true, "failed", true},
		{501, ``, connector.Rejected, connector.CodeMethod, false, "kind of request", false},
		{502, `{"error":"bad_gateway","error_description":"later"}`, connector.Unavailable, "bad_gateway", true, "later", true},
		{504, ``, connector.Unavailable, connector.CodeServerError, true, "failed", true},
		{299 + 300, ``, connector.Unavailable, connector.CodeServerError, true, "failed", true},
		{304, ``, connector.Unavailable, connector.CodeRedirected, false, "another address", false},
	} {
		for _, method := range []string{"GET", "PATCH"} {
			t.Run(method+" "+http.StatusText(c.status)+c.body, func(t *testing.T) {
				t.Parallel()
				endpoint := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
				})
				ans, err := client(t, provision.Connection{Endpoint: endpoint}, nil).Do(t.Context(), connector.Request{Method: method, Path: "Users/1"})
				e := failure(t, err)
				if e.Kind != c.kind || e.Code != c.code || e.Status != c.status || e.Unknown != (c.unknown && method == "PATCH") || !strings.Contains(e.Reason, c.reason) || e.Advice == "" {
					t.Errorf("got %+v", e)
				}
				want := 1
				if method == "GET" && c.readsRepeated {
					want = 4
				}
				if ans.Requests != want {
					t.Errorf("%d requests, want %d", ans.Requests, want)
				}
			})
		}
	}
}

// TestRefine checks that a connector has the last word about a refusal.
func TestRefine(t *testing.T) {
	t.Parallel()
	endpoint := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"detail":"email_taken existing_user=U1"}`)
	})
	_, err := client(t, provision.Connection{Endpoint: endpoint}, func(e *connector.Error, body any) {
		if doc, _ := body.(map[string]any); doc["detail"] == "email_taken existing_user=U1" {
			e.Kind, e.Existing = connector.Conflict, "U1"
		}
	}).Do(t.Context(), connector.Request{Method: "POST", Path: "Users"})
	if e := failure(t, err); e.Kind != connector.Conflict || e.Existing != "U1" {
		t.Errorf("got %+v", e)
	}
}

// TestHostileAnswersCostLittle checks that no answer takes memory beyond its bounds.
func TestHostileAnswersCostLittle(t *testing.T) {
	// Not parallel: it reads the memory of the whole process.
	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fill, n := "[],", 16<<20
		switch r.URL.Path {
		case "/deep":
			fill = `{"a":`
		case "/text":
			fill = "xxxxxxxx"
		case "/endless":
			n = 1 << 40
		}
		_, _ = io.WriteString(w, "[")
		chunk := strings.Repeat(fill, 10_000)
		for sent := 0; sent < n && r.Context().Err() == nil; sent += len(chunk) {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	})
	c := client(t, provision.Connection{Endpoint: endpoint}, nil)
	for _, path := range []string{"values", "deep", "text", "endless"} {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := c.Do(t.Context(), connector.Request{Method: "GET", Path: path, List: true, Once: true})
		runtime.ReadMemStats(&after)
		if e := failure(t, err); e.Kind != connector.Unavailable {
			t.Errorf("%s: %+v", path, e)
		}
		if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 128 {
			t.Errorf("%s took %d MiB", path, mib)
		}
	}
}

// TestPathStaysBelowEndpoint checks that an id cannot lead a request astray.
func TestPathStaysBelowEndpoint(t *testing.T) {
	t.Parallel()
	var asked atomic.Value
	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.EscapedPath())
		_, _ = io.WriteString(w, "{}")
	})
	c := client(t, provision.Connection{Endpoint: endpoint + "/scim/v2/"}, nil)
	if _, err := c.Do(t.Context(), connector.Request{Method: "GET", Path: "Users/" + url.PathEscape("../../admin?x#y")}); err != nil || asked.Load() != "/scim/v2/Users/..%2F..%2Fadmin%3Fx%23y" {
		t.Errorf("%v, %v", asked.Load(), err)
	}
	if _, err := c.Do(t.Context(), connector.Request{Method: "GET", Path: "@example.org/"}); err != nil || !strings.HasPrefix(asked.Load().(string), "/scim/v2/") {
		t.Errorf("%v, %v", asked.Load(), err)
	}
}
