// Package reaction lets a service react to other services' events, through
// Watermill's router and middleware over the log.
//
// A Reactor reads the event types that a service handles, in one pass and in the
// log's order. The service's transaction for an event holds its inbox row, what the
// handler does, and the checkpoint; the message is acknowledged after the commit.
// However often an event is delivered, and wherever the process dies, it has one
// effect.
//
//	page of the log -> message (a run of events) -> one transaction -> commit -> ack
//	                                                      | a fault
//	                                                      v
//	                 the same events again, one message each -> retry -> dead letter
//
// When the service is behind, one message carries a run of events that share a
// transaction; Watermill itself has no batches. A run that fails is delivered again
// event by event, so that a fault touches only its own event. A handler's error that
// stays after the retries puts the event into the service's dead_letters, in one
// transaction with inbox and checkpoint, and the reactor goes on; where many in a row
// fail it stays at the next one instead. Faults of the infrastructure are retried for as
// long as they last, and a version conflict until it is seen not to pass: the event is
// then passed over where the log shows that the service reacted to it before, as after an
// import of the log, and becomes a dead letter where it does not.
//
// A running reaction writes down once a second how it does; ReadStatus reads that of all
// services. A Desk lists, retries and discards dead letters.
//
// The tables stand in the service's own schema; its migration makes them by
// `select eventlog.create_reaction_tables('the_schema')`.
package reaction
