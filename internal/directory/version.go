package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Version names the state of the user as an entity tag (RFC 9110 §8.8.3): it differs after every
// change of the user's own attributes. Whose groups the user is in is not part of it.
func (u *User) Version() string {
	return version(u.ID, u.Modified.UnixMilli(), u.ManagerID, u.Resource())
}

// Version names the state of the group as an entity tag; its members are not part of it.
func (g *Group) Version() string { return version(g.ID, g.Modified.UnixMilli(), g.Resource()) }

func version(parts ...any) string {
	b, _ := json.Marshal(parts) // what Merge lets in always marshals
	sum := sha256.Sum256(b)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// Matches reports whether a condition that names entity tags, as If-Match does, lets this version
// through: "" and "*" let every version through.
func Matches(condition, version string) bool {
	for tag := range strings.SplitSeq(condition, ",") {
		if tag = strings.TrimSpace(tag); tag == version || tag == "*" || condition == "" {
			return true
		}
	}
	return false
}
