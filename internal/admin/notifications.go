package admin

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/notify"
	"github.com/muster-id/muster/internal/store"
)

// Notifications are how people are told, what is so that they are told of, and what came of the last
// messages.
type Notifications struct {
	Mail     *MailStatus     `json:"mail"` // null when nothing is mailed
	Webhooks []WebhookStatus `json:"webhooks"`
	Notices  []NoticeStatus  `json:"notices"`  // what is so now, the newest first
	Messages []MessageStatus `json:"messages"` // the last ones, the newest first
}

// MailStatus is how messages are mailed, without the password.
type MailStatus struct {
	store.Mail
	Last []MessageStatus `json:"last"` // the last message to each address
}

// WebhookStatus is a webhook with what came of its last message.
type WebhookStatus struct {
	store.Webhook
	Last *MessageStatus `json:"last"` // null before the first
}

// MessageStatus is what came of a message.
type MessageStatus struct {
	ID        string           `json:"id"`
	Channel   string           `json:"channel"` // mail, webhook
	Recipient string           `json:"recipient"`
	Kind      store.NoticeKind `json:"kind"`
	State     string           `json:"state"` // gathering, waiting (it failed and is tried again), sending, sent, failed
	Notices   int              `json:"notices"`
	Attempts  int              `json:"attempts"`
	Error     string           `json:"error"` // of the last attempt
	Time      time.Time        `json:"time"`  // when it was begun
	Next      *time.Time       `json:"next"`  // of the next attempt; null when it has ended
	Ended     *time.Time       `json:"ended"`
}

// NoticeStatus is something that is so and that people are told of.
type NoticeStatus struct {
	ID          string           `json:"id"`
	Kind        store.NoticeKind `json:"kind"` // quarantine, held, failing, failures, expiry
	Application string           `json:"application"`
	Subject     *store.Subject   `json:"subject"`
	Cause       string           `json:"cause"`
	Reason      string           `json:"reason"`
	Next        string           `json:"next_step"`
	Count       int              `json:"count"`
	Since       time.Time        `json:"since"`
	Told        *time.Time       `json:"told"` // null: nobody yet
}

const messagesShown = 20

// Notifications tells how people are told.
func (d *Desk) Notifications(ctx context.Context) (Notifications, error) {
	out := Notifications{Webhooks: []WebhookStatus{}, Notices: []NoticeStatus{}, Messages: []MessageStatus{}}
	hooks, err := d.store.Webhooks(ctx)
	if err != nil {
		return out, err
	}
	names := map[string]string{}
	for _, w := range hooks {
		names[w.ID] = w.Name
	}
	mail, err := d.store.Mail(ctx)
	if err != nil {
		return out, err
	}
	last := map[string]map[string]*store.Message{}
	for _, channel := range []string{"mail", "webhook"} {
		if last[channel], err = d.store.LastTo(ctx, channel); err != nil {
			return out, err
		}
	}
	if mail != nil {
		out.Mail = &MailStatus{Mail: *mail, Last: []MessageStatus{}}
		for _, m := range last["mail"] {
			out.Mail.Last = append(out.Mail.Last, messageOf(m, names))
		}
		slices.SortFunc(out.Mail.Last, func(a, b MessageStatus) int { return b.Time.Compare(a.Time) })
	}
	for _, w := range hooks {
		s := WebhookStatus{Webhook: w}
		if m := last["webhook"][w.ID]; m != nil {
			status := messageOf(m, names)
			s.Last = &status
		}
		out.Webhooks = append(out.Webhooks, s)
	}
	if out.Notices, err = d.Notices(ctx, ""); err != nil {
		return out, err
	}
	messages, err := d.store.LastMessages(ctx, messagesShown)
	for _, m := range messages {
		out.Messages = append(out.Messages, messageOf(m, names))
	}
	return out, err
}

// Mails reports whether there is a server that mails messages.
func (d *Desk) Mails(ctx context.Context) (bool, error) {
	mail, err := d.store.Mail(ctx)
	return mail != nil, err
}

