// Package config is the declarative form of applications: YAML that a person keeps in git, read
// strictly, completed from the gallery's templates, checked as a whole, compared with what the store
// holds and applied in one transaction.
//
//	files ─▶ Parse ─▶ Document ─▶ Diff / Apply ─▶ Changes
//	                                   store ─▶ Export ─▶ files that apply as a no-op
//
// A file that has any problem changes nothing, and all its problems are told at once, each with file,
// line and column. Secrets go in and never come out: neither an error nor a change nor an export
// holds one. The package talks to no target and prints nothing.
//
// Start at [Parse], [Apply] and [Export].
package config
