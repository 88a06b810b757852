// Package cold puts facts into ClickHouse so that every one counts exactly once,
// whichever process fails at any moment: the worker, ClickHouse, the network in between.
//
// One projector writes all facts of a set in a single pass over the log. A batch is a
// range of the log. Its rows are cut into blocks, one per table and partition, since
// an INSERT is atomic only as one block into one partition. ClickHouse has no
// transaction that could hold blocks and checkpoint together, so a ledger in Postgres
// says what may stand in ClickHouse before it does:
//
//	                 one transaction                one INSERT per block      one transaction
//	rows of (a, b] ──▶ planned: batch, table, ──▶ sent under a token ──▶ done; checkpoint a → b
//	                   partition, rows, hash           │    ▲                      │
//	                   checkpoint stays at a           │    │ the same token       ▼
//	                                          unknown  ▼    │                 watermark: analysts
//	                   killed, started again ──▶ kill the old query, count    see up to b
//	                                                   │
//	                                  all there: done ◀┴▶ none after a retry: a new token
//	                                                      anything else: halt
//
// # What a crash can do
//
// Leave planned blocks of which some are in ClickHouse. The next worker makes them
// anew from the log. Where they come out the same (rows and hash), each is counted and
// sent again under its token if it is missing: ClickHouse's deduplication window drops
// what comes twice, be it a late packet of the dead worker. Where nothing stands there
// after such a retry, the server had died between its deduplication record and its
// data, and the block goes under a new token. Where other code makes other blocks, the
// old ones are taken out and their tokens spent, before the new ones are planned: a
// block is never made of two halves.
//
// Of two workers one works: it holds an advisory lock, and its epoch stands in the
// checkpoint row. One that is silent for minutes loses the lock to one that waits.
// Every transaction of the ledger checks the epoch under the row's lock, so a worker
// that lost the lock without noticing plans and finishes nothing. An INSERT that it may
// still send carries a token that is known, and a time after which the table refuses
// its rows. What it may still drop or delete is nobody's by then: the
// ledger knows of tables before they are made and of blocks before they are taken out,
// and the worker that finds such tables begun makes others, and such blocks, plans them anew.
//
// # Generations
//
// A changed definition writes new tables (order_lines_v1_g2) from the log's start, while the
// mart's views show the old ones as they are. A rebuild writes them beside the old ones, by
// a projector of its own ("cold+rebuild"), while those go on. Once the new ones have come to
// where the old ones stood, the mart goes over by one row that its views obey, so that one
// query sees one generation; the old tables are dropped when no query can read them.
//
// # Parked events
//
// An event that a fact cannot write (undecodable, its handler's error or panic, a value that
// ClickHouse does not hold or refuses) is parked for that fact, in the transaction that moves
// the checkpoint past it. An operator's retry is a batch of the ledger, too, of that event
// alone, so it counts once. Infrastructure's errors park nothing.
package cold
