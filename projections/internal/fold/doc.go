// Package fold brings batches of events into the tables of a set of views: a Turn is
// everything that a worker knows about the rows that it writes, for as long as it holds the
// projector's lease.
//
// fold.go is a batch's way when nothing fails, from its events to the commit; joins.go
// brings changed sources to the rows that join them. What happens at a fault stands in
// faults.go and blame.go, what an operator orders in operator.go, and how the next batch is
// folded while one is written in ahead.go.
package fold
