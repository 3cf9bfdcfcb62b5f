package main

import (
	"context"
	"io"
	"iter"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/notify"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// desk is what verbs need. [admin.Desk] is it for the state of this machine, and package client's for
// that of a server: a verb does not know which of them it talks to.
type desk interface {
	directoryDesk
	applicationDesk
	controlDesk
	operationsDesk
	notificationDesk
	administratorDesk
}

type administratorDesk interface {
	Administrators(ctx context.Context) ([]store.Administrator, error)
	AddAdministrator(ctx context.Context, name string, role admin.Role) (admin.Invited, error)
	ResetAdministrator(ctx context.Context, name string, everything bool) (admin.Invited, error)
	SetAdministratorRole(ctx context.Context, name string, role admin.Role) (store.Administrator, error)
	RemoveAdministrator(ctx context.Context, name string) (store.Administrator, error)
	AdministratorSessions(ctx context.Context, name string) ([]store.Session, error)
	DisableAdministrator(ctx context.Context, name string, disabled bool) (store.Administrator, error)
	EndAdministratorSessions(ctx context.Context, name string) (int64, error)
	SignIn(ctx context.Context) (admin.SignIn, error)
	SetLocalSignIn(ctx context.Context, allowed bool) (admin.SignIn, error)
	SetSingleSignOn(ctx context.Context, o store.SingleSignOn, secret *string) (admin.SignIn, error)
	RemoveSingleSignOn(ctx context.Context) error
	TestSingleSignOn(ctx context.Context, o *store.SingleSignOn) (admin.SignInTest, error)
}

type directoryDesk interface {
	Import(ctx context.Context, files []admin.File, o admin.ImportOptions) (store.ImportResult, error)
	Users(ctx context.Context, q store.UserQuery) iter.Seq2[directory.User, error]
	User(ctx context.Context, name string) (map[string]any, error)
	AddUser(ctx context.Context, userName string, attributes []string) (map[string]any, error)
	SetUser(ctx context.Context, name string, attributes []string) (resource map[string]any, changed bool, err error)
	RemoveUser(ctx context.Context, name, how string, force bool) (admin.Removed, error)
	Groups(ctx context.Context, search string) iter.Seq2[directory.Group, error]
	Group(ctx context.Context, name string) (map[string]any, error)
	AddGroup(ctx context.Context, name string, members []string) (map[string]any, error)
	DeleteGroup(ctx context.Context, name string) (admin.Removed, error)
	EditMembers(ctx context.Context, group string, add, remove []string) (admin.MemberChange, error)
}

type applicationDesk interface {
	List(ctx context.Context) ([]admin.Listed, error)
	Configuration(ctx context.Context, name string) (map[string]any, error)
	DeleteApplication(ctx context.Context, name string) (admin.Removed, error)
	Assign(ctx context.Context, name string, a provision.Assignment) (changed bool, err error)
	Unassign(ctx context.Context, name string, a provision.Assignment) (changed bool, err error)
	Apply(ctx context.Context, files []config.File, src admin.Source) (config.Changes, error)
	Diff(ctx context.Context, files []config.File, src admin.Source) (config.Changes, error)
	Export(ctx context.Context, names ...string) ([]byte, error)
	Test(ctx context.Context, name string) (connector.Diagnosis, error)
	TestMappings(ctx context.Context, name string) (admin.MappingTests, error)
	Plan(ctx context.Context, name string, reconcile bool, progress func(cycle.Progress)) (admin.Plan, error)
	Operations(ctx context.Context, planID string) iter.Seq2[admin.Operation, error]
	Sync(ctx context.Context, name string, o admin.SyncOptions) (admin.Run, error)
	Undo(ctx context.Context, name, cycleID, user string, progress func(cycle.Progress)) (admin.Plan, error)
	Provision(ctx context.Context, name string, kind directory.Kind, object string, dryRun bool) (admin.Provision, error)
	Explain(ctx context.Context, name, user string) (admin.Explanation, error)
	Status(ctx context.Context, name string) (admin.Status, error)
	Held(ctx context.Context, name string) (admin.Held, error)
	Approve(ctx context.Context, name string, pick admin.Selection) (admin.Held, error)
	Reject(ctx context.Context, name string, pick admin.Selection) (admin.Held, error)
	Restart(ctx context.Context, name, scope string) (admin.Restarted, error)
	Drift(ctx context.Context, name string) (admin.Drift, error)
	Findings(ctx context.Context, name string, kind provision.DriftKind) iter.Seq2[admin.DriftFinding, error]
}

type operationsDesk interface {
	Log(ctx context.Context, f admin.LogFilter) iter.Seq2[admin.Record, error]
	Follow(ctx context.Context, f admin.LogFilter, poll func() bool) iter.Seq2[admin.Record, error]
	AuditPage(ctx context.Context, q store.AuditQuery) ([]store.Entry, error)
	Retention(ctx context.Context) (store.Retention, error)
	SetRetention(ctx context.Context, r store.Retention) error
	Backup(ctx context.Context, w io.Writer) (keys []string, err error)
	Doctor(ctx context.Context) admin.Checkup
	CreateToken(ctx context.Context, t admin.TokenRequest) (admin.IssuedToken, error)
	Tokens(ctx context.Context) ([]store.Token, error)
	RevokeToken(ctx context.Context, name string) (store.Token, error)
}

type notificationDesk interface {
	Notifications(ctx context.Context) (admin.Notifications, error)
	SetMail(ctx context.Context, m store.Mail, password string) error
	RemoveMail(ctx context.Context) error
	AddWebhook(ctx context.Context, w store.Webhook) (admin.AddedWebhook, error)
	RemoveWebhook(ctx context.Context, name string) (store.Webhook, error)
	TestNotifications(ctx context.Context, only string) (admin.Tested, error)
	DeliverNotices(ctx context.Context) (notify.Delivered, error)
}
