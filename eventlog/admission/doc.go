// Package admission is what the event log admits: one table of rules for events that a
// service appends, that an import reads, and that any later source brings.
//
// Every bound is what the narrowest store or decoder behind the log represents and tells
// apart: Postgres text, timestamptz and json, ClickHouse DateTime64, Int64 and String,
// Go's time.Time and JSON decoder, and the CloudEvents of an export. What the log admits,
// each of them gives back as it was; an event that one of them would change, or take for
// another, is refused where it comes in, with the rule that it breaks.
//
// A rule judges what is common to all events. Whether a number in the data fits a field
// of a contract, only that contract's decoder can tell: such an event is admitted, and
// parks in the views that cannot read it.
//
// Events that an older version admitted stay in the log, are read and exported.
package admission
