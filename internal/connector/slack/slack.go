package slack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// renames is how many other userNames are tried within one request to create or rename.
const renames = 3

// Slack's own addresses. Its Web API is asked beside its own SCIM endpoint only, so that a token never
// leaves for a host that was not configured.
const (
	defaultHost   = "api.slack.com"
	defaultWebAPI = "https://slack.com/api/"
)

// Options are what a [Connector] is made from.
type Options struct {
	Connection provision.Connection // an endpoint that ends in /scim/v1/ speaks version 1
	Token      string               // a user token, "xoxp-…", where there are no Credentials
	// Credentials of the connection; nil is a bearer of Token.
	Credentials *connector.Credentials
	Users       []string           // mapped target paths of users
	Groups      []string           // and of groups
	Quirks      Quirks             // see [ParseQuirks]; the zero value is Slack as documented
	Limiter     *connector.Limiter // of the connection; nil is without limits
	Version     string             // Muster's, for the User-Agent
}

// Connector is a [connector.Connector], [connector.Shaper] and [connector.Counter] for one Slack workspace
// or organisation.
type Connector struct {
	client   *connector.Client
	limiter  *connector.Limiter
	web      *connector.Client // nil without a Web API
	dialect  dialect
	quirks   Quirks
	users    []binding
	groups   []string // canonical paths that are displayName
	misfit   *connector.Error
	requests atomic.Int64

	asking sync.Mutex // one question to auth.test at a time
	own    atomic.Pointer[string]
}

var (
	_ connector.Connector = (*Connector)(nil)
	_ connector.Shaper    = (*Connector)(nil)
	_ connector.Counter   = (*Connector)(nil)
)

// New makes the connector; it sends nothing. A token of the wrong kind is no error here: whatever is
// asked of the connector is refused with it, before anything is sent (see [CheckToken]).
func New(o Options) (*Connector, error) {
	if o.Quirks == (Quirks{}) {
		o.Quirks = defaults()
	}
	c := &Connector{dialect: dialectOf(o.Connection.Endpoint), quirks: o.Quirks, users: bind(o.Users), limiter: o.Limiter}
	if c.limiter == nil {
		c.limiter = connector.NewLimiter(connector.Limits{})
	}
	for _, path := range o.Groups {
		if p, err := attr.ParsePath(path); err == nil && strings.EqualFold(p.String(), "displayName") {
			c.groups = append(c.groups, p.String())
		}
	}
	if o.Token == "" && o.Credentials != nil {
		// Slack gave it itself.
	} else if err := CheckToken(o.Token); err != nil {
		c.misfit = &connector.Error{
			Kind: unauthorised, Code: connector.DiagnosisToken, Reason: err.Error(),
			Advice: "Create a Slack app with the user token scope admin, install it as an owner, and enter its User OAuth Token (xoxp-…).",
		}
		o.Token, o.Credentials = "", nil // it is not sent anywhere
	}
	var err error
	c.client, err = connector.NewClient(connector.Options{
		Connection: o.Connection, Token: o.Token, Credentials: o.Credentials, Limiter: c.limiter, Version: o.Version,
		Accept: "application/json", Refine: refine,
	})
	if err != nil {
		return nil, err
	}
	webAPI := webAPIOf(o.Connection)
	if webAPI == "" {
		return c, nil
	}
	connection := o.Connection
	connection.Endpoint = webAPI
	c.web, err = connector.NewClient(connector.Options{
		Connection: connection, Token: o.Token, Credentials: o.Credentials, Version: o.Version, Accept: "application/json",
	})
	if err != nil {
		return nil, fmt.Errorf("connection.web_api: %w", err)
	}
	return c, nil
}

// webAPIOf returns where auth.test is: as configured, else Slack's own beside Slack's own endpoint.
func webAPIOf(c provision.Connection) string {
	if c.WebAPI != "" {
		return c.WebAPI
	}
	u, err := url.Parse(c.Endpoint)
	if err == nil && u.Scheme == "https" && strings.EqualFold(u.Host, defaultHost) {
		return defaultWebAPI
	}
	return ""
}

// CheckToken refuses a token that cannot be one for SCIM, by its prefix
// (https://docs.slack.dev/authentication/tokens). Prefixes that it doesn't know pass.
func CheckToken(token string) error {
	for _, wrong := range []struct{ prefix, what string }{
		{"xoxb-", "a bot token"},
		{"xoxe.xoxb-", "a bot token"},
		{"xapp-", "an app-level token"},
		{"xoxe-", "a refresh token"},
		{"xoxs-", "a legacy token"},
		{"xoxa-", "a legacy token"},
		{"xoxr-", "a refresh token"},
	} {
		if strings.HasPrefix(token, wrong.prefix) {
			return fmt.Errorf("this is %s (%s…); Slack's SCIM takes a user token (xoxp-…) with the scope admin", wrong.what, wrong.prefix)
		}
	}
	if strings.TrimSpace(token) == "" {
		return errors.New("there is no token; Slack's SCIM takes a user token (xoxp-…) with the scope admin")
	}
	return nil
}

