// Package modelling tells, on real stores, what authors can model: its tests are a table of
// cases, each with the events that happen and the answer that a client gets, and one of the
// definitions that are refused, each with its message.
package modelling
