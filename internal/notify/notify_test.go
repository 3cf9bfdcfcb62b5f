package notify_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/muster-id/muster/internal/notify"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

var admin = store.Actor{Name: "root", Via: "cli"}

// hands is a clock that a test moves; it begins with the real time, which signatures are checked by.
type hands struct {
	mu   sync.Mutex
	more time.Duration
}

func (h *hands) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.more)
}

func (h *hands) move(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.more += d
}

func open(t *testing.T) (*notify.Deliverer, *store.Store, *hands) {
	t.Helper()
	clock := &hands{}
	s := storetest.Open(t, store.Config{Data: t.TempDir(), Clock: clock.now})
	return &notify.Deliverer{Store: s, Log: slog.New(slog.DiscardHandler), Version: "test"}, s, clock
}

func must(t *testing.T) func(error) {
	return func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func application(t *testing.T, s *store.Store, name string, n provision.Notify) string {
	t.Helper()
	app := &provision.Application{Name: name, Template: "scim2", Provisioning: provision.Provisioning{Notify: n}}
	_, err := s.SaveApplication(t.Context(), admin, app)
	must(t)(err)
	return app.ID
}

// postOffice is a real mail server on loopback that keeps what it is given.
type postOffice struct {
	host     string
	port     int
	ca       string // PEM file of its certificate
	password string
	refuse   string // recipient that it does not take
	received chan *letter
}

type letter struct {
	from, to string
	user     string
	secure   bool
	raw      string
	*mail.Message
}

func (p *postOffice) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{office: p, conn: c}, nil
}

type session struct {
	office *postOffice
	conn   *smtp.Conn
	letter letter
	user   string
}

func (s *session) AuthMechanisms() []string {
	if s.office.password == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "muster" || password != s.office.password {
			return errors.New("who are you?")
		}
		s.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.office.password != "" && s.user == "" {
		return smtp.ErrAuthRequired
	}
	s.letter = letter{from: from, user: s.user}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if to == s.office.refuse {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody here"}
	}
	s.letter.to = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	got := s.letter
	_, got.secure = s.conn.TLSConnectionState()
	got.raw = string(raw)
	if got.Message, err = mail.ReadMessage(strings.NewReader(got.raw)); err != nil {
		return err
	}
	s.office.received <- &got
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// office starts a mail server that speaks starttls, tls or none.
func office(t *testing.T, encryption, password string) *postOffice {
	t.Helper()
	p := &postOffice{password: password, received: make(chan *letter, 100), ca: filepath.Join(t.TempDir(), "ca.pem")}
	borrowed := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate, which is for 127.0.0.1
	t.Cleanup(borrowed.Close)
	must(t)(os.WriteFile(p.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: borrowed.Certificate().Raw}), 0o600))
	server := smtp.NewServer(p)
	server.Domain, server.AllowInsecureAuth, server.ErrorLog = "localhost", encryption == "none", quiet{}
	certificate := &tls.Config{Certificates: []tls.Certificate{borrowed.TLS.Certificates[0]}, MinVersion: tls.VersionTLS12}
	at, err := net.Listen("tcp", "127.0.0.1:0")
	must(t)(err)
	addr := at.Addr().(*net.TCPAddr)
	p.host, p.port = addr.IP.String(), addr.Port
	switch encryption {
	case "tls":
		at = tls.NewListener(at, certificate)
	case "starttls":
		server.TLSConfig = certificate
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(at) }()
	t.Cleanup(func() { server.Close(); <-done })
	return p
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func (p *postOffice) settings(encryption string) store.Mail {
	m := store.Mail{Host: p.host, Port: p.port, TLS: encryption, From: "muster@example.org", To: []string{"it@example.org"}, CAFile: p.ca}
	if p.password != "" {
		m.Username = "muster"
	}
	return m
}

// parts returns the texts of a letter by media type.
func (l *letter) parts(t *testing.T) map[string]string {
	t.Helper()
	_, params, err := mime.ParseMediaType(l.Header.Get("Content-Type"))
	must(t)(err)
	out := map[string]string{}
	for r := multipart.NewReader(l.Body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out
		}
		must(t)(err)
		kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		must(t)(err)
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		must(t)(err)
		out[kind] = strings.ReplaceAll(string(text), "\r\n", "\n")
	}
}

func (l *letter) subject(t *testing.T) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(l.Header.Get("Subject"))
	must(t)(err)
	return text
}

