package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

// Gate lets administrators in. It is safe for concurrent use.
type Gate struct {
	store    *store.Store
	hashing  Hashing
	decoy    string        // the hash that is tried where there is none: names cannot be told by time
	hashes   chan struct{} // bounds how many passwords are worked on, and so the memory that takes
	idle     time.Duration
	absolute time.Duration
	passkeys *relyingParty // nil where browsers make no passkeys for the URL
	url      string        // where the console is reached, without a slash at the end
	provider providerCache
	log      *slog.Logger
}

// Options are what a [Gate] is made from.
type Options struct {
	URL      string        // where people reach the console, such as https://muster.example.org
	Idle     time.Duration // after which an unused session ends; 0 is 8 h
	Absolute time.Duration // after which every session ends; 0 is 7 days
	Hashing  Hashing       // the cost of a password; the zero value is the default
	HTTP     *http.Client  // to the identity provider; nil is one with a timeout
	Log      *slog.Logger  // nil logs nothing
}

// The limits of sessions where nobody sets others.
const (
	defaultIdle     = store.SessionIdle
	defaultAbsolute = 7 * 24 * time.Hour
	// singleSignOnLifetime is shorter: who loses their group at the identity provider is asked for it
	// again after a day.
	singleSignOnLifetime = 24 * time.Hour
)

