// Package reading reads the log for a private fold: several pages at a time, decoded, which
// are handed out one after the other in the log's order.
package reading

import (
	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Config says what to read, and how much of it at a time.
type Config struct {
	Log *eventlog.Log
	// Set decodes the events.
	Set *projections.Set
	// Types are those of the events that are wanted.
	Types []string
	// Until is the settled place to read up to.
	Until eventlog.Position
	// PageEvents is how many events a page has; 0 lets PageBytes, which is what a page may
	// take, and the size of the events decide.
	PageEvents int
	PageBytes  int64
	// Rate bounds the events read per second; nil does not.
	Rate *rate.Limiter
}
