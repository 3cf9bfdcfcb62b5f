package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/store"
)

type notifyCmd struct {
	Show    notifyShowCmd `cmd:"" help:"Show who is told, of what, and what came of the last messages."`
	Mail    notifyMailCmd `cmd:"" help:"Set how messages are mailed."`
	Webhook struct {
		Add    webhookAddCmd    `cmd:"" help:"Add an address that messages are posted to, signed."`
		List   webhookListCmd   `cmd:"" help:"List the webhooks."`
		Remove webhookRemoveCmd `cmd:"" help:"Remove a webhook."`
	} `cmd:"" help:"Addresses that messages are posted to."`
	Test notifyTestCmd `cmd:"" help:"Send a test message."`
	Send notifySendCmd `cmd:"" help:"Send what is due now, where no server runs that does."`
}

type notifyShowCmd struct{}

// Run implements the verb.
func (c *notifyShowCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	n, err := desk.Notifications(s)
	if err != nil {
		return err
	}
	s.show(n, func() {
		printMail(s, n.Mail)
		printWebhooks(s, n.Webhooks)
		s.say("")
		if len(n.Notices) == 0 {
			s.say("there is nothing to tell")
		}
		for _, x := range n.Notices {
			about := x.Application
			if x.Subject != nil {
				about = strings.TrimPrefix(about+": "+x.Subject.Name, ": ")
			}
			s.say("%s  %s  %s", when(x.Since), x.Kind, plain(about))
			if x.Reason != "" {
				s.say("%s", s.wrapped("  "+s.yellow("why")+"   ", 8, plain(x.Reason)))
			}
		}
		for i, m := range n.Messages {
			if i == 0 {
				s.say("")
			}
			s.say("%s  %s to %s: %s", when(m.Time), m.Kind, plain(m.Recipient), cameOf(s, m))
		}
	})
	return nil
}

func printMail(s *session, m *admin.MailStatus) {
	if m == nil {
		s.say("mail     none; `muster notify mail --host HOST --from ADDRESS --to ADDRESS` sets it up")
		return
	}
	user := ""
	if m.Username != "" {
		user = " as " + plain(m.Username)
	}
	s.say("mail     by %s:%d (%s)%s, from %s", plain(m.Host), m.Port, m.TLS, user, plain(m.From))
	s.say("         to %s, and to applications' own addresses", plain(strings.Join(m.To, ", ")))
	for _, last := range m.Last {
		s.say("         last to %s: %s", plain(last.Recipient), cameOf(s, last))
	}
}

func printWebhooks(s *session, hooks []admin.WebhookStatus) {
	if len(hooks) == 0 {
		s.say("webhook  none; `muster notify webhook add URL` adds one")
	}
	for _, w := range hooks {
		s.say("webhook  %s  %s", plain(w.Name), plain(w.URL))
		if w.Last != nil {
			s.say("         last: %s", cameOf(s, *w.Last))
		}
	}
}

// cameOf says what came of a message.
func cameOf(s *session, m admin.MessageStatus) string {
	switch {
	case m.State == "sent":
		return s.green("sent") + " " + when(*m.Ended)
	case m.State == "failed":
		return s.red("given up") + " after " + count(m.Attempts, "attempt", "attempts") + ": " + plain(m.Error)
	case m.Error != "":
		return s.yellow("failed") + ", tried again " + when(*m.Next) + ": " + plain(m.Error)
	}
	return "due " + when(*m.Next)
}

type notifyMailCmd struct {
	Host         string   `placeholder:"HOST" help:"Mail server."`
	Port         int      `placeholder:"N" help:"Its port; 587 for starttls, 465 for tls, 25 for none."`
	TLS          string   `name:"tls" enum:",starttls,tls,none" default:"" placeholder:"MODE" help:"starttls (the default), tls or none."`
	From         string   `placeholder:"ADDRESS" help:"Sender."`
	To           []string `placeholder:"ADDRESS" sep:"," help:"Who hears of everything; separated by commas."`
	Username     string   `placeholder:"NAME" help:"Who signs in at the mail server."`
	PasswordFile string   `placeholder:"FILE" help:"File with the password; - reads standard input."`
	CAFile       string   `name:"ca-file" placeholder:"FILE" help:"PEM file of certificate authorities to trust beside the system's."`
	AllowPlain   bool     `help:"With --tls none: also beyond loopback, where others can read along."`
	Off          bool     `help:"Mail nothing any more, and forget the password."`
}

// Help tells what a second call does.
func (c *notifyMailCmd) Help() string {
	return "What is not given stays as it is. The password is sealed for this host and\nport; with another one it is needed again.\n\n" +
		"  muster notify mail --host mail.example.org --from muster@example.org \\\n      --to it@example.org --username muster --password-file pw\n\n" +
		"An application's own address stands in its configuration: provisioning.notify."
}