func TestMail(t *testing.T) {
	t.Parallel()
	for _, encryption := range []string{"starttls", "tls", "none"} {
		for _, password := range []string{"", "hush-hush"} {
			t.Run(encryption+" "+password, func(t *testing.T) {
				t.Parallel()
				d, s, _ := open(t)
				p := office(t, encryption, password)
				m := p.settings(encryption)
				must(t)(s.SetMail(t.Context(), admin, &m, password))
				app := application(t, s, "slack", provision.Notify{})
				must(t)(s.SetQuarantine(t.Context(), app, &store.Quarantine{Code: "token_wrong", Reason: "Slack refused the token", Next: "give a new one"}))
				done, err := d.Deliver(t.Context())
				must(t)(err)
				if done.Sent != 1 {
					t.Fatalf("delivered %+v", done)
				}
				l := <-p.received
				if l.from != "muster@example.org" || l.to != "it@example.org" || l.secure != (encryption != "none") || (l.user != "") != (password != "") {
					t.Errorf("from %s to %s by %q, secure %v", l.from, l.to, l.user, l.secure)
				}
				if got := l.subject(t); got != "[Muster] slack is in quarantine" {
					t.Errorf("the subject is %q", got)
				}
				for _, h := range []string{"Date", "Message-Id", "References"} {
					if l.Header.Get(h) == "" {
						t.Errorf("there is no header %s", h)
					}
				}
				if l.Header.Get("Auto-Submitted") != "auto-generated" {
					t.Error("an out-of-office note would answer")
				}
				parts := l.parts(t)
				for kind, text := range parts {
					for _, want := range []string{"slack is in quarantine", "Slack refused the token", "give a new one"} {
						if !strings.Contains(text, want) {
							t.Errorf("the %s does not say %q:\n%s", kind, want, text)
						}
					}
					if strings.Contains(text, "://") || strings.Contains(text, "<img") {
						t.Errorf("the %s refers to something outside:\n%s", kind, text)
					}
				}
				if len(parts) != 2 {
					t.Errorf("the parts are %v", parts)
				}
				if strings.Contains(l.raw, "hush") {
					t.Error("the password is in the mail")
				}
			})
		}
	}
}

// What is wrong with a mail server is told, kept with the message, and tried again.
func TestMailFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		speaks, asked string
		spoil         func(*postOffice, *store.Mail) (password string)
		want          string
	}{
		"wrong password":       {"starttls", "starttls", func(*postOffice, *store.Mail) string { return "not-it-at-all" }, "AUTH"},
		"unknown authority":    {"starttls", "starttls", func(_ *postOffice, m *store.Mail) string { m.CAFile = ""; return "hush-hush" }, "certificate"},
		"unknown, TLS at once": {"tls", "tls", func(_ *postOffice, m *store.Mail) string { m.CAFile = ""; return "hush-hush" }, "certificate"},
		"no STARTTLS offered":  {"none", "starttls", func(*postOffice, *store.Mail) string { return "hush-hush" }, "STARTTLS"},
		"recipient refused":    {"starttls", "starttls", func(p *postOffice, _ *store.Mail) string { p.refuse = "it@example.org"; return "hush-hush" }, "nobody here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, s, clock := open(t)
			p := office(t, test.speaks, "hush-hush")
			m := p.settings(test.asked)
			password := test.spoil(p, &m)
			must(t)(s.SetMail(t.Context(), admin, &m, password))
			must(t)(s.Notify(t.Context(), store.Notice{Kind: store.InQuarantine, Cause: "x", Reason: "y"}))
			done, err := d.Deliver(t.Context())
			must(t)(err)
			if done.Sent != 0 || done.Failed != 1 || !strings.Contains(done.Reasons[0], test.want) {
				t.Fatalf("delivered %+v", done)
			}
			if strings.Contains(done.Reasons[0], password) {
				t.Errorf("the password is told: %s", done.Reasons[0])
			}
			if len(p.received) > 0 {
				t.Error("something was received")
			}
			done, err = d.Deliver(t.Context())
			must(t)(err)
			if done.Failed != 0 {
				t.Error("it was tried again at once")
			}
			clock.move(6 * time.Second)
			if done, err = d.Deliver(t.Context()); err != nil || done.Failed != 1 {
				t.Errorf("after a pause: %+v, %v", done, err)
			}
			for range 20 {
				clock.move(24 * time.Hour)
				_, err := d.Deliver(t.Context())
				must(t)(err)
			}
			last, err := s.LastMessages(t.Context(), 50)
			must(t)(err)
			for _, l := range last {
				if l.Attempts > 8 {
					t.Errorf("a message was tried %d times", l.Attempts)
				}
			}
		})
	}
}

