// Package eventlog is the ordered, replayable log of domain events: a Postgres
// table that services append to in their own transactions, so that state and
// events commit together and the log is the outbox.
//
//	service's transaction            log                      reader
//	  state                          1 2 3 _ 5 6              page = Read(from)
//	  Append -------------------->         |                  store page.Next with
//	  commit, Announce ~~~~~~~~~~>         settled: 1 to 3    what was made of it
//
// Reading never skips an event: a place is given out only when everything before it
// is settled, which means that it holds its event or stays empty for ever. It never
// stalls on strangers either: only transactions that append to this log are waited
// for, and Log.Blocker names the one that holds it back. Package eventlog/internal/settle
// proves it.
//
// Positions order the log and are opaque to everybody else. They name the log and
// its incarnation, so that after a restore or a failover the position of a lost event is
// refused and not misread.
//
// An Event is stored in the version in which it was written. Upcasters lift it to
// the version that the reading program works with.
package eventlog
