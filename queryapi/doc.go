// Package queryapi answers GraphQL queries from views. It knows no domain: schema,
// statements and pages follow from the views' definitions.
//
//	document ─▶ guard ─▶ validate ─▶ plan ─▶ fetch ─▶ shape ─▶ answer
//	            (limits)  (library)  (reads)  (one     (library)
//	                                          batch)
//
// A plan names every read of an operation: through fragments, aliases and @skip, each
// read selecting the requested columns only. Fetch runs all reads in one batch and
// one snapshot, together with what the reader must know of them: which generation of
// each view is live, where its projector's checkpoint stands, and how far the log is
// ahead. That is one round trip on a warm connection. Where the live generation is
// another than the plan assumed, the operation is read again, so that a switch shows
// no reader an error or an empty view.
//
// An API is pinned to the definitions that it was compiled with: it reads a view only
// where it is live with the same version and fingerprint, and everything from the one
// projector that has all of its views. So workers of an older and a newer program run
// side by side, and each API reads what it understands (choice.go). A row whose events
// wait at a fault says so, and so does one that is missing for that reason
// (degraded.go).
//
// Shape picks from memory what was fetched; it
// does no I/O.
//
// Freshness is part of every answer. A query that carries the position token of a
// command waits, up to a bound, until the answer's own snapshot contains it, or says
// that it does not.
//
// Integers of 64 bits are of the scalar Long: a JSON number up to ±(2^53-1), which
// every client reads exactly, and a string of digits beyond. Times are RFC 3339 in UTC.
package queryapi
