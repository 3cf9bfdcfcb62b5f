// Package account is the pages that an administrator meets before the console, and those about
// themselves: signing in, one-time links, and the profile with password, authenticator app, passkeys
// and sessions.
//
// It keeps cookies and shows what package signin answers; who gets in is decided there. Pages work
// without script, but for passkeys, which browsers make for scripts alone. Every page is a row of the
// table in routes.go.
//
// The pages are templ components (*.templ); `go generate ./...` writes the *_templ.go beside them.
// Start at [New].
package account
