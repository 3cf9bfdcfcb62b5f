package slackemulator

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	pathpkg "path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Ids of the one workspace and the one organisation there are.
const (
	teamID       = "T0EMULATED"
	enterpriseID = "E0EMULATED"
	appID        = "A0EMULATED"
)

const (
	codeLife     = 10 * time.Minute // real time, as everything about tokens
	rotationLife = 43200            // seconds
	maxRotated   = 2                // live access tokens of one authorisation
)

// OAuthApp is the app that people install. The zero value is an app with ClientID and ClientSecret
// below that takes any https redirect address, and any on loopback.
type OAuthApp struct {
	// ClientID and ClientSecret; empty means DefaultClientID and DefaultClientSecret.
	ClientID, ClientSecret string
	// RedirectURIs that the app has configured; a request's must be one of them or below one.
	RedirectURIs []string
	// Rotation makes access tokens live for 12 hours and gives a refresh token with each.
	Rotation bool
	// AutoApprove answers /oauth/v2/authorize as if the primary owner had pressed Allow at once,
	// on the organisation if there is one. A request's emulator_as (an id, e-mail address or
	// userName) names somebody else.
	AutoApprove bool
}

// The app's credentials unless OAuthApp says others.
const (
	DefaultClientID     = "0000000000.0000000000"
	DefaultClientSecret = "emulated-client-secret"
)

// grant is what a person allowed. It lives in a code first, then in its refresh token.
type grant struct {
	userID                string
	userScopes, botScopes []string
	workspace             bool
	redirectURI           string
	challenge             string    // PKCE, S256
	expires               time.Time // of the code
	rotating              bool
	issued                *[]string // rotated access tokens that live, oldest first
}

type oauth struct {
	app OAuthApp

	mu      sync.Mutex
	codes   map[string]grant
	refresh map[string]grant
}

func newOAuth(app OAuthApp) *oauth {
	if app.ClientID == "" {
		app.ClientID = DefaultClientID
	}
	if app.ClientSecret == "" {
		app.ClientSecret = DefaultClientSecret
	}
	return &oauth{app: app, codes: map[string]grant{}, refresh: map[string]grant{}}
}

func (o *oauth) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.codes)
	clear(o.refresh)
}

// knownScopes are the scopes that make sense beside SCIM; others are invalid_scope.
var knownScopes = []string{
	"admin", "admin.users:read", "admin.users:write", "admin.usergroups:read", "admin.usergroups:write",
	"admin.teams:read", "admin.teams:write", "usergroups:read", "usergroups:write", "users:read",
	"users:read.email", "users:write", "users.profile:read", "users.profile:write", "team:read", "chat:write",
}