// New returns the gate over an open store.
func New(s *store.Store, o Options) (*Gate, error) {
	g := &Gate{store: s, hashing: o.Hashing.orDefault(), idle: o.Idle, absolute: o.Absolute, log: o.Log, hashes: make(chan struct{}, max(2, runtime.NumCPU()))}
	if g.idle == 0 {
		g.idle = defaultIdle
	}
	if g.absolute == 0 {
		g.absolute = defaultAbsolute
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.provider.http = o.HTTP
	if g.provider.http == nil {
		g.provider.http = admin.ProviderClient()
	}
	g.decoy = g.hashing.hash("a password that nobody has")
	var err error
	g.url, g.passkeys, err = reachedAt(o.URL)
	return g, err
}

// SetUpLink returns the one-time link that makes the first owner while there is none who can sign in,
// "" otherwise; and until when it can be followed. It is called when the console begins to answer.
func (g *Gate) SetUpLink(ctx context.Context) (string, time.Time, error) {
	if err := g.store.SetPublicURL(ctx, g.url); err != nil {
		return "", time.Time{}, err
	}
	token, expires, err := g.store.SetUpLink(ctx)
	if err != nil || token == "" {
		return "", expires, err
	}
	return admin.LinkURL(g.url, token), expires, nil
}

// Client is who stands outside.
type Client struct {
	Address netip.Addr
	Agent   string // the browser, as it calls itself
	Session string // what the browser holds of a session already; it ends when a new one begins
}

// class says where the address is, which is all that the audit log keeps of it.
func (c Client) class() string {
	switch a := c.Address.Unmap(); {
	case !a.IsValid():
		return "unknown"
	case a.IsLoopback():
		return "loopback"
	case a.IsPrivate() || a.IsLinkLocalUnicast():
		return "private"
	}
	return "public"
}

// Refusal is why somebody does not get on, in words for them.
type Refusal struct {
	Reason string
	Next   string
	Retry  time.Duration // after which another attempt is taken; 0 when that does not matter
	Err    error         // the cause, for logs
}

func (r *Refusal) Error() string {
	if r.Next == "" {
		return r.Reason
	}
	return r.Reason + ". " + r.Next
}

func (r *Refusal) Unwrap() error { return r.Err }

// Admission is how far somebody got: in, with a session, or to the question for a second factor.
type Admission struct {
	Admin   store.Administrator
	Session string // what the browser is to hold; "" when something is still to be proved
	Expires time.Time
	Pending string // what the browser is to hold until [Gate.SecondFactor]
}

// Visitor is an administrator in a session of theirs.
type Visitor struct {
	Admin   store.Administrator
	Session store.Session
}

// By is who the audit log says it was.
func (v Visitor) By() store.Actor { return store.Actor{Name: v.Admin.Name, Via: via} }

// via is how the doings of this package reached Muster.
const via = "console"

// Visitor returns who holds a session, or a [*Refusal].
func (g *Gate) Visitor(ctx context.Context, session string) (Visitor, error) {
	return g.inside(ctx, session, true)
}

// Watcher is [Gate.Visitor] for what a page asks again by itself: a browser that is left open is not used by that.
func (g *Gate) Watcher(ctx context.Context, session string) (Visitor, error) {
	return g.inside(ctx, session, false)
}

func (g *Gate) inside(ctx context.Context, session string, used bool) (Visitor, error) {
	s, a, err := g.store.SessionOf(ctx, session, g.idle, used)
	if errors.Is(err, store.ErrNotFound) {
		return Visitor{}, &Refusal{Reason: "You are not signed in", Next: "Sign in to go on.", Err: err}
	}
	return Visitor{Admin: a, Session: s}, err
}

// freshness is how long somebody who has proved who they are may change what lets them in.
const freshness = 10 * time.Minute

// Fresh reports whether the visitor has proved who they are recently enough to change what lets them
// in. Otherwise they are to confirm it first.
func (g *Gate) Fresh(v Visitor) bool { return g.store.Now().Sub(v.Session.Authenticated) < freshness }

// errStale refuses what needs fresh proof.
var errStale = &Refusal{Reason: "It has been a while since you signed in", Next: "Confirm that it is you, then try again."}

// admit begins a session.
func (g *Gate) admit(ctx context.Context, c Client, a store.Administrator, method string) (Admission, error) {
	if method != bySingleSignOn {
		if err := g.local(ctx); err != nil {
			return Admission{}, err
		}
	}
	lifetime := g.absolute
	if method == bySingleSignOn {
		lifetime = min(lifetime, singleSignOnLifetime)
	}
	n := store.Session{Method: method, Address: c.Address.Unmap().String(), Agent: shortened(c.Agent, 200), Expires: g.store.Now().Add(lifetime)}
	token, err := g.store.BeginSession(ctx, store.Actor{Name: a.Name, Via: via}, a, n, c.Session, c.class())
	if err != nil {
		return Admission{}, said(err)
	}
	return Admission{Admin: a, Session: token, Expires: n.Expires}, nil
}

// local refuses whoever does not come by single sign-on where that alone lets people in.
func (g *Gate) local(ctx context.Context) error {
	allowed, err := g.store.LocalSignIn(ctx)
	if err == nil && !allowed {
		err = &Refusal{Reason: "Single sign-on alone lets people in here", Next: "Sign in by it. When it is out of order, whoever runs Muster's server opens the other door: `muster signin local on`."}
	}
	return err
}

// Local reports whether passwords, passkeys and links let people in.
func (g *Gate) Local(ctx context.Context) (bool, error) { return g.store.LocalSignIn(ctx) }

// The ways of getting in, as a session remembers them.
const (
	byPassword     = "password"
	byPasskey      = "passkey"
	bySingleSignOn = "single sign-on"
	byLink         = "link"
)

// failed records that somebody did not get in, whether the name is known or not: both take the same
// time.
func (g *Gate) failed(ctx context.Context, c Client, a store.Administrator, method, why string) error {
	g.log.InfoContext(ctx, "somebody did not get in", "method", method, "reason", why, "from", c.class())
	return g.store.Audit(ctx, store.Actor{Name: "unknown", Via: via}, store.Entry{
		Action: "fail to sign in", Type: "administrator", Object: a.ID, Name: a.Name, After: map[string]any{"method": method, "reason": why, "from": c.class()},
	})
}

// SignOut ends the visitor's session.
func (g *Gate) SignOut(ctx context.Context, v Visitor) error {
	return g.EndSession(ctx, v, v.Session.ID)
}

// Sessions returns the visitor's sessions, the newest first.
func (g *Gate) Sessions(ctx context.Context, v Visitor) ([]store.Session, error) {
	return g.store.Sessions(ctx, v.Admin.ID, g.idle)
}

// EndSession ends one of the visitor's sessions.
func (g *Gate) EndSession(ctx context.Context, v Visitor, id string) error {
	return g.store.EndSession(ctx, v.By(), v.Admin, id)
}

// EndOthers ends all of the visitor's sessions but the one that they are in.
func (g *Gate) EndOthers(ctx context.Context, v Visitor) (int64, error) {
	return g.store.EndSessions(ctx, v.By(), v.Admin, v.Session.ID)
}

// shortened cuts a text from outside to a number of bytes.
func shortened(s string, to int) string {
	clean := make([]rune, 0, min(len(s), to))
	for _, r := range s {
		if len(string(clean)) >= to {
			break
		}
		if r >= ' ' && r != 0x7f && r != '\uFFFD' {
			clean = append(clean, r)
		}
	}
	return string(clean)
}

// waitFor puts a time into words.
func waitFor(d time.Duration) string {
	switch {
	case d <= time.Minute:
		return fmt.Sprintf("%d seconds", max(1, int(d.Round(time.Second)/time.Second)))
	case d <= time.Hour:
		return fmt.Sprintf("%d minutes", int((d+time.Minute-1)/time.Minute))
	}
	return fmt.Sprintf("%d hours", int((d+time.Hour-1)/time.Hour))
}

// sentence makes a sentence of a store's refusal.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Until returns how long it is until a time.
func (g *Gate) Until(t time.Time) time.Duration { return t.Sub(g.store.Now()) }

// Browser tells people which browser a session is in, as far as it says so itself.
func Browser(agent string) string {
	name, system := "A browser", ""
	for _, known := range [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, known[0]) {
			name = known[1]
			break
		}
	}
	for _, known := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, known[0]) {
			system = " on " + known[1]
			break
		}
	}
	return name + system
}
