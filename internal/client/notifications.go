package client

import (
	"context"
	"net/http"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/notify"
	"github.com/muster-id/muster/internal/store"
)

// Notifications is [admin.Desk.Notifications].
func (c *Client) Notifications(ctx context.Context) (admin.Notifications, error) {
	return ask[admin.Notifications](ctx, c, request{method: http.MethodGet, path: []string{"notifications"}})
}

// SetMail is [admin.Desk.SetMail].
func (c *Client) SetMail(ctx context.Context, m store.Mail, password string) error {
	wish := api.Mail{Host: m.Host, Port: m.Port, TLS: m.TLS, Username: m.Username, Password: password, From: m.From, To: m.To, CAFile: m.CAFile, AllowPlain: m.AllowPlain}
	_, err := ask[admin.Notifications](ctx, c, request{method: http.MethodPut, path: []string{"notifications", "mail"}, body: wish})
	return err
}

// RemoveMail is [admin.Desk.RemoveMail].
func (c *Client) RemoveMail(ctx context.Context) error {
	_, err := ask[admin.Notifications](ctx, c, request{method: http.MethodDelete, path: []string{"notifications", "mail"}})
	return err
}

// AddWebhook is [admin.Desk.AddWebhook].
func (c *Client) AddWebhook(ctx context.Context, w store.Webhook) (admin.AddedWebhook, error) {
	wish := api.NewWebhook{URL: w.URL, Name: w.Name, AllowHTTP: w.AllowHTTP, AllowLinkLocal: w.AllowLinkLocal}
	return ask[admin.AddedWebhook](ctx, c, request{method: http.MethodPost, path: []string{"notifications", "webhooks"}, body: wish})
}

// RemoveWebhook is [admin.Desk.RemoveWebhook].
func (c *Client) RemoveWebhook(ctx context.Context, name string) (store.Webhook, error) {
	return ask[store.Webhook](ctx, c, request{method: http.MethodDelete, path: []string{"notifications", "webhooks", name}})
}

// TestNotifications is [admin.Desk.TestNotifications].
func (c *Client) TestNotifications(ctx context.Context, only string) (admin.Tested, error) {
	return ask[admin.Tested](ctx, c, request{method: http.MethodPost, path: []string{"notifications", "test"}, body: api.TestMessage{To: only}})
}

// DeliverNotices is [admin.Desk.DeliverNotices].
func (c *Client) DeliverNotices(ctx context.Context) (notify.Delivered, error) {
	return ask[notify.Delivered](ctx, c, request{method: http.MethodPost, path: []string{"notifications", "send"}})
}