func scopesIn(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// redirectAllowed: https (or loopback, which Slack itself does not take), no fragment, and one of
// the configured addresses or below one.
func (o *oauth) redirectAllowed(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Fragment != "" || strings.Contains(address, "#") {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && local) {
		return false
	}
	if len(o.app.RedirectURIs) == 0 {
		return true
	}
	return slices.ContainsFunc(o.app.RedirectURIs, func(configured string) bool {
		base, err := url.Parse(configured)
		if err != nil || base.Scheme != u.Scheme || base.Host != u.Host {
			return false
		}
		below := strings.TrimSuffix(base.Path, "/") + "/"
		return u.Path == base.Path || strings.HasPrefix(pathpkg.Clean(u.Path)+"/", below)
	})
}

// authorize is the page that asks a person to allow the app. GET shows it, POST is its answer.
func (e *Emulator) authorize(c *call, form url.Values) *reply {
	userScopes, botScopes := scopesIn(form.Get("user_scope")), scopesIn(form.Get("scope"))
	redirectURI := form.Get("redirect_uri")
	if redirectURI == "" && len(e.oauth.app.RedirectURIs) > 0 {
		redirectURI = e.oauth.app.RedirectURIs[0]
	}
	wrong := ""
	switch {
	case form.Get("client_id") != e.oauth.app.ClientID:
		wrong = "invalid_client_id"
	case !e.oauth.redirectAllowed(redirectURI):
		wrong = "bad_redirect_uri"
	case len(userScopes)+len(botScopes) == 0:
		wrong = "invalid_scope"
	case form.Get("code_challenge") != "" && form.Get("code_challenge_method") != "S256":
		wrong = "invalid_code_challenge_method"
	}
	for _, scope := range slices.Concat(userScopes, botScopes) {
		if !slices.Contains(knownScopes, scope) {
			wrong = "invalid_scope"
		}
	}
	if slices.Contains(botScopes, "admin") {
		wrong = "invalid_scope" // a user scope only
	}
	if wrong != "" {
		return e.consentPage(c, form, wrong)
	}
	if c.request.Method != http.MethodPost && !e.oauth.app.AutoApprove {
		return e.consentPage(c, form, "")
	}
	answer := url.Values{}
	if state := form.Get("state"); state != "" {
		answer.Set("state", state)
	}
	if form.Get("emulator_answer") == "cancel" {
		answer.Set("error", "access_denied")
		return redirectReply(redirectURI, answer)
	}
	person, ok := e.approver(form.Get("emulator_as"))
	if !ok {
		return e.consentPage(c, form, "no such active person")
	}
	answer.Set("code", e.oauth.issueCode(grant{
		userID: person.ID, userScopes: userScopes, botScopes: botScopes, redirectURI: form.Get("redirect_uri"),
		workspace: c.policies.Plan != PlanEnterprise || form.Get("emulator_install") == "workspace" || form.Get("team") == teamID,
		challenge: form.Get("code_challenge"), expires: e.clock.real().Add(codeLife),
	}))
	return redirectReply(redirectURI, answer)
}

func redirectReply(to string, query url.Values) *reply {
	u, err := url.Parse(to)
	if err != nil {
		return webRefusal("bad_redirect_uri")
	}
	merged := u.Query()
	for name, values := range query {
		merged[name] = values
	}
	u.RawQuery = merged.Encode()
	out := &reply{status: http.StatusFound, header: http.Header{}}
	out.header.Set("Location", u.String())
	return out
}

// approver is who presses the button: the one named, else the primary owner.
func (e *Emulator) approver(ref string) (User, bool) {
	if ref != "" {
		u, ok := e.User(ref)
		return u, ok && u.Active && !u.Bot
	}
	for _, u := range e.Users() {
		if u.Role == RolePrimaryOwner && u.Active {
			return u, true
		}
	}
	return User{}, false
}

func (o *oauth) issueCode(g grant) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	code := rand.Text()
	o.codes[code] = g
	return code
}

// takeCode gives a code's grant once.
func (o *oauth) takeCode(code string, now time.Time) (grant, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g, ok := o.codes[code]
	delete(o.codes, code)
	return g, ok && now.Before(g.expires)
}

// takeRefresh gives a refresh token's grant once.
func (o *oauth) takeRefresh(token string) (grant, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g, ok := o.refresh[token]
	delete(o.refresh, token)
	return g, ok
}

// checkClient takes the app's credentials from HTTP Basic or from the form.
func (o *oauth) checkClient(r *http.Request, form url.Values) string {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	switch {
	case id != o.app.ClientID:
		return "invalid_client_id"
	case subtle.ConstantTimeCompare([]byte(secret), []byte(o.app.ClientSecret)) != 1:
		return "bad_client_secret"
	}
	return ""
}

// oauthAccess is https://docs.slack.dev/reference/methods/oauth.v2.access.
func (e *Emulator) oauthAccess(c *call, form url.Values) *reply {
	if wrong := e.oauth.checkClient(c.request, form); wrong != "" {
		return webRefusal(wrong)
	}
	switch form.Get("grant_type") {
	case "", "authorization_code":
	case "refresh_token":
		g, ok := e.oauth.takeRefresh(form.Get("refresh_token"))
		if !ok {
			return webRefusal("invalid_refresh_token")
		}
		return e.tokenReply(c, g, true)
	default:
		return webRefusal("invalid_grant_type")
	}
	g, ok := e.oauth.takeCode(form.Get("code"), e.clock.real())
	switch {
	case !ok:
		return webRefusal("invalid_code")
	case g.redirectURI != form.Get("redirect_uri"):
		return webRefusal("bad_redirect_uri")
	case g.challenge != "" && g.challenge != s256(form.Get("code_verifier")):
		return webRefusal("invalid_code_verifier")
	}
	g.rotating = e.oauth.app.Rotation
	return e.tokenReply(c, g, false)
}

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// oauthExchange turns a long-lived token into a rotating one, once
// (https://docs.slack.dev/reference/methods/oauth.v2.exchange).
func (e *Emulator) oauthExchange(c *call, form url.Values) *reply {
	if wrong := e.oauth.checkClient(c.request, form); wrong != "" {
		return webRefusal(wrong)
	}
	if !e.oauth.app.Rotation {
		return webRefusal("token_rotation_not_enabled")
	}
	t, live, _ := e.tokens.find(form.Get("token"))
	if !live || t.isBot() || strings.HasPrefix(t.Value, "xoxe.") {
		return webRefusal("invalid_token")
	}
	e.tokens.revoke(t.Value)
	return e.tokenReply(c, grant{userID: t.UserID, userScopes: t.scopes(), workspace: t.Workspace, rotating: true}, true)
}

