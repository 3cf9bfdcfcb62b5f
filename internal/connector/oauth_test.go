package connector_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/provision"
)

// authority is a target and its token endpoint on two hosts, each of which notes the secrets that reach it.
type authority struct {
	t      *testing.T
	mu     sync.Mutex
	forms  []url.Values // of the token endpoint
	basic  []string
	seen   []string // Authorization at the target
	good   string   // the only token that the target takes
	life   int      // seconds, 0 is not told
	rotate bool
	refuse string // OAuth error of the token endpoint
	token  *httptest.Server
	target *httptest.Server
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.token = httptest.NewServer(http.HandlerFunc(a.issue))
	t.Cleanup(a.token.Close)
	a.target = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.seen = append(a.seen, r.Header.Get("Authorization"))
		if r.Header.Get("Authorization") != "Bearer "+a.good {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"detail":"not %s"}`, r.Header.Get("Authorization"))
			return
		}
		fmt.Fprint(w, `{"id":"1"}`)
	}))
	t.Cleanup(a.target.Close)
	return a
}

func (a *authority) issue(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		a.t.Error(err)
	}
	_, password, _ := r.BasicAuth()
	a.forms, a.basic = append(a.forms, r.PostForm), append(a.basic, password)
	w.Header().Set("Content-Type", "application/json")
	if a.refuse != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":%q,"error_description":"no, %s"}`, a.refuse, password)
		return
	}
	a.good = fmt.Sprintf("access-token-number-%d", len(a.forms))
	answer := fmt.Sprintf(`{"access_token":%q,"token_type":"bearer","expires_in":%d`, a.good, a.life)
	if a.rotate {
		answer += fmt.Sprintf(`,"refresh_token":"refresh-token-number-%d"`, len(a.forms))
	}
	fmt.Fprint(w, answer+"}")
}

// end makes every token that was issued worthless.
func (a *authority) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.good = "none"
}

func (a *authority) client(o connector.CredentialOptions) *connector.Client {
	a.t.Helper()
	o.Connection.Endpoint, o.Connection.Auth.TokenURL = a.target.URL+"/scim/v2/", a.token.URL+"/token"
	credentials, err := connector.NewCredentials(o)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := connector.NewClient(connector.Options{Connection: o.Connection, Credentials: credentials})
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

func clientCredentials() connector.CredentialOptions {
	return connector.CredentialOptions{
		Connection: provision.Connection{Auth: provision.Auth{Type: provision.ClientCredentials, ClientID: "muster", Scopes: []string{"a", "b"}, Params: map[string]string{"audience": "scim"}}},
		Secrets:    map[string]string{provision.SecretClientSecret: "the-secret-of-the-client"},
	}
}

func post(ctx context.Context, c *connector.Client) (*connector.Answer, error) {
	return c.Do(ctx, connector.Request{Method: "POST", Path: "Users", Body: []byte(`{}`)})
}

// TestOneRequestForAToken checks that many requests at once get one token, that it is kept as long as it holds,
// and that a refusal renews it once.
func TestOneRequestForAToken(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	c := a.client(clientCredentials())
	all := func() {
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				if _, err := post(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
	}
	all()
	all()
	if len(a.forms) != 1 {
		t.Fatalf("%d requests for a token, want 1", len(a.forms))
	}
	if f := a.forms[0]; f.Get("grant_type") != "client_credentials" || f.Get("scope") != "a b" || f.Get("audience") != "scim" || a.basic[0] != "the-secret-of-the-client" {
		t.Errorf("the token endpoint got %v, %q", f, a.basic[0])
	}
	a.end()
	all()
	if len(a.forms) != 2 {
		t.Errorf("%d requests for a token after the first was revoked, want 2", len(a.forms))
	}
	for _, s := range a.seen {
		if strings.Contains(s, "secret") {
			t.Errorf("the target got %q", s)
		}
	}
}

// TestRefusedForGood checks that a target which refuses every token is asked once more and no further.
func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	c := a.client(clientCredentials())
	a.target.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, r.Header.Get("Authorization"))
	})
	ans, err := post(t.Context(), c)
	if e := failure(t, err); e.Kind != connector.Unauthorised || ans.Requests != 2 || len(a.forms) != 2 {
		t.Errorf("%+v after %d requests and %d tokens", e, ans.Requests, len(a.forms))
	}
	if text := fmt.Sprint(err, ans.Exchange); strings.Contains(text, "access-token-number") {
		t.Errorf("a token is shown: %s", text)
	}
}

// TestNoToken checks that a refusal of the token endpoint is told in its words, and no secret with them.
func TestNoToken(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.refuse = "invalid_client"
	_, err := post(t.Context(), a.client(clientCredentials()))
	if e := failure(t, err); e.Kind != connector.Unauthorised || e.Code != "invalid_client" || e.Status != 400 || strings.Contains(err.Error(), "the-secret") {
		t.Errorf("%+v", e)
	}
	if len(a.seen) > 0 {
		t.Error("the target was asked without a token")
	}
	// A redirect of the token endpoint takes the secret nowhere.
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the secret went elsewhere") }))
	t.Cleanup(elsewhere.Close)
	a.token.Config.Handler = http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect)
	if _, err := post(t.Context(), a.client(clientCredentials())); err == nil {
		t.Error("a redirect gave a token")
	}
	a.token.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	_, err = post(t.Context(), a.client(clientCredentials()))
	if e := failure(t, err); e.Kind != connector.Unavailable {
		t.Errorf("a token endpoint that is away: %+v", e)
	}
}