func TestWhoHearsWhat(t *testing.T) {
	t.Parallel()
	d, s, _ := open(t)
	p := office(t, "none", "")
	m := p.settings("none")
	m.To = []string{"it@example.org", "both@example.org"}
	must(t)(s.SetMail(t.Context(), admin, &m, ""))
	for name, n := range map[string]provision.Notify{
		"own": {Email: "own@example.org", Failures: true}, "off": {Email: "off@example.org"}, "both": {Email: "both@example.org", Failures: true},
	} {
		must(t)(s.SetQuarantine(t.Context(), application(t, s, name, n), &store.Quarantine{Code: "tls", Reason: "no"}))
	}
	done, err := d.Deliver(t.Context())
	must(t)(err)
	got := map[string][]string{}
	for range done.Sent {
		l := <-p.received
		text := l.parts(t)["text/plain"]
		for _, app := range []string{"own", "off", "both"} {
			if strings.Contains(text, app+" is in quarantine") {
				got[l.to] = append(got[l.to], app)
			}
		}
	}
	want := map[string][]string{"it@example.org": {"own", "off", "both"}, "both@example.org": {"own", "off", "both"}, "own@example.org": {"own"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("who heard of what (-want +got):\n%s", diff)
	}
}

// Names come from outside. They may look strange in a mail, and do nothing else.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	d, s, clock := open(t)
	p := office(t, "none", "")
	m := p.settings("none")
	must(t)(s.SetMail(t.Context(), admin, &m, ""))
	for _, name := range []string{
		"eve\r\nBcc: victim@example.org\r\n\r\nhello", "eve\nSubject: won", "<script>alert(1)</script>", "\u202Egro.elpmaxe@eve", "\x00\x1b[31m", strings.Repeat("long ", 500), "=?utf-8?q?=0D=0ABcc:_x?=",
		"\r\n.\r\nMAIL FROM:<x@example.org>",
	} {
		must(t)(s.Notify(t.Context(), store.Notice{Kind: store.Failing, Subject: name, Name: name, Cause: "x", Reason: "because of " + name, Next: name}))
		done, err := d.Deliver(t.Context())
		must(t)(err)
		clock.move(time.Hour)
		if done.Sent != 1 {
			t.Fatalf("%q: delivered %+v", name, done)
		}
		l := <-p.received
		if l.Header.Get("Bcc") != "" || len(l.Header["Subject"]) != 1 || strings.ContainsAny(l.subject(t), "\r\n\x00\x1b\u202e") {
			t.Errorf("%q: the headers are %v", name, l.Header)
		}
		if html := l.parts(t)["text/html"]; strings.Contains(html, "<script>") {
			t.Errorf("%q: the page runs a script", name)
		}
		select {
		case more := <-p.received:
			t.Errorf("%q: a second mail: %s", name, more.raw)
		default:
		}
	}
}

// receiver is a webhook's other end: it checks signatures by somebody else's code.
type receiver struct {
	*httptest.Server
	secret string
	answer func(attempt int, w http.ResponseWriter)
	mu     sync.Mutex
	got    []received
}

type received struct {
	id   string
	body map[string]any
	err  error
}

func hook(t *testing.T, s *store.Store, name string, answer func(int, http.ResponseWriter)) (*receiver, *store.Webhook) {
	t.Helper()
	r := &receiver{secret: notify.NewSecret(), answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	w := &store.Webhook{Name: name, URL: r.URL + "/in?key=private"}
	must(t)(notify.CheckWebhook(*w))
	must(t)(s.AddWebhook(t.Context(), admin, w, r.secret))
	return r, w
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	text, err := io.ReadAll(q.Body)
	v := received{id: q.Header.Get("webhook-id"), err: err}
	if wh, err := standardwebhooks.NewWebhook(r.secret); err != nil {
		v.err = err
	} else {
		v.err = errors.Join(v.err, wh.VerifyIgnoringTimestamp(text, q.Header))
	}
	v.err = errors.Join(v.err, json.Unmarshal(text, &v.body))
	r.mu.Lock()
	r.got = append(r.got, v)
	n := len(r.got)
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(n, w)
	}
}

