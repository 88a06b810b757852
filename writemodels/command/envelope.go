package command

import (
	"fmt"
	"time"

	"github.com/readside/readside/eventlog"
)

// envelopes wraps the stream's events for the log.
func (s Stream) envelopes(cause Cause, at time.Time) ([]eventlog.Event, error) {
	if s.Cause != (Cause{}) {
		cause = s.Cause
	}
	events := make([]eventlog.Event, 0, len(s.Events))
	for _, e := range s.Events {
		event, err := eventlog.NewEvent(e, eventlog.Meta{
			Time:          at,
			CorrelationID: cause.CorrelationID,
			CausationID:   cause.CausationID,
			TraceParent:   cause.TraceParent,
			PersonID:      s.PersonID,
		})
		if err != nil {
			return nil, fmt.Errorf("command: stream %s: %w", s.Name, err)
		}
		events = append(events, event)
	}
	return events, nil
}
