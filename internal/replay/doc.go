// Package replay folds views privately, from the log's first event up to a settled
// place, and hands out the finished rows slice by slice: for a projector's first
// build, for rebuilds and for verification. It writes no table and reads none that a
// checkpoint moves.
//
// It is a hybrid hash aggregation: the log is read once, whatever the memory.
//
//	reading   stretches of the log, taken in turns
//	          page ──decode──▶ touches ──hash(key)──▶ a slice in memory: folded at once
//	                                        └───────▶ a slice on disk: written down
//	rows      for each view, sources first, for each slice: fold what was written
//	          down, join, encode ──▶ a bounded queue ──▶ the sink
//
// All slices begin in memory. When their estimated size passes the budget, the
// largest go to disk: their rows as they are, and from then on the events that touch
// them, in the log's order. So a fold that fits writes nothing, one that does not
// writes only what does not fit, and every event is decoded once in memory and once
// more for each slice on disk that it touches. A slice's number is a hash of the key
// modulo their count, the same in every process, so that a build that was cut off
// goes on with the slices that it lacks.
//
// The rooms below hold its parts: reading and record bring events in, parts, rowtable and spill
// hold rows, waiting holds what is not folded, finished and queue hand slices out.
//
// Joins read the finished rows of sources from memory while those fit, and beyond
// that from the caller's Sources: the tables just built, or a private one.
//
// After D. DeWitt et al., "Implementation Techniques for Main Memory Database
// Systems", SIGMOD 1984 (hybrid hash), L. Shapiro, "Join Processing in Database
// Systems with Large Main Memories", TODS 1986, and for aggregation G. Graefe, "Query
// Evaluation Techniques for Large Databases", ACM Computing Surveys 1993, section 4.
package replay
