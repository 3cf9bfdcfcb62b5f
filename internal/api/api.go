// Package api holds the documents of the HTTP API that package admin does not have: what requests
// say, and what lists are wrapped in. Package web answers with them and package client sends them;
// the rest of what goes over the wire are the answers of [admin.Desk] as they are.
package api

import (
	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Prefix is what every route of the API begins with.
const Prefix = "/api/v1"

// Resource is a SCIM resource, or another document whose keys depend on what it is about.
type Resource = map[string]any

// Problem is what went wrong, as RFC 9457 writes it, with what commands know of it beside.
type Problem struct {
	Title  string  `json:"title" doc:"The status in words."`
	Status int     `json:"status" doc:"The HTTP status."`
	Code   string  `json:"code" doc:"One word, stable, for programs: see docs/errors.md."`
	Detail string  `json:"detail" doc:"What happened, to whom."`
	Next   string  `json:"next" doc:"What to do about it; empty when the detail says it."`
	Exit   int     `json:"exit" doc:"The exit status of a command that ends so."`
	Errors []Fault `json:"errors,omitempty" doc:"What is wrong with the request, place by place."`
}

// Fault is one thing that is wrong with a request. The value is left out: it may be a secret.
type Fault struct {
	Location string `json:"location" doc:"For example body.role or query.limit."`
	Message  string `json:"message"`
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus tells the HTTP library the status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType tells the HTTP library that a problem is sent.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// Page ends a list that comes in pages.
type Page struct {
	Next string `json:"next" doc:"cursor of the next page; empty after the last."`
}

// Users is a page of users.
type Users struct {
	Users []Resource `json:"users" doc:"SCIM resources without groups and manager."`
	Page
}

// NewUser asks for a user.
type NewUser struct {
	UserName   string         `json:"userName" minLength:"1"`
	Attributes map[string]any `json:"attributes,omitempty" doc:"SCIM paths and their values: {\"title\": \"Analyst\", \"name.givenName\": \"Ada\", \"manager\": \"grace@example.org\"}."`
}

// Edit asks for changes of a user or a group.
type Edit struct {
	Attributes map[string]any `json:"attributes" doc:"SCIM paths and their new values; an empty text or null clears."`
}

// Groups is a page of groups.
type Groups struct {
	Groups []Resource `json:"groups" doc:"SCIM resources without members, and the source that brought them."`
	Page
}

// SourceKey is where documents of lists tell the source that brought a user or a group.
const SourceKey = "source"

// NewGroup asks for a group.
type NewGroup struct {
	DisplayName string   `json:"displayName" minLength:"1"`
	Members     []string `json:"members,omitempty" doc:"Users (userName, e-mail address, id) and groups (name, id)."`
}

// Members is a page of the direct members of a group.
type Members struct {
	Members []Member `json:"members"`
	Page
}

// Member is a user or a group within a group.
type Member struct {
	Type string `json:"type" enum:"user,group"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// MemberEdit asks for members to come and go, all of them or none.
type MemberEdit struct {
	Add    []string `json:"add,omitempty" doc:"Users (userName, e-mail address, id) and groups (name, id)."`
	Remove []string `json:"remove,omitempty"`
}

// ChangedHeader tells whether an edit changed anything: true or false.
const ChangedHeader = "Muster-Changed"

// ImportProgress is how far an import has come.
type ImportProgress struct {
	Records int `json:"records"`
}

// Applications is the list of applications.
type Applications struct {
	Applications []admin.Listed `json:"applications"`
}

// Tokens is the list of tokens.
type Tokens struct {
	Tokens []store.Token `json:"tokens"`
}

// Administrators is the list of administrators.
type Administrators struct {
	Administrators []store.Administrator `json:"administrators"`
}

// Role asks for another role.
type Role struct {
	Role string `json:"role" doc:"reader, operator, admin or owner."`
}

// SingleSignOn sets single sign-on up.
type SingleSignOn struct {
	Name        string            `json:"name,omitempty" doc:"What stands on the button; without it the issuer's host."`
	Issuer      string            `json:"issuer" doc:"URL of the identity provider."`
	ClientID    string            `json:"client_id"`
	Secret      *string           `json:"client_secret,omitempty" doc:"Absent keeps the sealed one, which another issuer does not get; empty is for a public client."`
	Scopes      []string          `json:"scopes,omitempty" doc:"openid, profile, email, when it is left out."`
	GroupsClaim string            `json:"groups_claim,omitempty" doc:"groups, when it is left out."`
	NameClaim   string            `json:"name_claim,omitempty" doc:"preferred_username, when it is left out."`
	Roles       map[string]string `json:"roles" doc:"Role by group, as the claim writes it: only who is in one of them gets in."`
}

// LocalSignIn says whether passwords, passkeys and links let people in.
type LocalSignIn struct {
	Allowed bool `json:"allowed"`
}

// SignInProbe asks for a test of an identity provider.
type SignInProbe struct {
	SingleSignOn *SingleSignOn `json:"single_sign_on,omitempty" doc:"Settings that are not saved; without them those that are."`
}

// Reset asks for a link that sets another password.
type Reset struct {
	SecondFactors bool `json:"second_factors,omitempty" doc:"Remove the authenticator app, recovery codes and passkeys too."`
}

// Sessions is the list of an administrator's sessions.
type Sessions struct {
	Sessions []store.Session `json:"sessions"`
}

// Ended says how many sessions were ended.
type Ended struct {
	Ended int64 `json:"ended"`
}

// Mail asks for the way in which messages are mailed.
type Mail struct {
	Host       string   `json:"host" minLength:"1"`
	Port       int      `json:"port" minimum:"1" maximum:"65535"`
	TLS        string   `json:"tls" enum:"starttls,tls,none"`
	Username   string   `json:"username,omitempty" doc:"Who signs in at the mail server; nobody, when it is left out."`
	Password   string   `json:"password,omitempty" doc:"The sealed one stays when it is left out, for the same host and port."`
	From       string   `json:"from" doc:"Address of the sender."`
	To         []string `json:"to" doc:"Who hears of everything, beside the addresses of applications."`
	CAFile     string   `json:"ca_file,omitempty" doc:"PEM file, on the server, of certificate authorities to trust beside the system's."`
	AllowPlain bool     `json:"allow_plain,omitempty" doc:"Without encryption also beyond loopback."`
}

// Settings are those settings without the password.
func (m Mail) Settings() store.Mail {
	return store.Mail{Host: m.Host, Port: m.Port, TLS: m.TLS, Username: m.Username, From: m.From, To: m.To, CAFile: m.CAFile, AllowPlain: m.AllowPlain}
}

// NewWebhook asks for a webhook.
type NewWebhook struct {
	URL            string `json:"url" minLength:"1"`
	Name           string `json:"name,omitempty" maxLength:"200" doc:"The host, when it is left out."`
	AllowHTTP      bool   `json:"allow_http,omitempty" doc:"Without encryption also beyond loopback."`
	AllowLinkLocal bool   `json:"allow_link_local,omitempty" doc:"Also link-local addresses, where clouds keep credentials."`
}

// TestMessage asks for a test message.
type TestMessage struct {
	To string `json:"to,omitempty" doc:"An address, mail, or the name of a webhook; everybody, when it is left out."`
}

// Assignment gives a user or a group to an application.
type Assignment struct {
	User  string `json:"user,omitempty" doc:"userName, e-mail address or id; or give group."`
	Group string `json:"group,omitempty" doc:"Display name or id; or give user."`
	Role  string `json:"role,omitempty" doc:"User (default), Group, or Default Access, which gives no account."`
}

// Assigned is what assigning and unassigning did.
type Assigned struct {
	Application string `json:"application"`
	User        string `json:"user,omitempty"`
	Group       string `json:"group,omitempty"`
	Role        string `json:"role,omitempty"`
	Changed     bool   `json:"changed"`
}

// Configuration is the declarative form with what it refers to. The server looks up neither its own
// variables nor its own files.
type Configuration struct {
	Files       []ConfigurationFile `json:"files" minItems:"1"`
	Variables   map[string]string   `json:"variables,omitempty" doc:"What ${NAME} stands for."`
	Secrets     map[string]string   `json:"secrets,omitempty" doc:"What file:PATH holds, by the path relative to the file that names it."`
	IgnoreTests bool                `json:"ignore_tests,omitempty" doc:"Apply mappings although tests that are kept with them fail."`
}

// ConfigurationFile is one YAML file.
type ConfigurationFile struct {
	Name string `json:"name" doc:"For messages."`
	Text string `json:"text" doc:"YAML; JSON is YAML."`
}

// PlanRequest asks for a plan.
type PlanRequest struct {
	Reconcile bool `json:"reconcile,omitempty" doc:"Also read the target completely and find what changed there."`
}

// UndoRequest asks for a plan that takes back what a cycle did.
type UndoRequest struct {
	Cycle string `json:"cycle" minLength:"1" doc:"Id of the cycle to take back."`
	User  string `json:"user,omitempty" doc:"Only what it did to this user: userName, e-mail address or id."`
}

// CycleRequest asks for a cycle.
type CycleRequest struct {
	Reconcile   bool   `json:"reconcile,omitempty" doc:"Also read the target completely and mend what changed there."`
	ApproveHeld bool   `json:"approve_held,omitempty" doc:"Approve what is held, and what would be."`
	Plan        string `json:"plan,omitempty" doc:"Run exactly this plan, or say what changed since."`
}

// Progress is how far a cycle or a plan has come.
type Progress struct {
	Stage   string `json:"stage" doc:"reading, planning, applying, verifying."`
	Done    int    `json:"done"`
	Planned int    `json:"planned"`
	Failed  int    `json:"failed"`
}

// Standing is how an application stands, with how far its cycle is while one runs.
type Standing struct {
	admin.ApplicationStatus
	Progress *Progress `json:"progress" doc:"null while no cycle runs."`
}

// ProvisionRequest asks for one user or one group to be provisioned now.
type ProvisionRequest struct {
	User   string `json:"user,omitempty" doc:"userName, e-mail address or id; or give group."`
	Group  string `json:"group,omitempty" doc:"Display name or id; or give user."`
	DryRun bool   `json:"dry_run,omitempty" doc:"Decide everything and send nothing."`
}

// Operation is an operation of a plan with what commands print beside.
type Operation struct {
	admin.Operation
	Hold    string             `json:"hold,omitempty" doc:"Why it is held; the reason has it too."`
	Problem *provision.Problem `json:"problem,omitempty" doc:"Why it cannot be done: nothing is sent for it."`
}

// Operations is a page of the operations of a plan.
type Operations struct {
	Operations []Operation `json:"operations"`
	Page
}

// Held is a list of held operations.
type Held struct {
	Operations []Operation `json:"operations"`
}

// HeldPage is a page of what waits for approval.
type HeldPage struct {
	Operations []Operation `json:"operations"`
	Page
}

// OperationsOf puts operations of a desk into the form that is sent.
func OperationsOf(list []admin.Operation) []Operation {
	out := make([]Operation, len(list))
	for i, o := range list {
		out[i] = Operation{Operation: o, Hold: o.Hold, Problem: o.Problem}
	}
	return out
}

// Selection picks held operations: all of them, or those of users, groups and ids.
type Selection struct {
	All    bool     `json:"all,omitempty"`
	Users  []string `json:"users,omitempty"`
	Groups []string `json:"groups,omitempty"`
	IDs    []string `json:"ids,omitempty"`
}

// Explanation is why a person has, or has not, an account.
type Explanation struct {
	admin.Explanation
	Pending  []Operation `json:"pending"`
	Deciding int         `json:"deciding" doc:"Index of the rule that decides, -1 when all of them together do."`
}

// Drift is a page of what the last complete reconcile of an application found.
type Drift struct {
	admin.Drift
	Findings []admin.DriftFinding `json:"drift"`
	Page
}

// PauseRequest says for how long an application is paused.
type PauseRequest struct {
	Seconds int64 `json:"seconds,omitempty" minimum:"0" doc:"0 or absent: until somebody resumes"`
}

// RestartRequest says what is to be forgotten.
type RestartRequest struct {
	Scope string `json:"scope" enum:"escrow,watermark,links,all"`
}

// Logs is a page of the provisioning log.
type Logs struct {
	Records []admin.Record `json:"records"`
	Page
}

// Audit is a page of the audit log.
type Audit struct {
	Entries []store.Entry `json:"entries"`
	Page
}

// Retention is how long each log is kept: "4320h", or "0s" for ever.
type Retention struct {
	Operations string `json:"operations" doc:"The provisioning log."`
	Cycles     string `json:"cycles"`
	Audit      string `json:"audit"`
	Changes    string `json:"changes" doc:"How far an application may fall behind before it looks at everybody."`
}

// KeysHeader names the keys that a restore of the backup needs.
const KeysHeader = "Muster-Keys"

// The events of streams.
const (
	ProgressEvent = "progress"
	ResultEvent   = "result" // the last, when all went well
	ErrorEvent    = "error"  // the last, with a [Problem]
	RecordEvent   = "record"
	StatusEvent   = "status"
)
