// Package client is [admin.Desk] at a distance: the same methods, over the API of a server. Commands
// with --server use it, and answer, fail and exit as they do on a data directory.
//
// The token goes to the server that was named and nowhere else: redirects are not followed, and
// without TLS it is sent on loopback only, unless somebody allows more.
//
// Start at [New].
package client
