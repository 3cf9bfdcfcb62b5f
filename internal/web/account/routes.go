package account

import (
	"encoding/json"
	"net/http"

	"github.com/a-h/templ"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/signin"
)

// route is one page or one wish.
type route struct {
	pattern string
	role    admin.Role // "" for anybody
	do      func(*request) error
	again   func(*request, *signin.Refusal) (templ.Component, error) // the page that a refusal is shown on; nil is a plain one
	json    bool                                                     // asked and answered by the script for passkeys
}

// routes is every page. It is filled in when the program begins: the pages name each other.
var routes []route

func init() {
	routes = []route{
		{pattern: "GET /signin", do: signInForm},
		{pattern: "POST /signin", do: byPassword, again: signInAgain},
		{pattern: "GET /signin/code", do: codeForm},
		{pattern: "POST /signin/code", do: byCode, again: codeAgain},
		{pattern: "POST /signin/passkey/begin", do: beginPasskey, json: true},
		{pattern: "POST /signin/passkey", do: byPasskey, json: true},
		{pattern: "GET /signin/sso", do: beginSSO, again: signInAgain},
		{pattern: "GET " + signin.CallbackPath, do: finishSSO, again: signInAgain},
		{pattern: "GET /signin/assets/{name}", do: asset},
		{pattern: "GET /link/{token}", do: linkForm},
		{pattern: "POST /link/{token}", do: followLink, again: linkAgain},
		{pattern: "POST /signout", do: signOut},

		{pattern: "GET /profile", role: admin.Reader, do: profile},
		{pattern: "GET /profile/confirm", role: admin.Reader, do: confirmForm},
		{pattern: "POST /profile/confirm", role: admin.Reader, do: confirm, again: confirmAgain},
		{pattern: "POST /profile/confirm/passkey", role: admin.Reader, do: confirmByPasskey, json: true},
		{pattern: "GET /profile/confirm/sso", role: admin.Reader, do: confirmBySSO, again: confirmAgain},
		{pattern: "POST /profile/password", role: admin.Reader, do: changePassword, again: profileAgain},
		{pattern: "POST /profile/app/begin", role: admin.Reader, do: beginApp, again: profileAgain},
		{pattern: "GET /profile/app", role: admin.Reader, do: appForm, again: profileAgain},
		{pattern: "GET /profile/app/picture", role: admin.Reader, do: appPicture},
		{pattern: "POST /profile/app", role: admin.Reader, do: addApp, again: appAgain},
		{pattern: "POST /profile/app/remove", role: admin.Reader, do: removeApp, again: profileAgain},
		{pattern: "POST /profile/codes", role: admin.Reader, do: newCodes, again: profileAgain},
		{pattern: "POST /profile/passkeys/begin", role: admin.Reader, do: beginRegistration, json: true},
		{pattern: "POST /profile/passkeys", role: admin.Reader, do: addPasskey, json: true},
		{pattern: "POST /profile/passkeys/remove", role: admin.Reader, do: removePasskey, again: profileAgain},
		{pattern: "GET /profile/sso", role: admin.Reader, do: linkSSO, again: profileAgain},
		{pattern: "POST /profile/sessions/end", role: admin.Reader, do: endSession, again: profileAgain},
	}
}

// Routes returns the patterns of all pages and the role that each needs, "" for anybody.
func Routes() map[string]admin.Role {
	out := map[string]admin.Role{}
	for _, r := range routes {
		out[r.pattern] = r.role
	}
	return out
}

// json answers the script.
func (rq *request) json(status int, doc any) {
	b, err := json.Marshal(doc)
	if err != nil {
		rq.pages.Log.ErrorContext(rq.Context(), "an answer does not marshal", "error", err)
		status, b = http.StatusInternalServerError, []byte(`{"reason":"This is a fault of Muster"}`)
	}
	rq.w.Header().Set("Content-Type", "application/json")
	rq.w.WriteHeader(status)
	_, _ = rq.w.Write(b) // the visitor has gone
}
