package console

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/muster-id/muster/internal/admin"
)

// page is what every page shows around its own content.
type page struct {
	Title   string
	Nav     string // which entry of the navigation it belongs to
	From    string // the page that led here, "" when that is not known
	Crumbs  []crumb
	Visitor Visitor
	Theme   string // system, light, dark
	Flash   *flash
}

// crumb is a step on the way to a page.
type crumb struct{ Text, To string }

// titled returns the page with its title and the way to it.
func (p page) titled(title string, way ...crumb) page {
	p.Title, p.Crumbs = title, way
	return p
}

// Frame is the console around a page that is not its own, which stands in it as its children.
func Frame(r *http.Request, v Visitor, title string) templ.Component {
	return layout(page{Visitor: v, Theme: theme(r)}.titled(title))
}

// may reports whether the visitor has at least a role.
func (p page) may(r admin.Role) bool { return p.Visitor.Role.May(r) }

// flash is a word about what has just been done, shown once.
type flash struct {
	Kind string `json:"k"` // good, warn, bad
	Text string `json:"t"`
	Next string `json:"n,omitempty"`
}

const flashCookie = "muster-said"

// setFlash keeps a word for the next page. It is no secret, and a forged one harms nobody but its
// forger: it is shown as text.
func setFlash(w http.ResponseWriter, f flash) {
	b, _ := json.Marshal(f) // strings always marshal
	http.SetCookie(w, &http.Cookie{Name: flashCookie, Value: base64.RawURLEncoding.EncodeToString(b), Path: "/", MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

func takeFlash(w http.ResponseWriter, r *http.Request) *flash {
	if r.Method != http.MethodGet || r.Header.Get("HX-Request") != "" {
		return nil
	}
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	http.SetCookie(w, &http.Cookie{Name: flashCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	f := &flash{}
	if b, err := base64.RawURLEncoding.DecodeString(c.Value); err != nil || json.Unmarshal(b, f) != nil {
		return nil
	}
	return f
}

const themeCookie = "muster-theme"

// theme is what the visitor chose, or the system's.
func theme(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return "system"
}

// setTheme keeps the chosen theme in a cookie and returns to the page it was chosen on.
func (c *console) setTheme(rq *request) error {
	value := rq.PostFormValue("theme")
	if value != "light" && value != "dark" {
		value = "system"
	}
	http.SetCookie(rq.w, &http.Cookie{Name: themeCookie, Value: value, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return rq.seeOther(local(From(rq.Request)))
}

// From is the page of this server that a request was sent from, "" when the browser does not say.
func From(r *http.Request) string {
	for _, header := range []string{"HX-Current-URL", "Referer"} {
		if u, err := url.Parse(r.Header.Get(header)); err == nil && u.Host == r.Host && u.Path != "" {
			return local(u.RequestURI())
		}
	}
	return ""
}

// local returns a path on this server; anything else becomes the front page, so that no form sends
// people elsewhere.
func local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n") {
		return "/"
	}
	return u.RequestURI()
}

// at makes a path of segments, each escaped.
func at(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// with adds parameters to a path, leaving empty ones out.
func with(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// number writes a count with thousands apart.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted is a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// took writes a duration as people say it.
func took(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// stamp writes a moment, in UTC like every time that Muster shows.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
