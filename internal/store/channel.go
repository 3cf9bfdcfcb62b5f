package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/muster-id/muster/internal/directory"
)

// Mail is how messages are mailed. The password is sealed apart, for this host and port alone.
type Mail struct {
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	TLS      string   `json:"tls"` // starttls, tls, none
	Username string   `json:"username,omitempty"`
	From     string   `json:"from"`
	To       []string `json:"to"` // who hears of everything, beside the addresses of applications
	CAFile   string   `json:"ca_file,omitempty"`
	// AllowPlain sends without encryption beyond loopback.
	AllowPlain bool `json:"allow_plain,omitempty"`
}

func (m Mail) endpoint() string { return "smtp://" + net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }

const (
	mailOwner    = "mail"
	mailPassword = "password"
	hookSecret   = "secret"
	hookURL      = "url"
)

// Mail returns how messages are mailed, nil when they are not.
func (s *Store) Mail(ctx context.Context) (*Mail, error) {
	return read(ctx, s, func(tx *Tx) (*Mail, error) { return tx.mail(ctx) })
}

func (tx *Tx) mail(ctx context.Context) (*Mail, error) {
	text, err := tx.setting(ctx, MailSetting)
	if err != nil || text == "" {
		return nil, err
	}
	m := &Mail{}
	if err := json.Unmarshal([]byte(text), m); err != nil {
		return nil, fmt.Errorf("reading the mail settings: %w", err)
	}
	return m, nil
}

// SetMail sets how messages are mailed; nil mails none from now on. An empty password keeps the sealed
// one, which is refused when host or port have changed: it would be sent to somebody else.
func (s *Store) SetMail(ctx context.Context, by Actor, m *Mail, password string) error {
	return s.SetMailIf(ctx, by, "", m, password)
}

// SetMailIf is [Store.SetMail] while the settings are at a version that match names; "" asks for nothing.
func (s *Store) SetMailIf(ctx context.Context, by Actor, match string, m *Mail, password string) error {
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.settingAt(ctx, MailSetting, match, "the mail"); err != nil {
			return err
		}
		before, err := tx.mail(ctx)
		if err != nil {
			return err
		}
		if m == nil {
			for _, statement := range []string{"delete from settings where name = 'mail'", "delete from secrets where app_id = 'mail'", "delete from messages where channel = 'mail' and ended_at is null"} {
				if _, err := tx.Exec(ctx, statement); err != nil {
					return fmt.Errorf("removing the mail settings: %w", err)
				}
			}
			return tx.audit(ctx, by, "delete", subject{"setting", MailSetting, MailSetting}, plainDocument(before), nil)
		}
		if err := tx.mailSecret(ctx, *m, password); err != nil {
			return err
		}
		if err := tx.set(ctx, MailSetting, jsonText(m)); err != nil {
			return err
		}
		after := plainDocument(m)
		if password != "" {
			after["password"] = "given anew"
		}
		return tx.audit(ctx, by, "update", subject{"setting", MailSetting, MailSetting}, plainDocument(before), after)
	})
}

func (tx *Tx) mailSecret(ctx context.Context, m Mail, password string) error {
	if m.Username == "" {
		_, err := tx.Exec(ctx, "delete from secrets where app_id = $1", mailOwner)
		return err
	}
	if password != "" {
		_, err := tx.keepSecret(ctx, mailOwner, mailPassword, m.endpoint(), password)
		return err
	}
	origin, err := Origin(m.endpoint())
	if err != nil {
		return err
	}
	have, err := tx.SecretOrigins(ctx, mailOwner)
	if err == nil && have[mailPassword] != origin {
		return refuse(ErrNeedsSecret, "give it with --password-file", "%s needs the password of %s", m.endpoint(), m.Username)
	}
	return err
}

// MailPassword returns the password of the mail server's user, "" when there is no user.
func (s *Store) MailPassword(ctx context.Context, m Mail) (string, error) {
	if m.Username == "" {
		return "", nil
	}
	return s.Secret(ctx, mailOwner, mailPassword, m.endpoint())
}

// plainDocument is a value without secrets as the audit log shows it; nil for nothing.
func plainDocument[T any](v *T) map[string]any {
	if v == nil {
		return nil
	}
	var doc map[string]any
	_ = json.Unmarshal([]byte(jsonText(v)), &doc)
	return doc
}

// Webhook is an address that messages are posted to, signed. The whole address, which often is as good
// as a password, is sealed apart with the secret, for this scheme, host and port alone.
type Webhook struct {
	ID             string    `json:"id"`
	Name           string    `json:"name"`
	URL            string    `json:"url"`                        // scheme and host; whole on its way in
	AllowHTTP      bool      `json:"allow_http,omitempty"`       // without encryption beyond loopback
	AllowLinkLocal bool      `json:"allow_link_local,omitempty"` // also where clouds keep their metadata
	Created        time.Time `json:"created"`
}

const webhookColumns = "id, name, url, allow_http, allow_link_local, created_at"

