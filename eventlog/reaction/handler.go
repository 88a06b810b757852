package reaction

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
)

// Handler reacts to one event type.
type Handler struct {
	eventType string
	bind      func(*eventlog.Upcasters) apply
}

// apply is a bound handler: it decodes and handles.
type apply func(ctx context.Context, tx pgx.Tx, e *eventlog.Event) error

// On makes a handler of a function. What the function does in tx is done once per
// event; what it does elsewhere may be done again. It appends its own events in tx.
func On[E eventlog.Typed](handle func(ctx context.Context, tx pgx.Tx, e E, event eventlog.Event) error) Handler {
	var zero E
	name, _ := zero.EventType()
	return Handler{
		eventType: name,
		bind: func(u *eventlog.Upcasters) apply {
			decode := eventlog.DecoderFor[E](u)
			return func(ctx context.Context, tx pgx.Tx, event *eventlog.Event) error {
				e, err := decode(event.SchemaVersion, event.Data)
				if err != nil {
					return err
				}
				return handle(ctx, tx, e, *event)
			}
		},
	}
}