// Notices returns what is so now and people are told of, of one application or, with "", of all.
func (d *Desk) Notices(ctx context.Context, app string) ([]NoticeStatus, error) {
	apps, err := d.store.Applications(ctx)
	if err != nil {
		return nil, err
	}
	names, id := map[string]string{}, ""
	for _, a := range apps {
		names[a.ID] = a.Name
	}
	if app != "" {
		a, err := d.store.Application(ctx, app)
		if err != nil {
			return nil, err
		}
		id = a.ID
	}
	notices, err := d.store.OpenNotices(ctx, id)
	out := make([]NoticeStatus, 0, len(notices))
	for _, n := range notices {
		s := NoticeStatus{ID: n.ID, Kind: n.Kind, Application: names[n.AppID], Cause: n.Cause, Reason: n.Reason, Next: n.Next, Count: n.Size, Since: n.Opened}
		if n.Subject != "" {
			s.Subject = &store.Subject{ID: n.Subject, Name: n.Name}
		}
		if !n.Told.IsZero() {
			s.Told = &n.Told
		}
		out = append(out, s)
	}
	return out, err
}

func messageOf(m *store.Message, webhooks map[string]string) MessageStatus {
	s := MessageStatus{
		ID: m.ID, Channel: m.Channel, Recipient: m.Address, Kind: m.Kind, State: m.State, Notices: len(m.Events) + m.More, Attempts: m.Attempts, Error: m.Error, Time: m.Created,
	}
	if name, ok := webhooks[m.Address]; ok && m.Channel == "webhook" {
		s.Recipient = name
	}
	if m.Ended.IsZero() {
		s.Next = &m.Next
	} else {
		s.Ended = &m.Ended
	}
	return s
}

// SetMail sets how messages are mailed. An empty password keeps the one that there is, as long as it
// goes to the same host and port.
func (d *Desk) SetMail(ctx context.Context, m store.Mail, password string) error {
	return d.SetMailIf(ctx, "", m, password)
}

// SetMailIf is [Desk.SetMail] while the settings are at a version that match names.
func (d *Desk) SetMailIf(ctx context.Context, match string, m store.Mail, password string) error {
	if err := notify.CheckMail(m); err != nil {
		return usage(string(store.ErrInvalid), "correct it and set the mail again", "the mail cannot be set so: %v", err)
	}
	return d.store.SetMailIf(ctx, d.by, match, &m, password)
}

// RemoveMail ends mailing, and forgets the password.
func (d *Desk) RemoveMail(ctx context.Context) error { return d.store.SetMail(ctx, d.by, nil, "") }

// AddedWebhook is a webhook that was added just now: the only time that its secret is shown.
type AddedWebhook struct {
	store.Webhook
	Secret string `json:"secret"`
}

// AddWebhook adds an address that messages are posted to.
func (d *Desk) AddWebhook(ctx context.Context, w store.Webhook) (AddedWebhook, error) {
	if err := notify.CheckWebhook(w); err != nil {
		return AddedWebhook{}, usage(string(store.ErrInvalid), "give an address that can be posted to", "the webhook cannot be added: %v", err)
	}
	if u, err := url.Parse(w.URL); err == nil && w.Name == "" {
		w.Name = u.Hostname()
	}
	secret := notify.NewSecret()
	err := d.store.AddWebhook(ctx, d.by, &w, secret)
	return AddedWebhook{Webhook: w, Secret: secret}, err
}

// RemoveWebhook removes a webhook by name or id.
func (d *Desk) RemoveWebhook(ctx context.Context, name string) (store.Webhook, error) {
	return d.store.RemoveWebhook(ctx, d.by, name)
}

// Tested is what came of test messages.
type Tested struct {
	OK      bool                `json:"ok"`
	Results []notify.TestResult `json:"results"`
}

// TestNotifications sends a test message to everybody who hears of everything, or to one: an address,
// "mail", or the name of a webhook.
func (d *Desk) TestNotifications(ctx context.Context, only string) (Tested, error) {
	results, err := d.deliverer().Test(ctx, only)
	if err != nil {
		return Tested{}, err
	}
	if len(results) == 0 {
		return Tested{}, usage(string(store.ErrNotFound), "`muster notify show` lists whom there is; `muster notify mail` and `muster notify webhook add` set it up", "there is nobody to send a test to")
	}
	ok := !slices.ContainsFunc(results, func(t notify.TestResult) bool { return !t.OK })
	return Tested{OK: ok, Results: results}, nil
}

// DeliverNotices sends what is due now, for whoever runs cycles without a server that stays.
func (d *Desk) DeliverNotices(ctx context.Context) (notify.Delivered, error) {
	return d.deliverer().Deliver(ctx)
}

// RunNotifications delivers what there is to tell until the context ends.
func (d *Desk) RunNotifications(ctx context.Context) { d.deliverer().Run(ctx) }

func (d *Desk) deliverer() *notify.Deliverer {
	return &notify.Deliverer{Store: d.store, Log: d.log, Version: d.version}
}
