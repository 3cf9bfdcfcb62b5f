// Package admin is what an administrator does, said once for everybody who lets them do it: the
// command line today, the API and the console later. A [Desk] takes names as people write them,
// answers in the shapes that people script against, and records who did what in the audit log.
//
// It decides nothing about accounts (that is package provision), sends nothing itself (package
// cycle), and prints nothing. Whatever goes wrong becomes a [Problem] with a code, a sentence, a
// next step and the exit status of a command, by the one table in problem.go.
//
// Start at [New].
package admin
