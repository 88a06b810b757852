// Package explain tells how a row of a view came to be: every event that touched it,
// in the log's order, with the columns that it changed, the events of other rows that
// changed it through a join, and those that are parked or discarded. At the end it
// compares what the events give with the row that is stored.
//
// It folds privately and reads no row of a table but the one that it explains. Which
// rows of other views the row depends on is only known once its own events are
// folded, and what those depend on once theirs are. So it passes over the log until a
// pass names no row that was not followed from the pass's beginning; that pass saw
// everything. A view is never its own source, so there are at most as many passes as
// views, and one more where a view has sources at all.
package explain
