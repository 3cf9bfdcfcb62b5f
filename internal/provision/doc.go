// Package provision makes the decisions: who is to have an account, which account is theirs, what
// must be done to it, what is held back, what is tried again and when.
//
// Everything here is a function of its arguments: no context, no clock, no log, no network, no
// disk. Package cycle gathers what the functions need and carries out what they say. Start at
// [Application] and [Decide].
package provision
