// Package attr holds attributes as values: paths into a SCIM resource, documents, flat sets of
// mapped attributes, their equality and their difference.
//
// It is the leaf of the import graph: it knows neither people nor targets. Start at [Path], which
// names one attribute, and [Set], which is what a mapping produces, what was sent and what a
// target answered; [Diff] turns two sets into the edits between them.
//
// Values are what encoding/json yields, and nothing else:
//
//	nil             absent; equal to "", to an empty list and to an empty object
//	string, bool    as they are
//	float64         every number
//	[]any           a multi-valued attribute, compared as a set: order and repeats mean nothing
//	map[string]any  a complex value
package attr
