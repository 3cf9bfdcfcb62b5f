// Package signin decides who gets in: passwords, authenticator apps, recovery codes, passkeys, single
// sign-on by OpenID Connect, one-time links, and the sessions that follow. It slows down whoever
// guesses, tells nobody which names exist, and records every entrance in the audit log.
//
// It knows nothing of pages and cookies, which are package account's, and nothing of what a role may
// do. What it refuses is a [Refusal], in words for whoever stands outside.
//
// Start at [New] and [Gate.Password].
package signin
