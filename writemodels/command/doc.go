// Package command is the kit that the shop's services are built with: it takes a
// command over HTTP, runs it in one transaction, and answers.
//
// A command costs three round trips to Postgres: begin, look up the idempotency
// key and load the locked state; append the events; store the new state and the
// answer, and commit. State, events and answer therefore stand or fall together.
//
// A service brings Work: what to load, a pure decision, what to save. Reactions to
// other services' events and timers run the same Work through Within and Do.
package command
