// Package console is Muster in a browser: pages for whoever keeps accounts in order without a shell.
//
// It shows what package admin answers and hands wishes to it; it decides nothing, keeps no state of
// its own but what runs in the background right now, and reaches nothing outside. Pages work without
// script; htmx makes lists answer while one types and progress move. Every page and every wish is a
// row of the table in routes.go, with the role that it needs.
//
// The pages are templ components (*.templ); `go generate ./internal/web` writes the *_templ.go beside them.
// Start at [New].
package console
