// Package api holds the documents of the HTTP API that package admin does not have: what requests
// say, and what lists are wrapped in. Package web answers with them and package client sends them;
// the rest of what goes over the wire are the answers of [admin.Desk] as they are.
package api

import (
	"time"

	"github.com/muster-id/muster/internal/admin"
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

// Applications is the list of applications.
type Applications struct {
	Applications []admin.Listed `json:"applications"`
}

// NewToken asks for a token.
type NewToken struct {
	Role    string     `json:"role" enum:"owner,admin,operator,reader"`
	Name    string     `json:"name,omitempty" maxLength:"200" doc:"From the role and the time, when it is left out."`
	Expires *time.Time `json:"expires,omitempty" doc:"Never, when it is left out."`
}

// Tokens is the list of tokens.
type Tokens struct {
	Tokens []store.Token `json:"tokens"`
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
