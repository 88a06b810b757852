// Package parking decides what waits behind a fault. It has no I/O: values in, values out.
//
// An event that cannot be folded into a row is parked, and the later events of that row
// queue behind it, in order; all others are folded. Where the row cannot be read from the
// event, the event's stream waits in that view, with the rows that its later events name.
// Nothing is dropped: the row stays as it was right before, and an operator retries or
// discards what waits.
//
// A Waiting is everything that waits in a projector. Each batch makes an Attempt of it: the
// touches that can be folded, and the events that are held. When the batch is committed, so
// is the attempt.
//
//	waiting ──Attempt──▶ touches to fold
//	   ▲                 events held ──▶ written down with the batch
//	   └────Commit───────────┘
//
// Example: row k of view v has a parked event at place 7. A batch brings place 9, which
// touches k and j. Its attempt folds 9 into j and holds 9 of k as queued.
package parking
