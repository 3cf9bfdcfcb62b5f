package directory

import (
	"strings"
	"time"

	"github.com/muster-id/muster/internal/attr"
)

// Kind tells users from groups, in the directory and at a target alike.
type Kind string

// The kinds of objects.
const (
	KindUser  Kind = "user"
	KindGroup Kind = "group"
)

// Enterprise is the schema of the enterprise extension (RFC 7643 §4.3).
const Enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// Custom is the schema under which attributes stand that are in no standard schema.
const Custom = "urn:ietf:params:scim:schemas:extension:muster:2.0:User"

// User is one person of the directory.
type User struct {
	ID         string // Muster's own id, a UUIDv7; never reused
	Source     string // the source that brought the person last, "" for the console, the CLI and the API
	ExternalID string // the source's own key, "" when it has none
	UserName   string // unique among users that are not deleted, case-blind
	Active     bool
	ManagerID  string // id of the manager in the directory, "" for none

	// Attributes holds every other attribute as a SCIM resource (RFC 7643 §4.1, §4.3) in canonical
	// spelling: "name", "emails", …, the object of the enterprise extension under its URN without
	// manager, and custom attributes in an object under [Custom]. It never holds id, meta, schemas,
	// userName, externalId, active or groups.
	Attributes map[string]any

	Created, Modified time.Time
	Deleted           time.Time // of a soft delete; zero while the person is there
}

// Group is one group of the directory. Its members are kept beside it, see store.Directory.
type Group struct {
	ID          string
	Source      string
	ExternalID  string
	DisplayName string
	Attributes  map[string]any // custom attributes

	Created, Modified time.Time
	Deleted           time.Time
}

// Member is one direct member of a group: a user, or a group nested in it.
type Member struct {
	Kind Kind
	ID   string
	Name string // userName or displayName
}

// Resource returns the user as one document for paths, mappings and filters: the attributes with
// userName, externalId, active and id among them. The document is the caller's own at the top
// level; nested values are shared and must not be changed.
func (u *User) Resource() map[string]any {
	doc := make(map[string]any, len(u.Attributes)+4)
	for k, v := range u.Attributes {
		doc[k] = v
	}
	doc["id"], doc["userName"], doc["active"] = u.ID, u.UserName, u.Active
	if u.ExternalID != "" {
		doc["externalId"] = u.ExternalID
	}
	return doc
}

// Resource returns the group as one document, without members.
func (g *Group) Resource() map[string]any {
	doc := make(map[string]any, len(g.Attributes)+3)
	for k, v := range g.Attributes {
		doc[k] = v
	}
	doc["id"], doc["displayName"] = g.ID, g.DisplayName
	if g.ExternalID != "" {
		doc["externalId"] = g.ExternalID
	}
	return doc
}

// Email returns the primary e-mail address: the one marked primary, else the one of type work, else
// the first; "" when there is none.
func (u *User) Email() string {
	list, _ := u.Attributes["emails"].([]any)
	best, rank := "", 0
	for _, e := range list {
		entry, ok := e.(map[string]any)
		if !ok {
			continue
		}
		value, _ := attr.Member(entry, "value").(string)
		r := 1
		if kind, _ := attr.Member(entry, "type").(string); strings.EqualFold(kind, "work") {
			r = 2
		}
		if primary, _ := attr.Member(entry, "primary").(bool); primary {
			r = 3
		}
		if value != "" && r > rank {
			best, rank = value, r
		}
	}
	return best
}

// Key folds a userName, an e-mail address or a display name for comparison: two that have the same
// key are the same name (RFC 7643 §4.1.1: userName is case-blind).
func Key(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
