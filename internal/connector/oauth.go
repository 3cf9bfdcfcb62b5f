package connector

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/tracing"
)

// CodeNoToken says that a token endpoint gave no token and no reason of its own.
const CodeNoToken = "no_token"

// OAuth is how a target's OAuth departs from RFC 6749, as its template knows it.
type OAuth struct {
	AuthorizeURL string   `json:"authorize_url,omitempty"` // the defaults of a connection
	TokenURL     string   `json:"token_url,omitempty"`
	Scopes       []string `json:"scopes,omitempty"`
	ScopeParam   string   `json:"scope_param,omitempty"` // the parameter that takes the scopes; "" is scope
	TokenIn      string   `json:"token_in,omitempty"`    // the member of the answer that holds the token; "" is the answer itself
}

// source gets tokens.
type source struct {
	at     *url.URL // the token endpoint
	auth   provision.Auth
	oauth  OAuth
	secret map[string]string
	config oauth2.Config
	http   *http.Client
	sign   func(now time.Time) (string, error) // of jwt_assertion
}

// assertionLife is how long an assertion holds: it is used at once.
const assertionLife = 5 * time.Minute

func newSource(o CredentialOptions) (*source, error) {
	auth := o.Connection.Auth
	where := o.Connection
	where.Endpoint = auth.TokenURL
	at, err := endpoint(where)
	if err != nil {
		return nil, fmt.Errorf("connection.auth.token_url: %s", strings.ReplaceAll(err.Error(), "connection.endpoint", "it"))
	}
	trusted, err := Authorities(o.Connection.CAFile)
	if err != nil {
		return nil, err
	}
	s := &source{at: at, auth: auth, oauth: o.OAuth, secret: o.Secrets}
	s.config = oauth2.Config{
		ClientID: auth.ClientID, ClientSecret: o.Secrets[provision.SecretClientSecret], Scopes: auth.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: auth.AuthorizeURL, TokenURL: auth.TokenURL, AuthStyle: authStyles[auth.ClientAuth]},
	}
	s.http = &http.Client{
		Transport: tokenTransport{transport(trusted, 2, o.Connection.AllowLinkLocal), o.OAuth.TokenIn},
		Timeout:   headerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the token endpoint points to another address, where no secret goes")
		},
	}
	if auth.Type == provision.JWTAssertion {
		if s.sign, err = signer(auth, o.Secrets[provision.SecretKey]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

var authStyles = map[string]oauth2.AuthStyle{"": oauth2.AuthStyleAutoDetect, "basic": oauth2.AuthStyleInHeader, "post": oauth2.AuthStyleInParams}

// fetch gets a token in the place of the newest that there is.
func (s *source) fetch(ctx context.Context, newest Token) (Token, *Error) {
	inner := context.WithValue(ctx, oauth2.HTTPClient, s.http)
	var t *oauth2.Token
	var err error
	switch s.auth.Type {
	case provision.AuthorizationCode:
		refresh := newest.Refresh
		if refresh == "" {
			refresh = s.secret[provision.SecretRefreshToken]
		}
		if refresh == "" {
			return Token{}, &Error{
				Kind: Unauthorised, Code: CodeNoToken, Reason: "nobody has authorised this connection yet, or its token has ended and nothing renews it",
				Advice: "Authorise the connection again.",
			}
		}
		t, err = s.config.TokenSource(inner, &oauth2.Token{RefreshToken: refresh}).Token()
		if err == nil && t.RefreshToken == "" {
			t.RefreshToken = refresh
		}
	default:
		t, err = s.credentials(inner)
	}
	if err != nil {
		return Token{}, s.failed(ctx, err)
	}
	return Token{Access: t.AccessToken, Refresh: t.RefreshToken, Expires: t.Expiry}, nil
}

// credentials gets a token by what the client itself has.
func (s *source) credentials(ctx context.Context) (*oauth2.Token, error) {
	c := clientcredentials.Config{
		ClientID: s.config.ClientID, ClientSecret: s.config.ClientSecret, TokenURL: s.config.Endpoint.TokenURL,
		Scopes: s.config.Scopes, AuthStyle: s.config.Endpoint.AuthStyle, EndpointParams: url.Values{},
	}
	for name, value := range maps.All(s.auth.Params) {
		c.EndpointParams.Set(name, value)
	}
	if s.sign != nil {
		assertion, err := s.sign(time.Now())
		if err != nil {
			return nil, err
		}
		c.AuthStyle = oauth2.AuthStyleInParams
		if s.auth.Assertion == "client" { // RFC 7523 §2.2
			c.EndpointParams.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			c.EndpointParams.Set("client_assertion", assertion)
		} else { // RFC 7523 §2.1
			c.EndpointParams.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
			c.EndpointParams.Set("assertion", assertion)
		}
	}
	return c.Token(ctx)
}

// failed puts what the token endpoint answered into words. Nothing of an answer is shown but its error: all
// else may be a secret.
func (s *source) failed(ctx context.Context, err error) *Error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		if u := new(url.Error); !errors.As(err, &u) {
			return &Error{Kind: Unauthorised, Code: CodeNoToken, Reason: s.at.Host + " gave no token: " + plain(err.Error(), 300), Advice: adviceOnTokens, Err: err}
		}
		return broken(ctx, s.at.Host, err, false, false)
	}
	e := &Error{Kind: Unauthorised, Code: CodeNoToken, Reason: s.at.Host + " gave no token", Advice: adviceOnTokens}
	if refused.Response != nil {
		if e.Status = refused.Response.StatusCode; e.Status >= 500 || e.Status == http.StatusTooManyRequests {
			e.Kind = Unavailable
			e.RetryAfter = retryAfter(refused.Response.Header, time.Now())
		}
	}
	if code := plain(refused.ErrorCode, 80); code != "" {
		e.Code = code
		e.Reason += ": " + code
	}
	if text := plain(refused.ErrorDescription, 300); text != "" {
		e.Reason += ": " + text
	}
	return e
}

