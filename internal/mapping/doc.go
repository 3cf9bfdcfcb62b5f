// Package mapping turns a person of the directory into the attributes an application's account is
// to have, and decides scoping filters: direct mappings, constants and CEL expressions, compiled
// and type-checked once, bounded in cost when they run.
//
// It is pure: no clock, no disk, no network; expressions that need chance or time get them handed
// in through [Facts]. Start at [Compile].
package mapping
