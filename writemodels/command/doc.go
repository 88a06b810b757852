// Package command is the kit that the shop's services are built with: it takes a
// command over HTTP, runs it in one transaction, and answers.
//
// A command costs three round trips to Postgres: begin, load the locked
// state and look up the idempotency key; append the events; store the new state and the
// answer, and commit. State, events and answer therefore stand or fall together.
//
// A service brings Work: what to load, a pure decision, what to save. Timers do Work
// too; reactions to other services' events are Work that shares its round trips with
// the others of the same transaction: see Together.
package command