type teamJSON struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// secretsJSON are the members that rotation adds beside an access token.
type secretsJSON struct {
	AccessToken  string `json:"access_token,omitempty"`
	TokenType    string `json:"token_type,omitempty"`
	Scope        string `json:"scope,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	ExpiresIn    int    `json:"expires_in,omitempty"`
}

type accessJSON struct {
	OK    bool   `json:"ok"`
	AppID string `json:"app_id"`
	secretsJSON
	BotUserID           string     `json:"bot_user_id,omitempty"`
	Team                *teamJSON  `json:"team"`
	Enterprise          *teamJSON  `json:"enterprise"`
	IsEnterpriseInstall bool       `json:"is_enterprise_install"`
	AuthedUser          authedJSON `json:"authed_user"`
}

type authedJSON struct {
	ID string `json:"id"`
	secretsJSON
}

// tokenReply issues the tokens of g. The SCIM token is authed_user.access_token; the top level has
// one only for bot scopes, except after a refresh, where Slack's SDKs read it there.
func (e *Emulator) tokenReply(c *call, g grant, refreshed bool) *reply {
	out := accessJSON{OK: true, AppID: appID, Team: &teamJSON{teamID, e.options.Name}}
	if c.policies.Plan == PlanEnterprise {
		out.Enterprise = &teamJSON{enterpriseID, e.options.Name}
		if out.IsEnterpriseInstall = !g.workspace; out.IsEnterpriseInstall {
			out.Team = nil
		}
	}
	out.AuthedUser.ID = g.userID
	if len(g.userScopes) > 0 {
		out.AuthedUser.secretsJSON = e.issueUserToken(&g)
		if refreshed {
			out.secretsJSON = out.AuthedUser.secretsJSON
		}
	}
	if len(g.botScopes) > 0 && !refreshed {
		bot := Token{Value: "xoxb-" + rand.Text(), Scopes: g.botScopes, UserID: g.userID, Workspace: g.workspace}
		e.tokens.add(bot)
		out.secretsJSON = secretsJSON{AccessToken: bot.Value, TokenType: "bot", Scope: strings.Join(g.botScopes, ",")}
		out.BotUserID = "U0EMULATEDBOT"
	}
	return &reply{status: http.StatusOK, value: out}
}

// issueUserToken makes the person's token, and with rotation its successor's key: of a rotating
// authorisation at most two access tokens live, the oldest goes.
func (e *Emulator) issueUserToken(g *grant) secretsJSON {
	t := Token{Value: "xoxp-" + rand.Text(), Scopes: g.userScopes, UserID: g.userID, Workspace: g.workspace}
	out := secretsJSON{TokenType: "user", Scope: strings.Join(g.userScopes, ",")}
	if g.rotating {
		t.Value = "xoxe.xoxp-1-" + rand.Text()
		t.Expires = e.clock.real().Add(rotationLife * time.Second)
		out.ExpiresIn, out.RefreshToken = rotationLife, "xoxe-1-"+rand.Text()
		e.oauth.mu.Lock()
		if g.issued == nil {
			g.issued = &[]string{}
		}
		*g.issued = append(*g.issued, t.Value)
		if len(*g.issued) > maxRotated {
			e.tokens.revoke((*g.issued)[0])
			*g.issued = (*g.issued)[1:]
		}
		e.oauth.refresh[out.RefreshToken] = *g
		e.oauth.mu.Unlock()
	}
	e.tokens.add(t)
	out.AccessToken = t.Value
	return out
}
