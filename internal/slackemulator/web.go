package slackemulator

import (
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// webError is how Slack's Web API refuses: HTTP 200 and ok:false.
type webError struct {
	OK    bool   `json:"ok"`
	Error string `json:"error"`
}

func webRefusal(code string) *reply {
	return &reply{status: http.StatusOK, value: webError{Error: code}, code: code}
}

// web answers /api/… (Slack's Web API) and /oauth/v2/authorize.
func (e *Emulator) web(c *call) *reply {
	form := readForm(c)
	switch strings.TrimSuffix(c.request.URL.Path, "/") {
	case "/api/auth.test":
		return e.authTest(c, form)
	case "/api/auth.revoke":
		return e.authRevoke(c, form)
	case "/api/oauth.v2.access":
		return e.oauthAccess(c, form)
	case "/api/oauth.v2.exchange":
		return e.oauthExchange(c, form)
	case "/oauth/v2/authorize":
		return e.authorize(c, form)
	}
	return webRefusal("unknown_method")
}

// readForm gives the parameters of a Web API call: query and form together.
func readForm(c *call) url.Values {
	form := url.Values{}
	for name, values := range c.query {
		form[name] = values
	}
	kind, _, _ := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		return form
	}
	sent, err := url.ParseQuery(string(c.body))
	if err != nil {
		return form
	}
	for name, values := range sent {
		form[name] = values
	}
	return form
}

// webToken finds the token of a Web API call, in the header or the parameter, and says in Slack's
// words what is wrong with it.
func (e *Emulator) webToken(c *call, form url.Values) (Token, string) {
	value := form.Get("token")
	if header := c.request.Header.Get("Authorization"); header != "" {
		var malformed bool
		if value, malformed = bearer(header); malformed {
			return Token{}, "invalid_auth"
		}
	}
	if value == "" {
		return Token{}, "not_authed"
	}
	t, live, revoked := e.tokens.find(value)
	switch {
	case revoked:
		return Token{}, "token_revoked"
	case !live:
		return Token{}, "invalid_auth"
	case e.expired(t):
		return Token{}, "token_expired"
	}
	if t.UserID != "" {
		if u, ok := e.User(t.UserID); !ok || !u.Active {
			return Token{}, "account_inactive"
		}
	}
	return t, ""
}

// authTest is https://docs.slack.dev/reference/methods/auth.test. It asks for no scope: a token
// that works here and not in SCIM lacks admin, or its owner is no administrator.
func (e *Emulator) authTest(c *call, form url.Values) *reply {
	t, wrong := e.webToken(c, form)
	if wrong != "" {
		return webRefusal(wrong)
	}
	u, _ := e.User(t.UserID)
	f := e.frame(c)
	answer := struct {
		OK                  bool   `json:"ok"`
		URL                 string `json:"url"`
		Team                string `json:"team"`
		User                string `json:"user"`
		TeamID              string `json:"team_id"`
		UserID              string `json:"user_id"`
		BotID               string `json:"bot_id,omitempty"`
		EnterpriseID        string `json:"enterprise_id,omitempty"`
		IsEnterpriseInstall bool   `json:"is_enterprise_install"`
	}{
		OK: true, URL: strings.TrimSuffix(f.profileURL(""), "team/"), Team: e.options.Name,
		User: u.UserName, TeamID: teamID, UserID: u.ID,
	}
	if t.isBot() {
		answer.BotID = "B0EMULATED"
	}
	if c.policies.Plan == PlanEnterprise {
		answer.EnterpriseID = enterpriseID
		if answer.IsEnterpriseInstall = !t.Workspace; answer.IsEnterpriseInstall {
			answer.TeamID = enterpriseID
		}
	}
	out := &reply{status: http.StatusOK, value: answer, header: http.Header{}}
	out.header.Set("X-OAuth-Scopes", strings.Join(t.scopes(), ","))
	return out
}

// authRevoke is https://docs.slack.dev/reference/methods/auth.revoke.
func (e *Emulator) authRevoke(c *call, form url.Values) *reply {
	t, wrong := e.webToken(c, form)
	if wrong != "" {
		return webRefusal(wrong)
	}
	revoke := form.Get("test") != "1" && form.Get("test") != "true"
	if revoke {
		e.tokens.revoke(t.Value)
	}
	return &reply{status: http.StatusOK, value: struct {
		OK      bool `json:"ok"`
		Revoked bool `json:"revoked"`
	}{true, revoke}}
}