// Requests implements [connector.Counter].
func (c *Connector) Requests() int64 { return c.requests.Load() }

// Shape implements [connector.Shaper]: userName within Slack's rules (see userNameOf), a display name that
// Slack takes, whole dates, everything as text, and nothing that Slack keeps no place for or cannot
// leave empty.
func (c *Connector) Shape(kind directory.Kind, _ string, want attr.Set) attr.Set {
	shaped := make(attr.Set, len(want))
	if kind == directory.KindGroup {
		for _, path := range c.groups {
			if v, ok := want[path]; ok {
				shaped[path] = v
			}
		}
		return shaped
	}
	for _, b := range c.users {
		value, ok := want[b.path]
		if !ok {
			continue
		}
		p := b.split(value)
		for s, v := range p {
			p[s] = shapeSlot(s, v)
		}
		if len(b.slots) == 1 && b.slots[0] == slotTimezone && p[slotTimezone] == "" {
			continue // nobody is without one: it stays as it is, see always
		}
		shaped[b.path] = b.join(p)
	}
	return shaped
}

func shapeSlot(s slot, v string) string {
	switch s {
	case slotUserName:
		return userNameOf(v)
	case slotDisplayName:
		return displayNameOf(v)
	case slotStartDate:
		return dateOf(v)
	}
	return v
}

// Write implements [connector.Connector].
func (c *Connector) Write(ctx context.Context, ch connector.Change) (connector.Outcome, error) {
	var out connector.Outcome
	if c.misfit != nil {
		return out, c.misfit
	}
	var failed *connector.Error
	user := ch.Kind == directory.KindUser
	switch {
	case ch.ID == "" && ch.Action != connector.Create:
		failed = &connector.Error{Kind: rejected, Code: "missing_user_id", Reason: "the account's id is missing", Advice: adviseReport}
	case ch.Action == connector.Create && user:
		failed = c.createUser(ctx, ch, &out)
	case ch.Action == connector.Update && user:
		failed = c.updateUser(ctx, ch, nil, &out)
	case ch.Action == connector.Enable && user:
		active := true
		failed = c.updateUser(ctx, ch, &active, &out)
	case user: // Slack deletes nobody: a deleted person is a deactivated one
		failed = c.disableUser(ctx, ch, &out)
	case ch.Action == connector.Create:
		failed = c.createGroup(ctx, ch, &out)
	case ch.Action == connector.Update:
		failed = c.updateGroup(ctx, ch, &out)
	case ch.Action == connector.Delete:
		failed = c.deleteGroup(ctx, ch, &out)
	default:
		failed = &connector.Error{
			Kind: rejected, Code: "unsupported", Reason: fmt.Sprintf("Slack has no %s for groups", ch.Action),
			Advice: "Set the groups' actions to create, update and delete.",
		}
	}
	if failed != nil {
		return out, failed
	}
	return out, nil
}

// send sends one request of a change and counts it.
func (c *Connector) send(ctx context.Context, out *connector.Outcome, r connector.Request) (*connector.Answer, *connector.Error) {
	r.ContentType = "application/json"
	ans, err := c.client.Do(ctx, r)
	c.requests.Add(int64(ans.Requests))
	if out != nil {
		out.Requests += ans.Requests
		out.Exchange = ans.Exchange
	}
	return ans, failure(err)
}

// failure returns an error of the client as what it always is, nil for none.
func failure(err error) *connector.Error {
	if err == nil {
		return nil
	}
	var e *connector.Error
	if errors.As(err, &e) {
		return e
	}
	return &connector.Error{Kind: unavailable, Code: connector.CodeHTTP, Reason: err.Error(), Err: err}
}

func collection(kind directory.Kind) string {
	if kind == directory.KindGroup {
		return "Groups"
	}
	return "Users"
}

func address(kind directory.Kind, id string) string {
	return collection(kind) + "/" + segment(id)
}

// noAnswer is the error of a create that succeeded without saying whom it made: it must be looked up
// before it is repeated.
func noAnswer(ans *connector.Answer, what string) *connector.Error {
	return &connector.Error{
		Kind: unavailable, Code: connector.CodeNoID, Status: ans.Status, Unknown: true, Exchange: ans.Exchange,
		Reason: "Slack took the " + what + " and answered without an id",
		Advice: "Muster looks for it before it tries again.",
	}
}

// segment escapes an id for a path; one of dots alone would be resolved away.
func segment(id string) string {
	if strings.Trim(id, ".") == "" {
		return strings.ReplaceAll(id, ".", "%2E")
	}
	return url.PathEscape(id)
}
