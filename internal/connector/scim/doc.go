// Package scim speaks SCIM 2.0 (RFC 7643, RFC 7644) to a target. It is the generic connector: what
// is peculiar to one target is data, a [Quirks] value from its template and from the options of its
// connection, and never a branch on its name.
//
// It trusts no answer beyond what it shows: a create without an id is an unknown outcome, a list is
// complete only when it counts up, an account found by a filter is checked against it, and
// members that a target never shows are unknown rather than none. It decides nothing and keeps no
// state. Start at [New].
package scim
