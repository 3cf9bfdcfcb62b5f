package web

import (
	"context"
	"net/http"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/api"
	"github.com/muster-id/muster/internal/notify"
	"github.com/muster-id/muster/internal/store"
)

func (s *Server) notifications() {
	shown := func(ctx context.Context, d *admin.Desk) (*setting[admin.Notifications], error) {
		n, err := d.Notifications(ctx)
		return at(ctx, d, store.MailSetting, n, err)
	}
	route(s, operation(http.MethodGet, "/notifications", "get-notifications", "Show who is told, of what, and what came of the last messages"),
		func(ctx context.Context, d *admin.Desk, _ *none) (*setting[admin.Notifications], error) {
			return shown(ctx, d)
		})
	route(s, operation(http.MethodPut, "/notifications/mail", "set-mail", "Set how messages are mailed"),
		func(ctx context.Context, d *admin.Desk, in *struct {
			Match
			Body api.Mail
		},
		) (*setting[admin.Notifications], error) {
			if err := d.SetMailIf(ctx, in.IfMatch, in.Body.Settings(), in.Body.Password); err != nil {
				return nil, err
			}
			return shown(ctx, d)
		})
	route(s, operation(http.MethodDelete, "/notifications/mail", "remove-mail", "Mail nothing any more, and forget the password"),
		func(ctx context.Context, d *admin.Desk, _ *none) (*setting[admin.Notifications], error) {
			if err := d.RemoveMail(ctx); err != nil {
				return nil, err
			}
			return shown(ctx, d)
		})
	route(s, operation(http.MethodPost, "/notifications/webhooks", "add-webhook", "Add a webhook; this answer alone shows its secret"),
		func(ctx context.Context, d *admin.Desk, in *body[api.NewWebhook]) (*answer[admin.AddedWebhook], error) {
			return answered(d.AddWebhook(ctx, store.Webhook{Name: in.Body.Name, URL: in.Body.URL, AllowHTTP: in.Body.AllowHTTP, AllowLinkLocal: in.Body.AllowLinkLocal}))
		}, created, onceSecret)
	type webhookPath struct {
		Webhook string `path:"webhook" doc:"Name or id."`
	}
	route(s, operation(http.MethodDelete, "/notifications/webhooks/{webhook}", "remove-webhook", "Remove a webhook"),
		func(ctx context.Context, d *admin.Desk, in *webhookPath) (*answer[store.Webhook], error) {
			return answered(d.RemoveWebhook(ctx, in.Webhook))
		})
	route(s, operation(http.MethodPost, "/notifications/send", "send-notifications", "Send what is due now, where no server does so by itself"),
		func(ctx context.Context, d *admin.Desk, _ *none) (*answer[notify.Delivered], error) {
			return answered(d.DeliverNotices(ctx))
		}, long)
	route(s, operation(http.MethodPost, "/notifications/test", "test-notifications", "Send a test message"),
		func(ctx context.Context, d *admin.Desk, in *body[api.TestMessage]) (*answer[admin.Tested], error) {
			return answered(d.TestNotifications(ctx, in.Body.To))
		}, long)
}
