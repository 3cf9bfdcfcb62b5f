// Package slack speaks Slack's SCIM API, version 2 and version 1, with every rule of Slack's that is no
// rule of SCIM: userNames of 21 characters, two e-mail addresses, two telephone numbers that come back
// crossed, a manager under managerId, people who are never deleted, codes of errors in two shapes.
//
// It never sends PUT (which blanks, and deactivates, what it does not name), never sends or matches an
// externalId (Slack keeps none), never removes members without naming them, never switches off the
// person whom the token belongs to, and never sends the token to a host that was not configured.
//
// A mapped attribute passes through one pair of tables: a target path is bound to a slot (what Slack
// keeps of a person, see slot.go), and a slot is written in the words of a version (v2.go, v1.go). What
// Slack's codes mean and what a person can do about them is one table in codes.go. Start at [New].
//
// Sources: https://docs.slack.dev/reference/scim-api (the reference, both versions),
// https://docs.slack.dev/admins/scim-api (the guide) and
// https://docs.slack.dev/reference/scim-api/rate-limits; what was only seen in the field is marked so.
package slack
