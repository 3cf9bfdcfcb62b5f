// Package web is Muster over HTTP: the API below /api/v1 with its OpenAPI document at /openapi.json,
// and the place where pages are mounted. It decides nothing and keeps nothing: every route hands a
// wish to the desk of package admin and returns the answer in admin's own shapes.
//
// Who asks is found out in one place (auth.go), what they may do stands in one table (roles.go), and
// what goes wrong becomes application/problem+json in one place (problem.go). A route that has no
// row in the table cannot be registered.
//
// Start at [New].
package web

//go:generate ../../.cache/bin/templ generate -include-version=false
