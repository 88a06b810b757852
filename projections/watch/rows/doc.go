// Package rows compares a projector's views with the log all the time, a slice of keys at
// a time, at a bounded rate and in bounded memory.
//
//	read     the log from its start, at the rate; fold the own columns of the slice's rows,
//	         and take a smaller slice where they do not fit
//	         up to the checkpoint, which goes on meanwhile: read on, until it is near
//	compare  one short snapshot: read the checkpoint in it, fold up to it, read the slice's
//	         rows, compute their joined columns from the sources' rows as they are stored
//	         in that snapshot, and compare
//	record   what was found, then the next view's slice
//
// A slice is a range of the keys' hashes. When the last one was compared, the next turn
// begins. One pass over the log is one slice: a turn takes as many passes as the view's
// rows are times larger than the memory.
//
// Sources are not folded beside the rows that join them. They are views of the same
// projector and are compared themselves, so that all rows are right if each has the own
// columns that its events give, and the joined columns that its sources' rows give.
//
// What is parked is left out as package engine's Verify leaves it out, with one thing more:
// an event that was parked when the fold passed it and has been retried since is missing in
// the fold and not in the row. Such rows are left to the next turn.
package rows
