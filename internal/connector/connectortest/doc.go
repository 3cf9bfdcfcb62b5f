// Package connectortest judges connectors: a contract suite that every connector passes, and a SCIM
// target of its own that can misbehave in all the ways that targets do.
//
// The target is written apart from package scim and shares no parsing with it, so that a mistake in
// reading the RFCs is not made twice in agreement. It speaks real HTTP, keeps everything in memory
// and logs what it is asked. Nothing here is used outside tests. Start at [Serve] and [Run].
package connectortest
