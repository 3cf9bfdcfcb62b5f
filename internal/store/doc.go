// Package store keeps Muster's state: the directory, its change feed, applications with their sealed
// secrets, links, the plan that is queue and log at once, and the audit log. It holds the only SQL
// of the program, one text for SQLite and PostgreSQL; what differs stands in dialect.go.
//
// It remembers and decides nothing: who is to have an account is package provision's affair. It
// never keeps a secret in clear text and never logs a value of a person.
//
// Start at [Open], [Store.Write] and [Store.Read]. Every change of the directory takes its place in
// the feed when its transaction ends, see feed.go.
package store
