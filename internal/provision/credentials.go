package provision

// The kinds of credentials.
const (
	Bearer            = "bearer"                    // a pasted token (RFC 6750)
	Basic             = "basic"                     // user name and password (RFC 7617)
	Header            = "header"                    // a token in a header of the target's own
	ClientCredentials = "oauth2_client_credentials" // RFC 6749 §4.4
	AuthorizationCode = "oauth2_authorization_code" // RFC 6749 §4.1, with PKCE (RFC 7636)
	JWTAssertion      = "jwt_assertion"             // RFC 7523: a signed assertion for a token
)

// The names of the secrets of credentials. The last two Muster gets itself: an access token, and the refresh
// token that came with it, which is newer than the one that a person gave.
const (
	SecretToken        = "token"
	SecretPassword     = "password"
	SecretClientSecret = "client_secret"
	SecretKey          = "key"
	SecretRefreshToken = "refresh_token"
	SecretAccessToken  = "access_token"
	SecretRotatedToken = "rotated_token"
)

// secretsOf are the secrets that a person gives, by kind of credentials; of those with true the kind can go
// without.
var secretsOf = map[string]map[string]bool{
	Bearer:            {SecretToken: false},
	Basic:             {SecretPassword: false},
	Header:            {SecretToken: false},
	ClientCredentials: {SecretClientSecret: false},
	AuthorizationCode: {SecretClientSecret: true, SecretRefreshToken: true},
	JWTAssertion:      {SecretKey: false},
}

// Secrets returns the names of the secrets that a person gives for these credentials, each with whether they
// work without it.
func (a Auth) Secrets() map[string]bool { return secretsOf[a.kind()] }

func (a Auth) kind() string {
	if a.Type == "" {
		return Bearer
	}
	return a.Type
}

// Renews reports whether Muster gets the access token itself, from Auth.TokenURL.
func (a Auth) Renews() bool {
	switch a.kind() {
	case ClientCredentials, AuthorizationCode, JWTAssertion:
		return true
	}
	return false
}

// SecretURL returns the only place that a secret is sent to: what gets tokens goes to the token endpoint, all
// else to the target.
func (c Connection) SecretURL(name string) string {
	switch name {
	case SecretClientSecret, SecretKey, SecretRefreshToken, SecretRotatedToken:
		return c.Auth.TokenURL
	}
	return c.Endpoint
}

// Bare returns the credentials without secrets.
func (a Auth) Bare() Auth {
	a.Token, a.Password, a.ClientSecret, a.Key, a.RefreshToken = "", "", "", "", ""
	return a
}
