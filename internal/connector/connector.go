package connector

import (
	"context"
	"iter"
	"time"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// Connector speaks to one target for one application. It is safe for concurrent use; the engine
// sends at most one write at a time for one account or group.
type Connector interface {
	// Test reads people with the connection's credentials and says, in the codes of [Diagnosis],
	// whether provisioning can work. It writes nothing.
	Test(ctx context.Context) Diagnosis

	// Read yields the accounts that a query asks for. A single error ends the sequence; an account
	// that is not there is an empty sequence and no error. For a query of everything the sequence ends
	// without error only when the walk was complete; [ErrIncomplete] says that it may have missed some.
	Read(ctx context.Context, q Query) iter.Seq2[Account, error]

	// Write carries out one change. The outcome is meaningful also beside an error: what was done
	// before the failure is in it. The error, when there is one, is always an *[Error]. A removal of somebody
	// whom the target does not know is [NotFound], not a success: one 404 may be a lie.
	Write(ctx context.Context, c Change) (Outcome, error)
}

// Query asks for the account with an id, for those with an attribute's value, or for all. With both it asks for the
// account with the id, if it has the value.
type Query struct {
	Kind    directory.Kind
	ID      string  // one account, when set
	Path    string  // the accounts whose attribute at this target path…
	Value   string  // …has this value, as the target compares it
	Members bool    // also read the members of groups, where the target shows them
	Urgency Urgency // place in the queue of the limiter
	// Pages is how many pages of a list may be asked for where Path finds nobody by a filter, 0 for all of them. A list
	// that has more ends with [ErrIncomplete].
	Pages int
}

// Account is a user or a group as the target shows it.
type Account struct {
	Kind   directory.Kind
	ID     string // the target's own id, never empty
	Name   string // userName or displayName
	Active bool   // always true for groups
	// Created is when the target says that it was made, zero where it does not say.
	Created time.Time

	// Values are the application's mapped target attributes, by canonical path, in Muster's words. A
	// path that the target never shows (write-only, or lost on the way) is missing; a path that it
	// shows without a value is there with nil.
	Values attr.Set

	// Also are further values under which a query by a path finds this account, such as a second e-mail
	// address; nil for most accounts.
	Also map[string][]string

	Members      []string // account ids, for groups read with Members
	MembersKnown bool     // whether Members is the whole membership

	// Protected says why the target lets nobody change this account (an owner, a bot, the token's own
	// user), with what a person can do; "" for ordinary accounts. The engine parks what concerns it.
	Protected string
}

// Action, Urgency and Failure are decided about in package provision; connectors speak of them too.
type (
	Action  = provision.Action
	Urgency = provision.Urgency
	Failure = provision.Failure
)

// The actions, see package provision; Skip never reaches a connector.
const (
	Create  = provision.Create
	Update  = provision.Update
	Disable = provision.Disable
	Enable  = provision.Enable
	Delete  = provision.Delete
)

// The urgencies, most urgent first.
const (
	Removal       = provision.Removal
	OnDemand      = provision.OnDemand
	Handful       = provision.Handful
	CreateUpdate  = provision.CreateUpdate
	Groups        = provision.Groups
	ReconcileRead = provision.ReconcileRead
)

// Shaper is a connector whose target has rules for values that a plan should already show (Slack's
// 21-character userName). Shape returns want as it would go out; it is a pure function of its
// arguments: the same object always gets the same values. Matching uses the shaped values.
type Shaper interface {
	Shape(kind directory.Kind, objectID string, want attr.Set) attr.Set
}

// Counter is a connector that counts its HTTP requests, reads and repeats included, since it was made.
type Counter interface {
	Requests() int64
}

// Change is one change to one account, with all that is needed to make it.
type Change struct {
	Kind    directory.Kind
	Action  Action
	ID      string      // the account; "" for create
	Name    string      // what the account was last called at the target; "" for create
	Want    attr.Set    // all mapped attributes as they are to be, references resolved to account ids
	Edits   []attr.Edit // what differs, for update and enable; an Edit with New nil clears the attribute
	Add     []string    // account ids to add as members, for groups
	Remove  []string    // account ids to remove
	Urgency Urgency
}

// Outcome is what came of a change.
type Outcome struct {
	// Account is the account as the answer shows it, nil when the answer has no body. After a create
	// its ID is always set.
	Account *Account
	// Gone says of a deletion that the answer shows it, as 204 does (RFC 7644 §3.6). After any other one the account
	// is looked for.
	Gone bool
	// Added and Removed are the members whose addition or removal the target took, for groups; they
	// are the whole of what was asked for when there is no error.
	Added, Removed []string
	// Refused are the members that the target refused one by one, each with the reason; they are no
	// error of the change.
	Refused []Refusal
	// Sent are the attributes as they went out, where the connector had to shape them to the
	// target's rules (Slack's 21-character userName); nil when they are Change.Want.
	Sent attr.Set
	// Requests counts the HTTP requests, repeats included.
	Requests int
	// Exchange is the last request and answer, redacted.
	Exchange *Exchange
}

// Refusal is a member that a target did not take.
type Refusal struct {
	ID  string
	Err *Error
}

// Exchange is one HTTP request and its answer as the log shows it: without credentials, bodies cut
// at a few kilobytes. Sensitive values are hidden by the engine before it is stored.
type Exchange struct {
	Method   string            `json:"method"`
	URL      string            `json:"url"`
	Request  string            `json:"request,omitempty"`
	Status   int               `json:"status,omitempty"`
	Header   map[string]string `json:"header,omitempty"`
	Response string            `json:"response,omitempty"`
	At       time.Time         `json:"at"`
	TookMS   int64             `json:"took_ms"`
}

// Diagnosis is the result of Test Connection.
type Diagnosis struct {
	OK      bool   `json:"ok"`
	Code    string `json:"code"` // ok, token_wrong, scope_missing, role_missing, plan_without_scim, endpoint_wrong, unreachable, tls, not_scim, rate_limited
	Message string `json:"message"`
	Next    string `json:"next"`

	Exchange *Exchange `json:"-"` // the request and the answer that it rests on, redacted; nil when none was sent
}

// Refused reports whether the target turned the credentials away, rather than not answering about them.
func (d Diagnosis) Refused() bool {
	switch d.Code {
	case DiagnosisToken, DiagnosisScope, DiagnosisRole, DiagnosisPlan:
		return true
	}
	return false
}
