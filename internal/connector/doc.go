// Package connector says how a target is spoken to: the contract that every kind of target
// fulfils, the kinds of failure that steer the engine, the pacing of requests and the HTTP client
// that all connectors send through.
//
// A connector converts between Muster's words and the target's and decides nothing: what is to be
// done is decided by package provision, when by package cycle. Quirks of a target live in its
// connector and in its template, nowhere else. Start at [Connector].
package connector
