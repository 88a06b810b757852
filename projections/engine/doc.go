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
// checkpoint row is locked before anything is read, and moved only from the place
// that the batch was read from; so of two workers one folds a batch and the other,
// finding the checkpoint moved, starts again from there. After a connection lost at
// COMMIT the worker reads the checkpoint back; it never guesses.
//
// # A batch
//
//	begin; lock the checkpoint; read the live generations; load the rows    one round trip
//	fold in memory
//	per view, sources first: join, compare, write what changed, fan out
//	move the checkpoint                                                     one round trip
//	commit, once every write has found its rows                             one round trip
//
// Infrastructure's errors are tried again with backoff. A handler's fault
// (*projections.FoldError) halts the projector right before the event, with what,
// where and how to mend it in readside.projectors.
package engine