func (r *receiver) received() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	d, s, clock := open(t)
	flaky, _ := hook(t, s, "flaky", func(n int, w http.ResponseWriter) {
		switch n {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	steady, _ := hook(t, s, "steady", nil)
	app := application(t, s, "slack", provision.Notify{})
	must(t)(s.SetQuarantine(t.Context(), app, &store.Quarantine{Code: "token_wrong", Reason: "no"}))
	look := func(sent, failed int) {
		t.Helper()
		// Another process each time: nothing is kept in memory.
		d := &notify.Deliverer{Store: s, Log: d.Log, Version: "test"}
		done, err := d.Deliver(t.Context())
		must(t)(err)
		if done.Sent != sent || done.Failed != failed {
			t.Errorf("delivered %+v, want %d sent and %d failed", done, sent, failed)
		}
		for _, why := range done.Reasons {
			if strings.Contains(why, "private") {
				t.Errorf("the address is told: %s", why)
			}
		}
	}
	look(1, 1)
	clock.move(5 * time.Second)
	look(0, 1) // told to wait an hour
	clock.move(30 * time.Minute)
	look(0, 0)
	clock.move(30 * time.Minute)
	look(1, 0)
	got := flaky.received()
	if len(got) != 3 || got[0].id == "" || got[1].id != got[0].id || got[2].id != got[0].id {
		t.Errorf("the attempts were %v", got)
	}
	for _, r := range append(got, steady.received()...) {
		if r.err != nil {
			t.Errorf("refused by the receiver: %v", r.err)
		}
		notices := r.body["data"].(map[string]any)["notices"].([]any)
		first := notices[0].(map[string]any)
		if r.body["type"] != "notice.quarantine" || first["event"] != "began" || first["application"] != "slack" || first["cause"] != "token_wrong" {
			t.Errorf("received %v", r.body)
		}
	}
	if len(steady.received()) != 1 {
		t.Errorf("the steady one received %d", len(steady.received()))
	}
}

// The signature of a fresh message holds with the receiver's clock.
func TestSignatureIsFresh(t *testing.T) {
	t.Parallel()
	d, s, _ := open(t)
	var fresh error
	secret := notify.NewSecret()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		wh, err := standardwebhooks.NewWebhook(secret)
		fresh = errors.Join(err, wh.Verify(text, r.Header))
		if wh.Verify(append(text, ' '), r.Header) == nil {
			fresh = errors.New("a changed body is taken")
		}
	}))
	defer server.Close()
	must(t)(s.AddWebhook(t.Context(), admin, &store.Webhook{Name: "x", URL: server.URL}, secret))
	tested, err := d.Test(t.Context(), "")
	must(t)(err)
	if len(tested) != 1 || !tested[0].OK || fresh != nil {
		t.Errorf("tested %+v: %v", tested, fresh)
	}
}

