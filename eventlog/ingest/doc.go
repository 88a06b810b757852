// Package ingest appends events of other systems to the log.
//
// A service appends by eventlog.Log.Append, as itself. What comes from elsewhere (a file, a
// broker, another log) has a source, an id and perhaps a version of its own, and may come
// twice:
//
//	Batch        what the log has is passed over, what contradicts it is refused, the rest is
//	             appended, all in one transaction
//	Rehearsal    the same judgement, batch after batch, and nothing is appended
//
// The formats of such events are rooms of their own, such as eventlog/cloudevents.
package ingest
