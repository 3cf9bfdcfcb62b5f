package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/store"
)

// CheckMail judges mail settings before they are saved; what it refuses is one line for a person.
func CheckMail(m store.Mail) error {
	switch {
	case m.Host == "" || strings.ContainsAny(m.Host, "/@ \t\r\n"):
		return fmt.Errorf("%q is no host such as mail.example.org", m.Host)
	case m.Port < 1 || m.Port > 65535:
		return fmt.Errorf("%d is no port; STARTTLS has 587, TLS has 465", m.Port)
	case m.TLS != "starttls" && m.TLS != "tls" && m.TLS != "none":
		return fmt.Errorf("encryption is starttls, tls or none, not %q", m.TLS)
	case m.TLS == "none" && !m.AllowPlain && !connector.Loopback(m.Host):
		return fmt.Errorf("mail to %s would not be encrypted: use starttls or tls, or allow it", m.Host)
	case strings.ContainsAny(m.Username, "\r\n\x00"):
		return errors.New("the user name holds line breaks")
	}
	if _, err := address(m.From); err != nil {
		return fmt.Errorf("the sender: %w", err)
	}
	for _, to := range m.To {
		if _, err := address(to); err != nil {
			return fmt.Errorf("a recipient: %w", err)
		}
	}
	if m.CAFile != "" {
		if _, err := connector.Authorities(m.CAFile); err != nil {
			return fmt.Errorf("the certificate authorities: %w", err)
		}
	}
	return nil
}

// address reads a bare mail address.
func address(text string) (string, error) {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("%q is no address such as it@example.org", text)
	}
	return a.Address, nil
}

const dialTimeout = 15 * time.Second

// mail sends one letter to one address. The id makes a repetition recognisable.
func (d *Deliverer) mail(ctx context.Context, m store.Mail, to, id string, l letter) error {
	if err := CheckMail(m); err != nil {
		return fmt.Errorf("the mail settings: %w", err)
	}
	if _, err := address(to); err != nil {
		return err
	}
	client, err := d.client(ctx, m)
	if err != nil {
		return err
	}
	domain := m.From[strings.LastIndexByte(m.From, '@')+1:]
	msg := gomail.NewMsg()
	if err := errors.Join(msg.FromFormat("Muster", m.From), msg.To(to)); err != nil {
		return fmt.Errorf("addressing the mail: %w", err)
	}
	msg.Subject(strings.ReplaceAll(plain(l.subject), "=?", "= ?")) // what looks encoded would be decoded
	msg.SetDateWithValue(d.Store.Now())
	msg.SetMessageIDWithValue(id + "@" + domain)
	var references []string
	for _, r := range l.references {
		references = append(references, "<"+r+".notice@"+domain+">")
	}
	if len(references) > 0 {
		msg.SetGenHeaderPreformatted(gomail.Header("References"), strings.Join(references, "\r\n "))
	}
	// Nobody's out-of-office note is to answer (RFC 3834 §5).
	msg.SetGenHeader(gomail.Header("Auto-Submitted"), "auto-generated")
	msg.SetGenHeader(gomail.Header("X-Auto-Response-Suppress"), "All")
	msg.SetUserAgent("Muster")
	msg.SetBodyString(gomail.TypeTextPlain, l.text)
	msg.AddAlternativeString(gomail.TypeTextHTML, l.html)
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return fmt.Errorf("mail by %s:%d: %w", m.Host, m.Port, mailError(err))
	}
	return nil
}

func (d *Deliverer) client(ctx context.Context, m store.Mail) (*gomail.Client, error) {
	password, err := d.Store.MailPassword(ctx, m)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: m.Host, MinVersion: tls.VersionTLS12}
	if m.CAFile != "" {
		if config.RootCAs, err = connector.Authorities(m.CAFile); err != nil {
			return nil, err
		}
	}
	dialer := &net.Dialer{Timeout: dialTimeout, Control: connector.Guard(false)}
	options := []gomail.Option{
		gomail.WithPort(m.Port), gomail.WithTimeout(attempt / 2), gomail.WithTLSConfig(config), gomail.WithDialContextFunc(dialer.DialContext),
	}
	switch m.TLS {
	case "tls":
		secure := &tls.Dialer{NetDialer: dialer, Config: config}
		options = append(options, gomail.WithSSL(), gomail.WithDialContextFunc(secure.DialContext))
	case "starttls":
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if m.Username != "" {
		how := gomail.WithOpportunisticSMTPAuth(mechanisms...)
		switch {
		case m.TLS == "none" && connector.Loopback(m.Host):
			how = gomail.WithSMTPAuth(gomail.SMTPAuthPlainNoEnc) // nobody listens on the way, and a relay there often knows nothing else
		case m.TLS == "none":
			how = gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover) // those alone that do not show the password
		}
		options = append(options, how, gomail.WithUsername(m.Username), gomail.WithPassword(password))
	}
	client, err := gomail.NewClient(m.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("the mail settings: %w", err)
	}
	return client, nil
}

// mechanisms are the ways to sign in over an encrypted connection, the best first. The library's own
// choice does not know that a connection which we dialed is encrypted.
var mechanisms = []gomail.SMTPAuthType{
	gomail.SMTPAuthSCRAMSHA256PLUS, gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1PLUS, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin,
}

// mailError keeps what a server said to one line of bearable length.
func mailError(err error) error {
	return errors.New(short(plain(err.Error()), 400))
}
