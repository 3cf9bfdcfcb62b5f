// Package cycle does what package provision decides: one pass over an application gathers what
// changed, has it decided, stores the plan, carries it out and records what came of it. It is the
// only door out: nothing else writes to a target.
//
// A pass is the same code whether it is the first or the thousandth, for everybody or for one
// person, run or only shown:
//
//	gather -> decide -> plan rows -> guard -> take -> send -> verify -> record -> watermark
//
// Start at [Engine.Run].
package cycle
