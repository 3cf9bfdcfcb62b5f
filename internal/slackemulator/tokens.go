package slackemulator

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Token is an access token that somebody got by installing an app.
type Token struct {
	// Value is what the client sends. One that begins with xoxb- is a bot's and never gets into SCIM.
	Value string `json:"value"`
	// Scopes; nil means admin alone. Without admin, auth.test takes the token and SCIM does not.
	Scopes []string `json:"scopes,omitempty"`
	// Role of the installer, RolePrimaryOwner when empty. The person is made when there is none
	// with that role for it yet. Ignored when UserID is set: then that person's role counts.
	Role Role `json:"role,omitempty"`
	// UserID of the installer. When that person is deactivated, the token dies.
	UserID string `json:"user_id,omitempty"`
	// Workspace says that on Enterprise the app was installed on one workspace, not on the
	// organisation: SCIM answers non_org_teams_only.
	Workspace bool `json:"workspace,omitempty"`
	// Plan overrides the workspace's for this token: free or pro give plus_teams_only.
	Plan Plan `json:"plan,omitempty"`
	// Expires, in real time; zero means never.
	Expires time.Time `json:"expires,omitzero"`
}

// ParseToken reads a token as the command line takes it: VALUE[,key=value]… with the keys scopes
// (joined by "+"), role, install (org or workspace) and plan.
//
//	xoxp-1                          the primary owner's, scope admin
//	xoxp-2,scopes=users:read        valid for auth.test, refused by SCIM
//	xoxp-3,role=admin               may not touch owners
//	xoxp-4,install=workspace        refused by SCIM on Enterprise
//	xoxp-5,plan=free                refused by SCIM
func ParseToken(text string) (Token, error) {
	value, rest, more := strings.Cut(text, ",")
	if value == "" {
		return Token{}, fmt.Errorf("token: it is empty; say VALUE[,scopes=…][,role=…][,install=…][,plan=…]")
	}
	t := Token{Value: value}
	for more {
		var pair string
		pair, rest, more = strings.Cut(rest, ",")
		key, v, _ := strings.Cut(pair, "=")
		switch {
		case key == "scopes":
			t.Scopes = strings.FieldsFunc(v, func(r rune) bool { return r == '+' })
		case key == "role" && slices.Contains(roles, Role(v)):
			t.Role = Role(v)
		case key == "install" && (v == "org" || v == "workspace"):
			t.Workspace = v == "workspace"
		case key == "plan" && slices.Contains(plans, Plan(v)):
			t.Plan = Plan(v)
		default:
			return Token{}, fmt.Errorf("token option %q: say scopes=A+B, role=%v, install=org|workspace or plan=%v", pair, roles, plans)
		}
	}
	return t, nil
}

func (t Token) isBot() bool { return strings.HasPrefix(t.Value, "xoxb-") }

func (t Token) scopes() []string {
	if t.Scopes == nil {
		return []string{"admin"}
	}
	return t.Scopes
}

type tokens struct {
	mu      sync.RWMutex
	live    map[string]Token
	revoked map[string]bool // known once: auth.test tells token_revoked from invalid_auth
}

func newTokens() *tokens { return &tokens{live: map[string]Token{}, revoked: map[string]bool{}} }

func (t *tokens) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.live)
	clear(t.revoked)
}

func (t *tokens) find(value string) (token Token, live, revoked bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	token, live = t.live[value]
	return token, live, t.revoked[value]
}

func (t *tokens) add(token Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[token.Value] = token
	delete(t.revoked, token.Value)
}

func (t *tokens) revoke(value string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, live := t.live[value]
	if live {
		delete(t.live, value)
		t.revoked[value] = true
	}
	return live
}

// AddToken accepts t from now on.
func (e *Emulator) AddToken(t Token) {
	if t.UserID == "" {
		t.UserID = e.installer(t.Role)
	}
	e.tokens.add(t)
}

// RevokeToken makes the token worthless, as uninstalling the app does. It says whether it was live.
func (e *Emulator) RevokeToken(value string) bool { return e.tokens.revoke(value) }

// installer finds the person with that role who installs apps, or adds one.
func (e *Emulator) installer(role Role) string {
	if role == "" {
		role = RolePrimaryOwner
	}
	for _, u := range e.Users() {
		if u.Role == role && u.Active && !u.Bot && (role == RolePrimaryOwner || strings.HasPrefix(u.UserName, "installer.")) {
			return u.ID
		}
	}
	name := "installer." + strings.ReplaceAll(string(role), "_", ".")
	u, err := e.AddUser(User{
		UserName: name, DisplayName: name, GivenName: "App", FamilyName: "Installer",
		Email: name + "@" + e.options.Domain + ".example", Active: true, Role: role,
	})
	if err != nil {
		return "" // somebody else has that name: the token then belongs to nobody in the workspace
	}
	return u.ID
}

// bearer reads the Authorization header: malformed is true for anything but "Bearer something".
func bearer(header string) (value string, malformed bool) {
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.TrimSpace(value)
	return value, !strings.EqualFold(scheme, "bearer") || value == ""
}

// authenticate finds the token of a SCIM call and the role it acts with. Slack folds a bad token, a
// missing scope and an installer who is no administrator into one code.
func (e *Emulator) authenticate(c *call) error {
	header := c.request.Header.Get("Authorization")
	if header == "" {
		return &scimError{code: "missing_authentication", v1Shape: true}
	}
	invalid := &scimError{code: "invalid_authentication", v1Shape: true}
	value, malformed := bearer(header)
	if malformed {
		return invalid
	}
	t, live, _ := e.tokens.find(value)
	if !live || t.isBot() || !slices.Contains(t.scopes(), "admin") || e.expired(t) {
		return invalid
	}
	if c.role = t.Role; t.UserID != "" {
		u, ok := e.User(t.UserID)
		if !ok || !u.Active {
			return invalid
		}
		c.role = u.Role
	}
	if c.role == "" {
		c.role = RolePrimaryOwner
	}
	if c.role.rank() < RoleAdmin.rank() {
		return invalid
	}
	plan := c.policies.Plan
	if t.Plan != "" {
		plan = t.Plan
	}
	switch {
	case plan == PlanFree || plan == PlanPro:
		return &scimError{code: "plus_teams_only", v1Shape: true}
	case plan == PlanEnterprise && t.Workspace:
		return &scimError{code: "non_org_teams_only", v1Shape: true}
	}
	return nil
}

func (e *Emulator) expired(t Token) bool {
	return !t.Expires.IsZero() && !e.clock.real().Before(t.Expires)
}
