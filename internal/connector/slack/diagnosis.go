package slack

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
)

// scope is the one that SCIM wants.
const scope = "admin"

// diagnoses says what Slack's codes mean for a connection; the codes that are not here are told apart
// by [connector.Diagnose].
var diagnoses = map[string]struct{ code, next string }{
	"plus_teams_only":     {connector.DiagnosisPlan, "Move the workspace to Business+ or Enterprise; Free and Pro have no SCIM."},
	"non_org_teams_only":  {connector.DiagnosisToken, "Install the Slack app on the organisation, not on one of its workspaces, as an Org Owner; then enter the token of that installation."},
	"permission_denied":   {connector.DiagnosisRole, "Have an owner of the workspace (an Org Owner on Enterprise) install the app and enter their token: who made this one is no administrator any more."},
	"unsupported_version": {connector.DiagnosisEndpoint, "Use https://api.slack.com/scim/v2/ or https://api.slack.com/scim/v1/. Slack was also seen to answer so to a wrong token: check that too."},
	"bad_endpoint":        {connector.DiagnosisEndpoint, "Use https://api.slack.com/scim/v2/ or https://api.slack.com/scim/v1/ (https://api.slack-gov.com/scim/v1/ on GovSlack)."},
	"too_many_requests":   {connector.DiagnosisRateLimited, "Slack's limit is shared by all provisioning apps of the organisation: wait a minute, then test again."},
	"resource_locked":     {connector.DiagnosisRateLimited, "Wait a minute, then test again."},
}

// Test implements [connector.Connector]: it reads one person. Slack answers its ServiceProviderConfig to
// any token, so that it proves nothing. Where the token is refused, auth.test tells a bad one from one
// that lacks the scope or whose owner lacks the role, which SCIM folds into one code.
func (c *Connector) Test(ctx context.Context) connector.Diagnosis {
	if c.misfit != nil {
		return connector.Diagnosis{Code: connector.DiagnosisToken, Message: c.misfit.Reason, Next: c.misfit.Advice}
	}
	ans, failed := c.send(ctx, nil, connector.Request{
		Method: http.MethodGet, Path: "Users", Query: url.Values{"count": {"1"}},
		Urgency: connector.OnDemand, List: true, Once: true,
	})
	if failed == nil {
		if _, _, err := c.page(directory.KindUser, ans); err != nil {
			failed = failure(err)
		}
	}
	if failed == nil {
		return connector.Diagnosis{
			OK: true, Code: connector.DiagnosisOK, Message: c.client.Host() + " lists its people to this token.",
			Next: "Provisioning can run.",
		}
	}
	d := connector.Diagnose(failed)
	if row, ok := diagnoses[failed.Code]; ok {
		d = connector.Diagnosis{Code: row.code, Message: failed.Error(), Next: row.next}
	} else if failed.Kind == unauthorised && failed.Exchange != nil { // else no token was sent
		d = c.tellApart(ctx, failed)
	}
	d.Exchange = failed.Exchange
	return d
}

// tellApart asks auth.test about a token that SCIM refused.
func (c *Connector) tellApart(ctx context.Context, refused *connector.Error) connector.Diagnosis {
	const newToken = "Copy the User OAuth Token (xoxp-…) of the Slack app again, whole; install the app again if the token was revoked or its owner deactivated."
	const newScope = "Add admin under User Token Scopes of the Slack app, install it again as an owner, and enter the new token."
	id := c.identify(ctx)
	switch {
	case id.failed != nil:
		return connector.Diagnosis{
			Code:    connector.DiagnosisToken,
			Message: "Slack refuses the token: it is wrong, lacks the scope admin, or its owner is no administrator; without auth.test they cannot be told apart.",
			Next:    newToken + " Or: " + newScope,
		}
	case !id.ok:
		return connector.Diagnosis{Code: connector.DiagnosisToken, Message: "Slack knows no such token (auth.test answers " + id.problem + ").", Next: newToken}
	case id.bot:
		return connector.Diagnosis{Code: connector.DiagnosisToken, Message: "This token belongs to a bot.", Next: newToken}
	case id.scopes == nil:
		return connector.Diagnosis{
			Code:    connector.DiagnosisScope,
			Message: "The token is valid, but lacks the scope admin, or its owner is no administrator; Slack does not tell which.",
			Next:    newScope,
		}
	case !slices.Contains(id.scopes, scope):
		return connector.Diagnosis{Code: connector.DiagnosisScope, Message: "The token is valid, but lacks the scope admin.", Next: newScope}
	}
	return connector.Diagnosis{
		Code:    connector.DiagnosisRole,
		Message: "The token is valid and has the scope admin, but its owner may not use SCIM (" + refused.Code + ").",
		Next:    diagnoses["permission_denied"].next,
	}
}

