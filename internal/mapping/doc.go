// Package mapping turns a person of the directory into the attributes an application's account is
// to have, and decides scoping filters: direct mappings, constants and CEL expressions, compiled
// and type-checked once, bounded in cost when they run.
//
// It is pure: no clock, no disk, no network; expressions that need chance or time get them handed
// in through [Facts]. It never puts a person's value into an error: only [Filter.Admits] tells
// values, to administrators.
//
// Start at [Compile] and [Program.Apply]. Direct and constant mappings are row.go alone; what
// expressions may read is fields.go, made from the schema of the directory; what they may call is
// library.go with text.go, values.go and dates.go; what bounds them is environment.go, and
// attack_test.go tries those bounds. docs/mapping.md is the reference for people, and a test runs it.
package mapping
