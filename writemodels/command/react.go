package command

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
)

// Reaction is Work that another service's event sets off. Its Decide gets the event's
// time.
type Reaction interface {
	Work
	// Touches names what the reaction decides on. Reactions that touch the same are taken
	// one after the other, others together.
	Touches() []string
}

// staged is a reaction and the event that set it off.
type staged struct {
	reaction Reaction
	event    eventlog.Event
}

// run is what the handlers of one transaction staged.
type run struct{ staged []staged }

type runKey struct{}

// Together is reaction.Config.Around: it lets the reactions of one transaction share
// their round trips. The handlers only stage them, by Within; three round trips then
// do the work of as many as touch different things.
func (x *Executor) Together(ctx context.Context, tx pgx.Tx, next func(context.Context) error) error {
	var r run
	if err := next(context.WithValue(ctx, runKey{}, &r)); err != nil {
		return err
	}
	for rest := r.staged; len(rest) > 0; {
		n := apart(rest)
		if err := x.wave(ctx, tx, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// Within stages a reaction to an event in the transaction that Together is around.
func (x *Executor) Within(ctx context.Context, event eventlog.Event, w Reaction) error {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return fmt.Errorf("command: reaction to %s is not staged: the reactor's Config.Around must be Executor.Together", event.Type)
	}
	r.staged = append(r.staged, staged{reaction: w, event: event})
	return nil
}

// apart is how many reactions from the first on touch nothing twice; at least one.
func apart(list []staged) int {
	touched := map[string]bool{}
	for i, s := range list {
		touches := s.reaction.Touches()
		if slices.ContainsFunc(touches, func(what string) bool { return touched[what] }) {
			return i
		}
		for _, what := range touches {
			touched[what] = true
		}
	}
	return len(list)
}

// wave loads, decides, appends and saves reactions that do not touch each other's.
func (x *Executor) wave(ctx context.Context, tx pgx.Tx, list []staged) error {
	var load pgx.Batch
	for _, s := range list {
		s.reaction.Load(&load)
	}
	if err := send(ctx, tx, &load); err != nil {
		return fmt.Errorf("command: load the state for %s: %w", nameOf(list), err)
	}
	var all Decision
	for _, s := range list {
		d, err := s.reaction.Decide(s.event.Time)
		if err != nil {
			return fmt.Errorf("command: %s: %w", nameOf([]staged{s}), err)
		}
		for _, stream := range d.Streams {
			stream.Cause = causedBy(s.event)
			all.Streams = append(all.Streams, stream)
		}
	}
	if _, err := x.append(ctx, tx, Cause{}, all); err != nil {
		return fmt.Errorf("command: append for %s: %w", nameOf(list), err)
	}
	var save pgx.Batch
	for _, s := range list {
		s.reaction.Save(&save)
	}
	if err := send(ctx, tx, &save); err != nil {
		return fmt.Errorf("command: store the state for %s: %w", nameOf(list), err)
	}
	return nil
}

// send sends a batch unless it is empty.
func send(ctx context.Context, tx pgx.Tx, b *pgx.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

// nameOf names a wave in errors by its first event.
func nameOf(list []staged) string {
	first := list[0].event
	return fmt.Sprintf("%d reaction(s), first to %s %s of stream %s", len(list), first.Type, first.ID, first.Stream)
}

// causedBy is the cause of what an event sets off.
func causedBy(e eventlog.Event) Cause {
	return Cause{CorrelationID: e.CorrelationID, CausationID: e.ID, TraceParent: e.TraceParent}
}