const adviceOnTokens = "Check client_id, secret, scopes and token_url of connection.auth; authorise the connection again where a person did."

// signer makes the assertions of a private key: RS256, ES256, ES384, ES512 or EdDSA, as the key is.
func signer(auth provision.Auth, pem string) (func(now time.Time) (string, error), error) {
	key, method, err := privateKey(pem)
	if err != nil {
		return nil, err
	}
	or := func(words ...string) string {
		for _, w := range words {
			if w != "" {
				return w
			}
		}
		return ""
	}
	issuer := or(auth.Issuer, auth.ClientID)
	return func(now time.Time) (string, error) {
		t := jwt.NewWithClaims(method, jwt.RegisteredClaims{
			Issuer: issuer, Subject: or(auth.Subject, issuer), Audience: jwt.ClaimStrings{or(auth.Audience, auth.TokenURL)},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(assertionLife)), ID: rand.Text(),
		})
		if auth.KeyID != "" {
			t.Header["kid"] = auth.KeyID
		}
		return t.SignedString(key)
	}, nil
}

// CheckKey says what is wrong with a private key for assertions, without showing any of it.
func CheckKey(pem string) error {
	_, _, err := privateKey(pem)
	return err
}

func privateKey(pem string) (crypto.Signer, jwt.SigningMethod, error) {
	if key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(pem)); err == nil {
		if key.N.BitLen() < 2048 {
			return nil, nil, errors.New("the private key has fewer than 2048 bits")
		}
		return key, jwt.SigningMethodRS256, nil
	}
	if key, err := jwt.ParseECPrivateKeyFromPEM([]byte(pem)); err == nil {
		for _, m := range []*jwt.SigningMethodECDSA{jwt.SigningMethodES256, jwt.SigningMethodES384, jwt.SigningMethodES512} {
			if m.CurveBits == key.Curve.Params().BitSize {
				return key, m, nil
			}
		}
	}
	if key, err := jwt.ParseEdPrivateKeyFromPEM([]byte(pem)); err == nil {
		if signer, ok := key.(ed25519.PrivateKey); ok {
			return signer, jwt.SigningMethodEdDSA, nil
		}
	}
	return nil, nil, errors.New("the key is no RSA, elliptic curve or Ed25519 private key in PEM form without a password")
}

var (
	_ crypto.Signer = (*rsa.PrivateKey)(nil)
	_ crypto.Signer = (*ecdsa.PrivateKey)(nil)
)

// Handover begins the hand-over of an authorisation: the address to send a person's browser to. State comes
// back with the code and must be the same; verifier goes with the code (PKCE, RFC 7636). Both are to be kept
// where the browser's owner alone gets at them.
func (c *Credentials) Handover(redirect string) (address, state, verifier string, err error) {
	s := c.source
	if s == nil || s.auth.Type != provision.AuthorizationCode {
		return "", "", "", errors.New("these credentials are not authorised in a browser")
	}
	config := s.config
	config.RedirectURL = redirect
	state, verifier = rand.Text(), oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	if s.oauth.ScopeParam != "" {
		options = append(options, oauth2.SetAuthURLParam(s.oauth.ScopeParam, strings.Join(config.Scopes, ",")))
		config.Scopes = nil
	}
	return config.AuthCodeURL(state, options...), state, verifier, nil
}

// Exchange ends the hand-over: it turns the code into a token, which it neither keeps nor takes into use.
func (c *Credentials) Exchange(ctx context.Context, redirect, code, verifier string) (Token, error) {
	s := c.source
	if s == nil || s.auth.Type != provision.AuthorizationCode {
		return Token{}, errors.New("these credentials are not authorised in a browser")
	}
	config := s.config
	config.RedirectURL = redirect
	t, err := config.Exchange(context.WithValue(ctx, oauth2.HTTPClient, s.http), code, oauth2.VerifierOption(verifier))
	if err != nil {
		failed := s.failed(ctx, err)
		failed.Reason = newRedactor(code, verifier).text(c.hidden.Load().text(failed.Reason))
		return Token{}, failed
	}
	return Token{Access: t.AccessToken, Refresh: t.RefreshToken, Expires: t.Expiry}, nil
}

// tokenTransport bounds the answers of a token endpoint, and finds the token where the target puts it: Slack's
// is authed_user.access_token (https://docs.slack.dev/authentication/installing-with-oauth).
type tokenTransport struct {
	wire http.RoundTripper
	in   string
}

func (t tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	_, span := tracing.Start(req.Context(), req.Method+" token", trace.SpanKindClient, semconv.HTTPRequestMethodKey.String(req.Method), semconv.ServerAddress(req.URL.Hostname()))
	res, err := t.wire.RoundTrip(req)
	if err != nil {
		answeredSpan(span, 0, &Error{Code: CodeUnreachable})
		return nil, err
	}
	defer res.Body.Close()
	defer answeredSpan(span, res.StatusCode, nil)
	body, err := io.ReadAll(io.LimitReader(res.Body, errorBytes))
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if t.in != "" && json.Unmarshal(body, &doc) == nil {
		if inner, ok := doc[t.in].(map[string]any); ok && inner["access_token"] != nil {
			maps.Copy(doc, inner) // what stands beside it may be a bot's
			if lifted, err := json.Marshal(doc); err == nil {
				body = lifted
			}
		}
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res.Header.Del("Content-Length")
	return res, nil
}