// identity is what auth.test says of a token.
type identity struct {
	ok      bool
	problem string   // Slack's word, when not ok
	user    string   // id of the token's own user
	bot     bool     // it is a bot's
	scopes  []string // nil when Slack doesn't say (header X-OAuth-Scopes)
	failed  *connector.Error
}

// identify asks auth.test (https://docs.slack.dev/reference/methods/auth.test).
func (c *Connector) identify(ctx context.Context) identity {
	if c.web == nil {
		return identity{failed: &connector.Error{Kind: unavailable, Code: connector.CodeEndpoint, Reason: "connection.web_api is not set"}}
	}
	ans, err := c.web.Do(ctx, connector.Request{Method: http.MethodPost, Path: "auth.test", Urgency: connector.Removal, Once: true})
	c.requests.Add(int64(ans.Requests))
	if err != nil {
		return identity{failed: failure(err)}
	}
	doc, _ := ans.Body.(map[string]any)
	ok, said := doc["ok"].(bool)
	if !said {
		return identity{failed: notSCIM(ans, "auth.test says nothing of the token")}
	}
	id := identity{ok: ok, problem: text(doc["error"]), user: text(doc["user_id"]), bot: text(doc["bot_id"]) != ""}
	if id.problem == "" && !ok {
		id.problem = "not ok"
	}
	if header := ans.Header.Values("X-OAuth-Scopes"); len(header) > 0 {
		id.scopes = strings.FieldsFunc(strings.Join(header, ","), func(r rune) bool { return r == ',' || r == ' ' })
		if id.scopes == nil {
			id.scopes = []string{}
		}
	}
	return id
}

// tokenUser returns the id of the token's own user, "" where no Web API is configured that could tell. It
// asks once. A removal that cannot learn it does not happen: it might be the one that ends the connection.
func (c *Connector) tokenUser(ctx context.Context, out *connector.Outcome) (string, *connector.Error) {
	if c.web == nil {
		return "", nil
	}
	c.asking.Lock()
	defer c.asking.Unlock()
	if own := c.own.Load(); own != nil {
		return *own, nil
	}
	before := c.Requests()
	id := c.identify(ctx)
	if out != nil {
		out.Requests += int(c.Requests() - before)
	}
	switch {
	case id.ok && id.user != "":
		c.own.Store(&id.user)
		return id.user, nil
	case id.failed != nil && id.failed.Kind == canceled:
		return "", id.failed
	case id.failed == nil && !id.ok && slices.Contains(deadTokens, id.problem):
		return "", &connector.Error{
			Kind: unauthorised, Code: id.problem, Reason: "Slack refuses the token: auth.test answers " + id.problem,
			Advice: "Run Test Connection.",
		}
	}
	e := &connector.Error{
		Kind: rejected, Code: "own_user_unknown",
		Reason: "Slack did not tell whom Muster's token belongs to, and nobody is deactivated before that is known: it could be the one person whose account the connection needs",
		Advice: "Let Muster reach auth.test at " + c.web.Host() + " (connection.web_api).",
	}
	if id.failed != nil {
		e.Err, e.Exchange = id.failed, id.failed.Exchange
	}
	return "", e
}

// deadTokens are the answers of auth.test to a token that is of no use.
var deadTokens = []string{"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "no_permission", "org_login_required"}
