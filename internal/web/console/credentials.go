package console

import (
	"cmp"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/provision"
)

// authKinds are the kinds of credentials, as people choose them.
var authKinds = []struct{ kind, text string }{
	{provision.Bearer, "a token that is pasted"},
	{provision.Basic, "user name and password"},
	{provision.Header, "a header with a token"},
	{provision.ClientCredentials, "an OAuth client (client credentials)"},
	{provision.AuthorizationCode, "authorized in a browser (OAuth)"},
	{provision.JWTAssertion, "a signed assertion (JWT)"},
}

// authField is an input of the credentials, for those kinds that have it.
type authField struct {
	name, label, hint string
	kinds             []string
	secret            bool                            // sealed, never shown again
	of                func(a *provision.Auth) *string // nil of secrets, and of what is no single text
}

var (
	withClient  = []string{provision.ClientCredentials, provision.AuthorizationCode, provision.JWTAssertion}
	withSecret  = []string{provision.ClientCredentials, provision.AuthorizationCode}
	byAssertion = []string{provision.JWTAssertion}
)

// authFields are all inputs of the credentials, in order.
var authFields = []authField{
	{"header", "Name of the header", "Such as X-Api-Key.", []string{provision.Header}, false, func(a *provision.Auth) *string { return &a.Header }},
	{"token", "Authorization token", "", []string{provision.Bearer, provision.Header}, true, nil},
	{"username", "User name", "", []string{provision.Basic}, false, func(a *provision.Auth) *string { return &a.Username }},
	{"password", "Password", "", []string{provision.Basic}, true, nil},
	{"client_id", "Client ID", "Of the app at the target.", withClient, false, func(a *provision.Auth) *string { return &a.ClientID }},
	{"client_secret", "Client Secret", "", withSecret, true, nil},
	{"authorize_url", "Authorization endpoint", "", []string{provision.AuthorizationCode}, false, func(a *provision.Auth) *string { return &a.AuthorizeURL }},
	{"token_url", "Token endpoint", "Where tokens come from.", withClient, false, func(a *provision.Auth) *string { return &a.TokenURL }},
	{"key", "Private key", "In PEM form.", byAssertion, true, nil},
	{"key_id", "Key ID", "", byAssertion, false, func(a *provision.Auth) *string { return &a.KeyID }},
	{"issuer", "Issuer", "Empty: the Client ID.", byAssertion, false, func(a *provision.Auth) *string { return &a.Issuer }},
	{"subject", "Subject", "Empty: the issuer.", byAssertion, false, func(a *provision.Auth) *string { return &a.Subject }},
	{"audience", "Audience", "Empty: the token endpoint.", byAssertion, false, func(a *provision.Auth) *string { return &a.Audience }},
	{"scopes", "Scopes", "With spaces between.", withClient, false, nil},
}

// authChoices are the kinds of credentials that the application's target takes, as options of a select.
func (v provisioningView) authChoices() (options []string) {
	for _, k := range authKinds {
		if slices.Contains(v.Template.Auth, k.kind) || k.kind == kindOfAuth(v.App.Connection.Auth) {
			options = append(options, k.kind, k.text)
		}
	}
	return options
}

// authKind is the kind of credentials that is chosen.
func (v provisioningView) authKind() string {
	return v.shown("auth.type", kindOfAuth(v.App.Connection.Auth))
}

// kindOfAuth is the kind of credentials, which may be left out.
func kindOfAuth(a provision.Auth) string { return cmp.Or(a.Type, provision.Bearer) }

// authFields are the inputs of the kinds that the target takes.
func (v provisioningView) authFields() []authField {
	choices := v.authChoices()
	return slices.DeleteFunc(slices.Clone(authFields), func(f authField) bool {
		return !slices.ContainsFunc(f.kinds, func(k string) bool { return slices.Contains(choices, k) })
	})
}

// value is what a field holds now, of what may be shown.
func (f authField) value(a provision.Auth) string {
	switch {
	case f.of != nil:
		return *f.of(&a)
	case f.name == "scopes":
		return strings.Join(a.Scopes, " ")
	}
	return ""
}

// hintIn is what is said below a field.
func (f authField) hintIn(v provisioningView) string {
	switch {
	case f.secret && v.Sealed && slices.Contains(f.kinds, kindOfAuth(v.App.Connection.Auth)):
		return strings.TrimSpace(f.hint + " It is sealed here and never shown again. Leave this empty to keep it." + f.ofSlack(v))
	case f.secret:
		return strings.TrimSpace(f.hint + " There is none yet." + f.ofSlack(v))
	case f.name == "client_id" && v.authKind() == byOAuth:
		return f.hint + " Its redirect address there: " + v.Callback
	}
	return f.hint
}

func (f authField) ofSlack(v provisioningView) string {
	if f.name != "token" || v.Template.Protocol != "slack" {
		return ""
	}
	return " For Slack: the User OAuth Token (xoxp-…) of an app with the user scope admin, installed by an owner."
}

// credentialsOf reads the credentials out of the form. What belongs to another kind is left out.
func credentialsOf(app *provision.Application, get func(string) string) {
	a := &app.Connection.Auth
	if get("has auth.type") != "" {
		a.Type = strings.TrimSpace(get("auth.type"))
	}
	kind := kindOfAuth(*a)
	for _, f := range authFields {
		text := strings.TrimSpace(get("auth." + f.name))
		has, ours := get("has auth."+f.name) != "", slices.Contains(f.kinds, kind)
		switch {
		case f.name == "scopes" && (has || !ours):
			if a.Scopes = nil; ours {
				a.Scopes = strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
			}
		case f.of != nil && !ours:
			*f.of(a) = ""
		case f.of != nil && has:
			*f.of(a) = text
		}
	}
	if !slices.Contains(withSecret, kind) {
		a.ClientAuth = ""
	}
	if !slices.Contains(withClient, kind) {
		a.Params = nil
	}
	if !slices.Contains(byAssertion, kind) {
		a.Assertion = ""
	}
}

// secretsOf are the secrets that the form gives for the kind of credentials that it chooses, or that there is.
func secretsOf(get func(string) string, kind string) map[string]string {
	secrets := map[string]string{}
	if get("has auth.type") != "" {
		kind = get("auth.type")
	}
	for _, f := range authFields {
		if f.secret && slices.Contains(f.kinds, kind) {
			secrets[f.name] = strings.TrimSpace(get(f.name))
		}
	}
	return secrets
}
