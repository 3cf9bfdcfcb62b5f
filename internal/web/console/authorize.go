package console

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/muster-id/muster/internal/admin"
)

// callback is where a target sends the browser back to after a person has allowed Muster in.
const callback = "/authorized"

// handoverCookie holds what belongs together with the code that comes back: whoever comes back without
// it, or with another state, began nothing here.
const handoverCookie = "muster-handover"

// handover is an authorisation that is under way in a browser.
type handover struct {
	App      string `json:"app"`
	State    string `json:"state"`
	Verifier string `json:"verifier"`
}

// origin is how the browser reached Muster.
func (c *console) origin(r *http.Request) string {
	scheme := "http"
	if c.Secure || r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// authorize sends the browser to the target, where a person allows Muster in.
func (c *console) authorize(rq *request) error {
	h, err := rq.desk.Handover(rq.Context(), rq.PathValue("app"), c.origin(rq.Request)+callback)
	if err != nil {
		return err
	}
	b, err := json.Marshal(handover{rq.PathValue("app"), h.State, h.Verifier})
	if err != nil {
		return err
	}
	// Lax, because the target sends the browser back from its own site.
	http.SetCookie(rq.w, &http.Cookie{
		Name: handoverCookie, Value: base64.RawURLEncoding.EncodeToString(b), Path: callback, MaxAge: 600, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: c.Secure || rq.TLS != nil,
	})
	return rq.seeOther(h.Address)
}

// authorized takes the code that the browser brings back and exchanges it for the token.
func (c *console) authorized(rq *request) error {
	var h handover
	cookie, err := rq.Cookie(handoverCookie)
	if err == nil {
		b, _ := base64.RawURLEncoding.DecodeString(cookie.Value)
		err = json.Unmarshal(b, &h)
	}
	http.SetCookie(rq.w, &http.Cookie{Name: handoverCookie, Path: callback, MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.Secure || rq.TLS != nil})
	given := rq.FormValue("state")
	if err != nil || given == "" || subtle.ConstantTimeCompare([]byte(given), []byte(h.State)) != 1 {
		return &admin.Problem{Exit: admin.ExitUsage, Code: "authorization", Message: "This authorisation was not begun in this browser, or too long ago", Next: "press Authorize again"}
	}
	if refused := rq.FormValue("error"); refused != "" {
		return &admin.Problem{Exit: admin.ExitUsage, Code: "authorization", Message: "The target did not allow it: " + refused, Next: "press Authorize again, as somebody who may"}
	}
	if err := rq.desk.Authorize(rq.Context(), h.App, c.origin(rq.Request)+callback, rq.FormValue("code"), h.Verifier); err != nil {
		return err
	}
	rq.SetPathValue("app", h.App)
	a, err := rq.app("provisioning", "Authorized")
	if err != nil {
		return err
	}
	return rq.ok(authorizedPage(a))
}
