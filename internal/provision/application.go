package provision

import (
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
)

// Application is one target as an administrator configured it, complete: what the declarative form
// left out has been filled from the template. The json names are the keys of that form.
type Application struct {
	ID           string       `json:"-"`
	Name         string       `json:"name"`
	Template     string       `json:"template"` // name in the gallery
	Connection   Connection   `json:"connection"`
	Assignments  []Assignment `json:"assignments,omitempty"`
	Provisioning Provisioning `json:"provisioning"`
	Mappings     Mappings     `json:"mappings"`
}

// Connection is where and how the target is reached. Secrets are not in it: they are sealed beside
// it, see store.
type Connection struct {
	Endpoint  string `json:"endpoint"`
	WebAPI    string `json:"web_api,omitempty"`    // Slack's Web API, for auth.test
	AllowHTTP bool   `json:"allow_http,omitempty"` // plain http beyond loopback
	// AllowLinkLocal connects to addresses of the link too, where clouds keep a machine's credentials.
	AllowLinkLocal bool              `json:"allow_link_local,omitempty"`
	CAFile         string            `json:"ca_file,omitempty"` // PEM file of certificate authorities to trust beside the system's
	Auth           Auth              `json:"auth"`
	Limits         Limits            `json:"limits,omitzero"`
	Options        map[string]string `json:"options,omitempty"` // protocol options of the template, by its names
}

// Auth names the kind of credentials and what is no secret of them. Token and the other secrets appear only
// on their way in; see [Auth.Secrets] for which kind has which.
type Auth struct {
	Type  string `json:"type"`            // bearer, basic, header, oauth2_client_credentials, oauth2_authorization_code, jwt_assertion
	Token string `json:"token,omitempty"` // secret of bearer and header; never stored here

	Username string `json:"username,omitempty"` // of basic
	Password string `json:"password,omitempty"` // secret of basic
	Header   string `json:"header,omitempty"`   // of header: the name of the HTTP header

	AuthorizeURL string            `json:"authorize_url,omitempty"` // where a person allows it
	TokenURL     string            `json:"token_url,omitempty"`     // where tokens come from
	ClientID     string            `json:"client_id,omitempty"`
	ClientSecret string            `json:"client_secret,omitempty"` // secret
	ClientAuth   string            `json:"client_auth,omitempty"`   // basic, post; "" finds out
	Scopes       []string          `json:"scopes,omitempty"`
	Params       map[string]string `json:"params,omitempty"`        // further parameters of the token request, such as audience
	RefreshToken string            `json:"refresh_token,omitempty"` // secret: in the place of the hand-over in a browser

	Assertion string `json:"assertion,omitempty"` // of jwt_assertion: what it is used as, grant or client; "" is grant
	Issuer    string `json:"issuer,omitempty"`    // "" is the client id
	Subject   string `json:"subject,omitempty"`   // "" is the issuer
	Audience  string `json:"audience,omitempty"`  // "" is the token endpoint
	KeyID     string `json:"key_id,omitempty"`
	Key       string `json:"key,omitempty"` // secret: private key in PEM form
}

// Limits override the template's. A zero field keeps the template's.
type Limits struct {
	RequestsPerSecond float64 `json:"requests_per_second,omitempty"`
	Burst             int     `json:"burst,omitempty"`
	Concurrency       int     `json:"concurrency,omitempty"`
	Off               bool    `json:"off,omitempty"`        // no pacing at all; written `limits: off`
	Accounts          int     `json:"accounts,omitempty"`   // most that the target is read of, and no more is believed; 0 is 1,000,000
	TimeScale         float64 `json:"time_scale,omitempty"` // for an emulator: 60 lets a minute last a second; 0 is 1
}

// Role of an assignment that gives access without an account: such an assignment provisions nobody.
const RoleDefaultAccess = "Default Access"

// Assignment gives a user or a group to an application. Exactly one of User and Group is set: in
// the declarative form a name, an e-mail or an id.
type Assignment struct {
	User  string `json:"user,omitempty"`
	Group string `json:"group,omitempty"`
	Role  string `json:"role,omitempty"` // "" is User

	Kind directory.Kind `json:"-"` // resolved
	ID   string         `json:"-"` // resolved: id in the directory
}

// Provisioning is how an application is kept.
type Provisioning struct {
	Status     string     `json:"status"`   // on, off
	Interval   Duration   `json:"interval"` // between incremental cycles
	Reconcile  Duration   `json:"reconcile"`
	Scope      string     `json:"scope"` // assigned, all
	Filters    []string   `json:"filters,omitempty"`
	Users      Objects    `json:"users"`
	Groups     Objects    `json:"groups"`
	OnUnassign string     `json:"on_unassign"` // disable, delete, keep
	OnDisable  string     `json:"on_disable"`
	OnDelete   string     `json:"on_delete"`
	Grace      Duration   `json:"grace"`
	Hold       Hold       `json:"hold"`
	Quarantine Quarantine `json:"quarantine"`
	Drift      Drift      `json:"drift"`
	Notify     Notify     `json:"notify,omitzero"`
}

// Objects says whether users, or groups, are provisioned, and which actions may be taken.
type Objects struct {
	Enabled bool     `json:"enabled"`
	Actions []string `json:"actions"` // create, update, disable (with enable), delete
}

// Hold is the threshold that keeps removals back. See [Guard].
type Hold struct {
	Removals Percent   `json:"removals"` // per cent of the linked enabled accounts; negative is off
	Min      int       `json:"min"`
	Max      int       `json:"max"`
	Window   Duration  `json:"window"`
	Updates  Threshold `json:"updates"` // the same for updates, or how many; off by default
}

// Drift says what is done about differences at the target that Muster did not make: repair, report
// or ignore.
type Drift struct {
	Attributes string `json:"attributes"`
	Members    string `json:"members"`
	Accounts   string `json:"accounts"`
}

// Notify is who hears of failures.
type Notify struct {
	Email    string `json:"email,omitempty"`
	Failures bool   `json:"failures,omitempty"`
}

// Mappings are the attribute mappings of users and of groups.
type Mappings struct {
	Users  []mapping.Mapping `json:"users"`
	Groups []mapping.Mapping `json:"groups,omitempty"`
}

// Duration is a time.Duration that is written as text ("10m", "24h", "0s").
type Duration time.Duration

// Percent is written "10%", or "off" when it is negative.
type Percent float64

// Threshold is a share, written "10%", or a number, written "200"; "off" sets none.
type Threshold struct {
	Share Percent // negative when it is a number, or off
	Count int     // 0 when it is a share, or off
}

// NoThreshold is "off".
var NoThreshold = Threshold{Share: Off}

// Off reports whether there is no threshold.
func (t Threshold) Off() bool { return t.Share < 0 && t.Count == 0 }