// Run implements the verb.
func (c *notifyMailCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	if c.Off {
		if err := desk.RemoveMail(s); err != nil {
			return err
		}
		s.show(map[string]any{"mail": nil}, func() { s.say("nothing is mailed any more") })
		return nil
	}
	n, err := desk.Notifications(s)
	if err != nil {
		return err
	}
	m := store.Mail{TLS: "starttls", To: []string{}}
	if n.Mail != nil {
		m = n.Mail.Mail
	}
	c.over(&m)
	password, err := c.password(s)
	if err != nil {
		return err
	}
	if err := desk.SetMail(s, m, password); err != nil {
		return err
	}
	s.show(map[string]any{"mail": m}, func() {
		s.say("messages are mailed by %s:%d (%s) from %s to %s", plain(m.Host), m.Port, m.TLS, plain(m.From), plain(strings.Join(m.To, ", ")))
		s.note("next: muster notify test")
	})
	return nil
}

// over puts what was given over what there is.
func (c *notifyMailCmd) over(m *store.Mail) {
	for _, f := range []struct {
		given string
		into  *string
	}{{c.Host, &m.Host}, {c.TLS, &m.TLS}, {c.From, &m.From}, {c.Username, &m.Username}, {c.CAFile, &m.CAFile}} {
		if f.given != "" {
			*f.into = f.given
		}
	}
	if len(c.To) > 0 {
		m.To = c.To
	}
	m.AllowPlain = m.AllowPlain || c.AllowPlain
	switch {
	case c.Port != 0:
		m.Port = c.Port
	case m.Port == 0 || c.TLS != "":
		m.Port = map[string]int{"starttls": 587, "tls": 465, "none": 25}[m.TLS]
	}
}

// longestPassword is more than any mail server takes.
const longestPassword = 1 << 12

func (c *notifyMailCmd) password(s *session) (string, error) {
	if c.PasswordFile == "" {
		return "", nil
	}
	in := s.in
	if c.PasswordFile != "-" {
		f, err := os.Open(c.PasswordFile)
		if err != nil {
			return "", unreadable(c.PasswordFile, err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, longestPassword))
	if err != nil {
		return "", unreadable(c.PasswordFile, err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", &admin.Problem{Exit: admin.ExitUsage, Code: "usage", Message: fmt.Sprintf("there is no password in %s", c.PasswordFile), Next: "put it on one line"}
	}
	return password, nil
}

type webhookAddCmd struct {
	URL            string `arg:"" help:"Address to post to."`
	Name           string `placeholder:"NAME" help:"What to call it; otherwise its host."`
	AllowHTTP      bool   `name:"allow-http" help:"Post without encryption beyond loopback."`
	AllowLinkLocal bool   `help:"Post to link-local addresses, where clouds keep credentials."`
}

// Help tells how messages are signed.
func (c *webhookAddCmd) Help() string {
	return "The secret is shown once. Messages are signed as www.standardwebhooks.com\ndescribes: any of its libraries verifies them."
}

// Run implements the verb.
func (c *webhookAddCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	w, err := desk.AddWebhook(s, store.Webhook{Name: c.Name, URL: c.URL, AllowHTTP: c.AllowHTTP, AllowLinkLocal: c.AllowLinkLocal})
	if err != nil {
		return err
	}
	s.show(w, func() {
		s.say("added webhook %s", plain(w.Name))
		s.say("secret   %s", w.Secret)
		s.note("the secret is shown this once; next: muster notify test %s", plain(w.Name))
	})
	return nil
}

type webhookListCmd struct{}

// Run implements the verb.
func (c *webhookListCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	n, err := desk.Notifications(s)
	if err != nil {
		return err
	}
	s.show(map[string]any{"webhooks": n.Webhooks}, func() { printWebhooks(s, n.Webhooks) })
	return nil
}

type webhookRemoveCmd struct {
	Name string `arg:"" help:"Name or id of the webhook."`
}

// Run implements the verb.
func (c *webhookRemoveCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	w, err := desk.RemoveWebhook(s, c.Name)
	if err != nil {
		return err
	}
	s.show(w, func() { s.say("removed webhook %s", plain(w.Name)) })
	return nil
}

type notifyTestCmd struct {
	To string `arg:"" optional:"" help:"Only this one: an address, \"mail\", or the name of a webhook."`
}

// Run implements the verb.
func (c *notifyTestCmd) Run(s *session) error {
	desk, end, err := s.desk()
	if err != nil {
		return err
	}
	defer end()
	t, err := desk.TestNotifications(s, c.To)
	if err != nil {
		return err
	}
	s.show(t, func() {
		for _, r := range t.Results {
			if r.OK {
				s.say("%s %s %s", s.green("sent:"), r.Channel, plain(r.Recipient))
			} else {
				s.say("%s %s %s: %s", s.red("not sent:"), r.Channel, plain(r.Recipient), plain(r.Error))
			}
		}
	})
	if !t.OK {
		return exit(admin.ExitTarget)
	}
	return nil
}

type notifySendCmd struct{}

// Run implements the verb.
func (c *notifySendCmd) Run(s *session) error {
	desk, end, err := s.writingDesk()
	if err != nil {
		return err
	}
	defer end()
	d, err := desk.DeliverNotices(s)
	if err != nil {
		return err
	}
	s.show(d, func() {
		s.say("sent %s, %d failed", count(d.Sent, "message", "messages"), d.Failed)
		for _, why := range d.Reasons {
			s.say("  %s", plain(why))
		}
	})
	if d.Failed > 0 {
		return exit(admin.ExitPartly)
	}
	return nil
}
