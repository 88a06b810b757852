// Package bench measures the engine beside its rivals, on the same log, tables,
// indexes and durability, in interleaved rounds: what counts is the ratio within one
// run, since the same code varies up to twofold between runs on shared machines.
//
// The rivals stand in baseline, each in its own best form.
package bench
