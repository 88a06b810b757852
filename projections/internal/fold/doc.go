// Package fold brings batches of events into the tables of a set of views: a Turn is
// everything that a worker knows about the rows that it writes, while it holds the lease.
//
// fold.go is a batch's way when nothing fails; joins.go brings changed sources to the rows
// that join them; faults.go and blame.go are what happens at a fault, operator.go what an
// operator orders, ahead.go how the next batch is folded while one is written.
package fold