// TestRotation checks that a refresh token is used once, and that what came in its place is kept before the
// access token is used.
func TestRotation(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.rotate, a.life = true, 3600
	var kept []connector.Token
	c := a.client(connector.CredentialOptions{
		Connection: provision.Connection{Auth: provision.Auth{Type: provision.AuthorizationCode, ClientID: "muster", AuthorizeURL: a.token.URL + "/authorize"}},
		Secrets:    map[string]string{provision.SecretClientSecret: "the-secret-of-the-client", provision.SecretRefreshToken: "the-first-refresh-token"},
		Token:      connector.Token{Access: "ended-long-ago-already", Expires: time.Now().Add(-time.Hour)},
		Renew: func(ctx context.Context, old connector.Token, fetch func(context.Context, connector.Token) (connector.Token, error)) (connector.Token, error) {
			got, err := fetch(ctx, old)
			if err == nil {
				if len(a.seen) != 0 && a.seen[len(a.seen)-1] == "Bearer "+got.Access {
					t.Error("the token was used before it was kept")
				}
				kept = append(kept, got)
			}
			return got, err
		},
	})
	for range 2 {
		if _, err := post(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		a.end()
	}
	if len(a.forms) != 2 || a.forms[0].Get("refresh_token") != "the-first-refresh-token" || a.forms[1].Get("refresh_token") != "refresh-token-number-1" {
		t.Errorf("the token endpoint got %v", a.forms)
	}
	if len(kept) != 2 || kept[1].Refresh != "refresh-token-number-2" || time.Until(kept[1].Expires) < 50*time.Minute {
		t.Errorf("kept: %v", kept)
	}
	// What cannot be kept is not used: the next process would have nothing.
	lost := a.client(connector.CredentialOptions{
		Connection: provision.Connection{Auth: provision.Auth{Type: provision.AuthorizationCode, ClientID: "muster"}},
		Secrets:    map[string]string{provision.SecretRefreshToken: "another"},
		Renew: func(context.Context, connector.Token, func(context.Context, connector.Token) (connector.Token, error)) (connector.Token, error) {
			return connector.Token{}, errors.New("the disk is full")
		},
	})
	if _, err := post(t.Context(), lost); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("%v", err)
	}
}

// TestAssertions checks both uses of a signed assertion (RFC 7523), with every kind of key.
func TestAssertions(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	edPublic, edKey, _ := ed25519.GenerateKey(rand.Reader)
	for name, c := range map[string]struct {
		private, public any
		method          string
		use             string
	}{
		"RSA, as a grant":      {rsaKey, &rsaKey.PublicKey, "RS256", ""},
		"EC, for the client":   {ecKey, &ecKey.PublicKey, "ES256", "client"},
		"Ed25519, for a grant": {edKey, edPublic, "EdDSA", "grant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			der, err := x509.MarshalPKCS8PrivateKey(c.private)
			if err != nil {
				t.Fatal(err)
			}
			a := newAuthority(t)
			o := connector.CredentialOptions{
				Connection: provision.Connection{Auth: provision.Auth{Type: provision.JWTAssertion, ClientID: "muster", Assertion: c.use, KeyID: "k1", Subject: "somebody"}},
				Secrets:    map[string]string{provision.SecretKey: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))},
			}
			if _, err := post(t.Context(), a.client(o)); err != nil {
				t.Fatal(err)
			}
			f := a.forms[0]
			text := f.Get("assertion")
			if c.use == "client" {
				if text = f.Get("client_assertion"); f.Get("grant_type") != "client_credentials" || f.Get("client_id") != "muster" {
					t.Errorf("the token endpoint got %v", f)
				}
			} else if f.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
				t.Errorf("the token endpoint got %v", f)
			}
			var claims jwt.RegisteredClaims
			token, err := jwt.ParseWithClaims(text, &claims, func(*jwt.Token) (any, error) { return c.public, nil },
				jwt.WithValidMethods([]string{c.method}), jwt.WithAudience(a.token.URL+"/token"), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
			if err != nil || claims.Issuer != "muster" || claims.Subject != "somebody" || claims.ID == "" || token.Header["kid"] != "k1" {
				t.Errorf("%+v, %v", claims, err)
			}
		})
	}
}

// TestSimpleCredentials checks the kinds that stay as they are.
func TestSimpleCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		auth    provision.Auth
		secrets map[string]string
		header  string
		want    string
	}{
		"basic":  {provision.Auth{Type: provision.Basic, Username: "muster"}, map[string]string{"password": "a:b c"}, "Authorization", "Basic bXVzdGVyOmE6YiBj"},
		"header": {provision.Auth{Type: provision.Header, Header: "X-Api-Key"}, map[string]string{"token": "the-key-itself"}, "X-Api-Key", "the-key-itself"},
		"bearer": {provision.Auth{Type: provision.Bearer}, map[string]string{"token": "the-key-itself"}, "Authorization", "Bearer the-key-itself"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = r.Header.Get(c.header)
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"detail":"no to %s"}`, got)
			})
			o := connector.CredentialOptions{Connection: provision.Connection{Endpoint: address, Auth: c.auth}, Secrets: c.secrets}
			credentials, err := connector.NewCredentials(o)
			if err != nil {
				t.Fatal(err)
			}
			client, err := connector.NewClient(connector.Options{Connection: o.Connection, Credentials: credentials})
			if err != nil {
				t.Fatal(err)
			}
			_, err = post(t.Context(), client)
			if got != c.want {
				t.Errorf("the target got %q, want %q", got, c.want)
			}
			if strings.Contains(failure(t, err).Reason, strings.TrimPrefix(strings.TrimPrefix(c.want, "Basic "), "Bearer ")) {
				t.Errorf("the secret is shown: %v", err)
			}
		})
	}
	if _, err := connector.NewCredentials(connector.CredentialOptions{Connection: provision.Connection{Auth: provision.Auth{Type: provision.Header, Header: "X Api\nKey"}}}); err == nil {
		t.Error("a header's name with a line break was taken")
	}
}
