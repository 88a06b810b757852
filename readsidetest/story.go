package readsidetest

import (
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/projectiontest"
)

// streamless is the stream of events that name none.
const streamless = "story"

// Append appends events in one transaction, as services would. They have the envelopes that
// package projectiontest gives to the same story: an event is an [eventlog.Typed], or a
// [projectiontest.At] with a stream and a time. Later calls continue the story. Queries
// wait for what was appended before them.
func (p *Program) Append(events ...eventlog.Typed) {
	p.t.Helper()
	before := len(p.told)
	p.told = append(p.told, events...)
	ctx := p.t.Context()
	err := pgx.BeginFunc(ctx, p.db.Pool, func(tx pgx.Tx) error {
		for _, told := range projectiontest.Story(p.told...)[before:] {
			e, err := eventlog.NewEvent(told.Value.(eventlog.Typed), eventlog.Meta{Time: told.Meta.Time})
			if err != nil {
				return err
			}
			e.ID = told.Meta.EventID
			stream := told.Meta.Stream
			if stream == "" {
				stream = streamless
			}
			p.after, err = p.log.Append(ctx, tx, eventlog.Append{Stream: stream, Expected: told.Meta.StreamVersion - 1, Events: []eventlog.Event{e}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.t.Fatalf("readsidetest: append: %v", err)
	}
}

// Head makes later queries wait for everything that is in the log now, such as what a
// command imported or a service published.
func (p *Program) Head() {
	p.t.Helper()
	at, err := p.log.Head(p.t.Context())
	if err != nil {
		p.t.Fatalf("readsidetest: %v", err)
	}
	p.after = at
}
