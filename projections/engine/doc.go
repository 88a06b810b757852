// Package engine is the projector: it reads the log, folds events into the rows of a
// set of views, and writes them in the transaction that moves its checkpoint. It
// also rebuilds and verifies.
//
//	            fold faults                        started again
//	     ┌──────────────────────▶ halted ─────────────────────────┐
//	     │                                                        ▼
//	catching_up ◀──────────────────────────────────────────── catching_up
//	     │  ▲
//	     ▼  │ behind
//	    live
//
// # What a crash can do
//
// Nothing. A batch is one transaction: rows and checkpoint, or neither. The
// checkpoint row is locked before anything is written, and moved only from the place
// that the batch was read from; so of two workers one folds a batch and the other,
// finding the checkpoint moved, starts again from there. After a connection lost at
// COMMIT the worker reads the checkpoint back; it never guesses.
//
// # A batch
//
//	read and decode the events                                  one batch ahead
//	load the rows that the cache does not know; fold            one batch ahead, where the set allows
//	per view, sources first: join, compare                      the same
//	begin; lock the checkpoint, if nobody moved it or took over
//	write what changed, fan out; move the checkpoint; commit    one round trip, three with a COPY
//
// The owner keeps rows in memory from batch to batch, and loses them with the
// ownership: see cache. Where no view joins by a function and no joined view has
// joins, a batch is folded while the one before it is written: see ahead.
//
// Infrastructure's errors are tried again with backoff. A handler's fault
// (*projections.FoldError) halts the projector right before the event, with what,
// where and how to mend it in readside.projectors.
package engine