func TestWebhookGivesUpAndStaysAway(t *testing.T) {
	t.Parallel()
	d, s, clock := open(t)
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	gone, _ := hook(t, s, "gone", func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusGone) })
	away, _ := hook(t, s, "away", func(_ int, w http.ResponseWriter) {
		w.Header().Set("Location", other.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	must(t)(s.Notify(t.Context(), store.Notice{Kind: store.Failing, Subject: "x", Cause: "x"}))
	for range 20 {
		_, err := d.Deliver(t.Context())
		must(t)(err)
		clock.move(15 * time.Hour)
	}
	if n := len(gone.received()); n != 1 {
		t.Errorf("410 was asked %d times", n)
	}
	if n := len(away.received()); n < 8 || elsewhere > 0 {
		t.Errorf("the redirecting one was asked %d times, and the place it names %d times", n, elsewhere)
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://hooks.example.org/x": true, "http://127.0.0.1:8080/x": true, "http://localhost/x": true, "https://10.0.0.1/": true,
		"http://hooks.example.org/x": false, "https://169.254.169.254/latest": false, "https://[fe80::1]/": false, "https://0.0.0.0/": false,
		"ftp://example.org/": false, "https://": false, "nonsense": false, "https://user:pw@example.org/": false, "https://example.org/#x": false, "https://example.org/\r\nx": false,
	} {
		if err := notify.CheckWebhook(store.Webhook{URL: url}); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
	// Allowed by name, and where the name leads is judged when it is dialed.
	d, s, _ := open(t)
	w := &store.Webhook{Name: "x", URL: "http://[::ffff:169.254.169.254]:1/", AllowHTTP: true}
	must(t)(s.AddWebhook(t.Context(), admin, w, notify.NewSecret()))
	tested, err := d.Test(t.Context(), "x")
	must(t)(err)
	if len(tested) != 1 || !strings.Contains(tested[0].Error, "link-local") {
		t.Errorf("tested %+v", tested)
	}
	for name, m := range map[string]store.Mail{
		"no host":           {Port: 25, TLS: "none", From: "a@example.org"},
		"not encrypted":     {Host: "mail.example.org", Port: 25, TLS: "none", From: "a@example.org"},
		"injected sender":   {Host: "mail.example.org", Port: 25, TLS: "tls", From: "a@example.org\r\nBcc: b@example.org"},
		"injected receiver": {Host: "mail.example.org", Port: 25, TLS: "tls", From: "a@example.org", To: []string{"x, y@example.org"}},
		"no such port":      {Host: "mail.example.org", Port: 99999, TLS: "tls", From: "a@example.org"},
		"no such mode":      {Host: "mail.example.org", Port: 25, TLS: "opportunistic", From: "a@example.org"},
	} {
		if notify.CheckMail(m) == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// A server that never answers keeps nobody else waiting.
func TestOneThatHangs(t *testing.T) {
	t.Parallel()
	d, s, _ := open(t)
	end := make(chan struct{})
	asked := make(chan struct{}, 10)
	hook(t, s, "hangs", func(int, http.ResponseWriter) { asked <- struct{}{}; <-end })
	well := make(chan struct{}, 10)
	hook(t, s, "well", func(int, http.ResponseWriter) { well <- struct{}{} })
	must(t)(s.Notify(t.Context(), store.Notice{Kind: store.InQuarantine, Cause: "x"}))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.Run(ctx) }()
	<-asked
	<-well
	stop()
	<-done // it ends although one still hangs
	close(end)
}

func TestRunTellsWhatComes(t *testing.T) {
	t.Parallel()
	d, s, _ := open(t)
	d.Every = time.Millisecond
	p := office(t, "none", "")
	m := p.settings("none")
	must(t)(s.SetMail(t.Context(), admin, &m, ""))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.Run(ctx) }()
	must(t)(s.Notify(t.Context(), store.Notice{Kind: store.HeldBack, Cause: "held", Size: 12, Reason: "12 removals are more than 10"}))
	if l := <-p.received; !strings.Contains(l.subject(t), "12 operations wait for approval") {
		t.Errorf("the subject is %q", l.subject(t))
	}
	stop()
	<-done
}

func TestDigestReads(t *testing.T) {
	t.Parallel()
	d, s, clock := open(t)
	p := office(t, "none", "")
	m := p.settings("none")
	must(t)(s.SetMail(t.Context(), admin, &m, ""))
	app := application(t, s, "slack", provision.Notify{})
	for i := range 130 {
		must(t)(s.Notify(t.Context(), store.Notice{Kind: store.Failing, AppID: app, Subject: strconv.Itoa(i), Name: "p" + strconv.Itoa(i), Cause: "x", Reason: "is an owner"}))
	}
	clock.move(time.Second)
	_, err := d.Deliver(t.Context())
	must(t)(err)
	l := <-p.received
	if got := l.subject(t); got != "[Muster] slack: p0 cannot be provisioned, and 129 more" {
		t.Errorf("the subject is %q", got)
	}
	if text := l.parts(t)["text/plain"]; !strings.Contains(text, "and 30 more") || strings.Count(text, "is an owner") != 100 {
		t.Errorf("the text is\n%s", text)
	}
}

// Whoever is told gets the page where it is dealt with; an address that leads readers to their own machine is left out.
func TestMessagesLeadToThePage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ console, link string }{
		{"https://muster.example.org", "https://muster.example.org/applications/slack%20&%20more"},
		{"http://localhost:8080", ""},
		{"http://127.0.0.1:8080", ""},
		{"", ""},
	} {
		d, s, _ := open(t)
		if c.console != "" {
			must(t)(s.SetPublicURL(t.Context(), c.console))
		}
		p := office(t, "none", "")
		m := p.settings("none")
		must(t)(s.SetMail(t.Context(), admin, &m, ""))
		r, _ := hook(t, s, "pager", nil)
		app := application(t, s, "slack & more", provision.Notify{})
		must(t)(s.SetQuarantine(t.Context(), app, &store.Quarantine{Code: "token_wrong", Reason: "Slack refused the token", Next: "give a new one"}))
		done, err := d.Deliver(t.Context())
		must(t)(err)
		if done.Sent != 2 || len(r.received()) != 1 {
			t.Fatalf("%+v, %d", done, len(r.received()))
		}
		parts := (<-p.received).parts(t)
		if c.link == "" {
			if strings.Contains(parts["text/plain"], "see ") || strings.Contains(parts["text/html"], "href") || strings.Contains(fmt.Sprint(r.received()[0].body), "link:") {
				t.Errorf("%s: the message leads somewhere: %v", c.console, parts)
			}
			continue
		}
		if !strings.Contains(parts["text/plain"], "see    "+c.link) || !strings.Contains(parts["text/html"], `<a href="`+strings.ReplaceAll(c.link, "&", "&amp;")+`"`) {
			t.Errorf("the mail leads nowhere: %v", parts)
		}
		if got := fmt.Sprint(r.received()[0].body); !strings.Contains(got, "link:"+c.link) {
			t.Errorf("the webhook leads nowhere: %s", got)
		}
	}
}
