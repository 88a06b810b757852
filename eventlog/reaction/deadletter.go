package reaction

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
)

const (
	// rollbackBound and buryBound bound statements that must happen though the message's time is over.
	rollbackBound = 5 * time.Second
	buryBound     = 10 * time.Second
	// reasonBytesMax is how much of an error is kept.
	reasonBytesMax = 4000
)

// deadLetters is the publisher that Watermill's poison queue writes to: the
// service's own table, in one transaction with inbox and checkpoint.
type deadLetters struct {
	reactor *Reactor
	ctx     context.Context // the message's own may have run out
}

// Publish buries each message's event.
func (p *deadLetters) Publish(_ string, messages ...*message.Message) error {
	for _, msg := range messages {
		if err := p.bury(msg); err != nil {
			return err
		}
	}
	return nil
}

func (p *deadLetters) bury(msg *message.Message) error {
	d, ok := deliveryOf(msg)
	if !ok || len(d.events) != 1 {
		return fmt.Errorf("message %s is not one event of the log", msg.UUID)
	}
	r, e := p.reactor, d.events[0]
	// A conflict that does not pass is the stream's: it says nothing about the others.
	conflict := d.conflicts.Lasting(r.conflictBounds())
	if r.deadInRow >= r.config.DeadInRowMax && !conflict {
		err := fmt.Errorf("%d events in a row became dead letters, so the fault is not the events': this one is tried until it is handled; mend the handlers, or run the service's migrations", r.deadInRow)
		r.troubled(err)
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, buryBound)
	defer cancel()
	reason := stored(msg.Metadata.Get(middleware.ReasonForPoisonedKey))
	tx, err := r.config.Pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer rollback(tx)
	if _, err := r.take(ctx, tx, d); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, r.tables.bury, r.config.Name, e.Source, e.ID, e.Type, e.Stream, e.Position.Place(), reason)
	if err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	d.done = true
	if !conflict {
		r.deadInRow++
	}
	r.moved(d.next)
	r.logger.ErrorContext(ctx, "an event could not be handled and became a dead letter: mend the handler, then retry it: docs/operations.md, Dead letters",
		"type", e.Type, "event", e.ID, "stream", e.Stream, "position", e.Position.String(), "correlation_id", e.CorrelationID, "error", reason)
	if observe := r.config.Observer.Died; observe != nil {
		observe(e, reason)
	}
	return nil
}

// stored is text that a text column can hold, of bounded size.
func stored(reason string) string {
	if len(reason) > reasonBytesMax {
		reason = reason[:reasonBytesMax]
	}
	if !utf8.ValidString(reason) {
		reason = strings.ToValidUTF8(reason, "�")
	}
	return strings.ReplaceAll(reason, "\x00", "")
}

// Close is Watermill's; there is nothing to close.
func (p *deadLetters) Close() error { return nil }
