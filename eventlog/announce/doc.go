// Package announce tells readers that something is new, by Postgres' NOTIFY.
//
// A program has one Notifier, which it calls after each commit, and one Listener, which
// any number of readers share. An announcement only wakes: it carries nothing, several that
// come together are one, and a lost one costs a reader the time until its next poll.
package announce
