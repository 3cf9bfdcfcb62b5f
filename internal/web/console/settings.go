package console

import (
	"strconv"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/notify"
	"github.com/muster-id/muster/internal/store"
)

// tokensView is the list of API tokens, with the one that was made just now.
type tokensView struct {
	Tokens  []store.Token
	Made    *admin.IssuedToken
	Problem *admin.Problem
}

func (c *console) tokens(rq *request) error { return c.showTokens(rq, 200, tokensView{}) }

func (c *console) showTokens(rq *request, status int, v tokensView) error {
	var err error
	if v.Tokens, err = rq.desk.Tokens(rq.Context()); err != nil {
		return err
	}
	rq.show(status, tokensPage(rq.page.titled("API tokens"), v))
	return nil
}

// addToken makes a token and shows it, once: the answer is not a redirect, so that no address and no
// cookie ever holds it.
func (c *console) addToken(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	var expires *time.Time
	if days, err := strconv.Atoi(get("days")); err == nil && days > 0 {
		at := time.Now().AddDate(0, 0, days)
		expires = &at
	}
	made, err := rq.desk.CreateToken(rq.Context(), admin.TokenRequest{Role: get("role"), Name: strings.TrimSpace(get("name")), Expires: expires})
	if err != nil {
		return c.showTokens(rq, 422, tokensView{Problem: admin.Explain(err)})
	}
	return c.showTokens(rq, 201, tokensView{Made: &made})
}

func (c *console) revokeToken(rq *request) error {
	t, err := rq.desk.RevokeToken(rq.Context(), rq.PathValue("id"))
	if err != nil {
		return err
	}
	return rq.done("/tokens", "The token "+t.Name+" lets nobody in any more.")
}

// notificationsView is who is told of what.
type notificationsView struct {
	admin.Notifications
	Webhook *admin.AddedWebhook // added just now
	Tested  *admin.Tested
	Problem *admin.Problem
	Version string              // of the mail's settings
	Form    func(string) string // mail as it was sent, nil to take what is stored
}

func (c *console) notifications(rq *request) error {
	return c.showNotifications(rq, 200, notificationsView{})
}

func (c *console) showNotifications(rq *request, status int, v notificationsView) error {
	var err error
	if v.Notifications, err = rq.desk.Notifications(rq.Context()); err != nil {
		return err
	}
	if v.Version, err = rq.desk.SettingVersion(rq.Context(), store.MailSetting); err != nil {
		return err
	}
	if v.Form != nil && v.Problem != nil && !changedMeanwhile(v.Problem) {
		v.Version = v.Form("version") // what the form was filled from
	}
	rq.show(status, notificationsPage(rq.page.titled("Mail and webhooks"), v))
	return nil
}

func (c *console) saveMail(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	if get("remove") != "" {
		if err := rq.desk.RemoveMail(rq.Context()); err != nil {
			return err
		}
		return rq.done("/notifications", "Nothing is mailed any more.")
	}
	port, _ := strconv.Atoi(get("port")) // 0 is refused with the rest
	m := store.Mail{
		Host: strings.TrimSpace(get("host")), Port: port, TLS: get("tls"), Username: strings.TrimSpace(get("username")),
		From: strings.TrimSpace(get("from")), To: nonEmpty(strings.ReplaceAll(get("to"), ",", "\n")),
	}
	if err := rq.desk.SetMailIf(rq.Context(), get("version"), m, get("password")); err != nil {
		return c.showNotifications(rq, 422, notificationsView{Problem: admin.Explain(err), Form: get})
	}
	return rq.done("/notifications", "Saved.", "Next: Send a test message.")
}

func (c *console) addWebhook(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	added, err := rq.desk.AddWebhook(rq.Context(), store.Webhook{Name: strings.TrimSpace(get("name")), URL: strings.TrimSpace(get("url"))})
	if err != nil {
		return c.showNotifications(rq, 422, notificationsView{Problem: admin.Explain(err)})
	}
	return c.showNotifications(rq, 201, notificationsView{Webhook: &added})
}

func (c *console) removeWebhook(rq *request) error {
	w, err := rq.desk.RemoveWebhook(rq.Context(), rq.PathValue("id"))
	if err != nil {
		return err
	}
	return rq.done("/notifications", "The webhook "+w.Name+" was removed.")
}

func (c *console) testNotifications(rq *request) error {
	tested, err := rq.desk.TestNotifications(rq.Context(), "")
	if err != nil {
		return c.showNotifications(rq, 422, notificationsView{Problem: admin.Explain(err)})
	}
	return c.showNotifications(rq, 200, notificationsView{Tested: &tested})
}

// noticePage is where what a notice tells of is dealt with.
func noticePage(n admin.NoticeStatus) string { return notify.Page(n.Kind, n.Application) }

// noticeOf names what a notice is about.
func noticeOf(n admin.NoticeStatus) string {
	if n.Subject != nil {
		return strings.TrimSpace(n.Application + " " + n.Subject.Name)
	}
	return n.Application
}

// mail returns the settings of mail for the form, as they were sent or as they are stored.
func (v notificationsView) mail(name string) string {
	if v.Form != nil {
		return v.Form(name)
	}
	if v.Mail == nil {
		return map[string]string{"port": "587", "tls": "starttls"}[name]
	}
	m := v.Mail
	return map[string]string{
		"host": m.Host, "port": strconv.Itoa(m.Port), "tls": m.TLS, "username": m.Username, "from": m.From, "to": strings.Join(m.To, ", "),
	}[name]
}