func scanWebhook(row scanner) (w Webhook, err error) {
	var created sql.NullInt64
	err = row.Scan(&w.ID, &w.Name, &w.URL, &w.AllowHTTP, &w.AllowLinkLocal, &created)
	w.Created = fromMillis(created)
	return w, err
}

// Webhooks returns the webhooks by name.
func (s *Store) Webhooks(ctx context.Context) ([]Webhook, error) {
	return read(ctx, s, func(tx *Tx) ([]Webhook, error) {
		return collect(scanWebhook)(tx.Query(ctx, "select "+webhookColumns+" from webhooks order by name_key"))
	})
}

// AddWebhook adds a webhook, with the secret that signs what is posted to it, and gives it its id. Of
// its address scheme and host are left.
func (s *Store) AddWebhook(ctx context.Context, by Actor, w *Webhook, secret string) error {
	whole := w.URL
	u, err := url.Parse(whole)
	if err != nil || u.Host == "" {
		return refuse(ErrInvalid, "", "the address of the webhook is not a URL with scheme and host")
	}
	w.ID, w.Created, w.URL = newID(), s.Now(), u.Scheme+"://"+u.Host
	if u.Path != "" || u.RawQuery != "" {
		w.URL += "/…"
	}
	return s.Write(ctx, func(tx *Tx) error {
		n, err := one[int](tx.QueryRow(ctx, "select count(*) from webhooks where name_key = $1", directory.Key(w.Name)))
		if err != nil {
			return fmt.Errorf("reading the webhooks: %w", err)
		}
		if n > 0 {
			return refuse(ErrExists, "choose another with --name, or remove that one", "there is already a webhook %s", w.Name)
		}
		err = tx.insert(ctx, "webhooks", []string{"id", "name", "name_key", "url", "allow_http", "allow_link_local", "created_at"},
			[][]any{{w.ID, w.Name, directory.Key(w.Name), w.URL, w.AllowHTTP, w.AllowLinkLocal, tx.now()}}, "")
		if err != nil {
			return err
		}
		for name, value := range map[string]string{hookSecret: secret, hookURL: whole} {
			if _, err := tx.keepSecret(ctx, w.ID, name, whole, value); err != nil {
				return err
			}
		}
		return tx.audit(ctx, by, "create", subject{"webhook", w.ID, w.Name}, nil, plainDocument(w))
	})
}

// RemoveWebhook removes a webhook by name or id, with what was to be posted to it.
func (s *Store) RemoveWebhook(ctx context.Context, by Actor, name string) (Webhook, error) {
	return write(ctx, s, func(tx *Tx) (Webhook, error) {
		w, err := scanWebhook(tx.QueryRow(ctx, "select "+webhookColumns+" from webhooks where name_key = $1 or id = $2", directory.Key(name), name))
		if errors.Is(err, sql.ErrNoRows) {
			names, err := collect(one[string])(tx.Query(ctx, "select name from webhooks order by name_key"))
			return w, errors.Join(err, refuse(ErrNotFound, didYouMean(directory.Nearest(name, names, 3)), "there is no webhook %s", name))
		}
		if err != nil {
			return w, fmt.Errorf("reading webhook %s: %w", name, err)
		}
		for _, statement := range []string{
			"delete from webhooks where id = $1", "delete from secrets where app_id = $1",
			"delete from messages where channel = 'webhook' and recipient = $1 and ended_at is null",
		} {
			if _, err := tx.Exec(ctx, statement, w.ID); err != nil {
				return w, fmt.Errorf("removing webhook %s: %w", w.Name, err)
			}
		}
		return w, tx.audit(ctx, by, "delete", subject{"webhook", w.ID, w.Name}, plainDocument(&w), nil)
	})
}

// OpenWebhook returns the whole address of a webhook, and what signs the posts to it.
func (s *Store) OpenWebhook(ctx context.Context, w Webhook) (address, secret string, err error) {
	if address, err = s.Secret(ctx, w.ID, hookURL, w.URL); err != nil {
		return "", "", err
	}
	secret, err = s.Secret(ctx, w.ID, hookSecret, w.URL)
	return address, secret, err
}

// LastTo returns the last message that ended, by recipient of a channel.
func (s *Store) LastTo(ctx context.Context, channel string) (map[string]*Message, error) {
	return read(ctx, s, func(tx *Tx) (map[string]*Message, error) {
		rows, err := rowsOf(ctx, tx, scanMessage, `select `+messageColumns+` from messages m where channel = $1 and attempts > 0
			and not exists (select 1 from messages n where n.channel = m.channel and n.recipient = m.recipient and n.attempts > 0 and n.id > m.id)`, channel)
		by := make(map[string]*Message, len(rows))
		for _, m := range rows {
			by[m.Address] = m
		}
		return by, err
	})
}

// Addresses returns who is mailed about an application: everybody's addresses, and its own where its
// failures are to be mailed.
func (m *Mail) Addresses(app string) []string {
	to := slices.Clone(m.To)
	if app != "" && !slices.Contains(to, app) {
		to = append(to, app)
	}
	return to
}
