// Package engine is the projector: it reads the log, folds events into the rows of a
// set of views, and writes them in the transaction that moves its checkpoint. What an
// operator does about it stands in operate/verify, operate/rebuild and operate/parked.
//
//	             caught up for the first time        behind
//	building ─────────────────────────────────▶ live ──────▶ catching_up
//	     │                                       │  ◀──────  │
//	     │                                       │ caught up │
//	     └──────────────▶ halted ◀───────────────┴───────────┘
//	                         │   a fault that cannot be parked
//	                         └── started again: building or catching_up
//
// # Who works
//
// A projector is a name and its definitions, main@3f2a91bc: other definitions are
// another projector beside it, with a checkpoint and tables of its own. Of several
// workers of one projector one holds its lease; the others wait. The worker that takes
// over ends the server process of the former lease holder and raises the projector's epoch. Every
// other writer of rows raises it, too: a retry of what is parked, a repair of a row, the
// handover of a generation. The lease holder then loads its rows again.
//
// # What a crash can do
//
// Nothing. A batch is one transaction: rows and checkpoint, or neither. The
// checkpoint row is locked before anything is written, and moved only from the place
// that the batch was read from and in the epoch that it was folded in. After a
// connection lost at COMMIT the worker reads the checkpoint back; it never guesses.
//
// # A batch
//
//	read and decode the events                                  one batch ahead
//	take out what waits; load what the cache does not know;     one batch ahead, where
//	fold; per view, sources first: join, compare                the set allows
//	begin; lock the checkpoint, if nobody moved it or took over
//	write what changed, fan out; move the checkpoint; commit    one round trip, three with a COPY
//
// The lease holder keeps rows in memory from batch to batch, and loses them with the
// lease. Where no view joins by a function and no joined view has joins, a batch is folded
// while the one before it is written.
//
// # First rows
//
// A first build folds the log up to a settled place slice by slice, in bounded memory,
// and copies whole slices into tables without indexes. What came meanwhile
// follows in batches. Readers see the views when all of them have caught up. A rebuild
// is a projector of its own that does the same for one view and those that it joins; it
// is compared with the live generation, and handed over.
//
// # Faults
//
// An event that cannot be folded into a row is parked, and what follows on that row
// waits behind it. Over a bound, the projector halts right before the event
// that is too much, with what, where and how to repair it in readside.projectors.
// Infrastructure's errors are tried again with backoff.
package engine
