// Package operate holds the operator's commands: they show, verify and repair views, facts
// and dead letters. None of them runs for long.
package operate
