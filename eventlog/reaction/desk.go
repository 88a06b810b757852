package reaction

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
)

// DeadLetter is an event that a reaction could not handle.
type DeadLetter struct {
	Schema   string            `json:"schema"`
	Reaction string            `json:"reaction"`
	Source   string            `json:"source"`
	EventID  string            `json:"event_id"`
	Type     string            `json:"type"`
	Stream   string            `json:"stream"`
	Position eventlog.Position `json:"position"`
	Error    string            `json:"error"`
	DiedAt   time.Time         `json:"died_at"`
	// DiscardedAt is when an operator gave it up; nil while it waits.
	DiscardedAt *time.Time `json:"discarded_at,omitempty"`
}

// ErrNoDeadLetter is returned where no dead letter waits that fits.
var ErrNoDeadLetter = errors.New("no such dead letter waits")

// Desk is where an operator works on the dead letters of several reactions, each with
// the rights of its own service and the handlers that this program has.
type Desk struct{ reactors []*Reactor }

// NewDesk makes a desk for these reactions; they need not run.
func NewDesk(reactors ...*Reactor) *Desk { return &Desk{reactors: reactors} }

// List lists the dead letters of a reaction, or of all for an empty name, in the order of
// the log: those that wait and those that were given up.
func (k *Desk) List(ctx context.Context, reaction string) ([]DeadLetter, error) {
	chosen, err := k.choose(reaction)
	if err != nil {
		return nil, err
	}
	all := []DeadLetter{}
	for _, r := range chosen {
		letters, err := r.deadLetterList(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, letters...)
	}
	return all, nil
}

func (k *Desk) choose(reaction string) (chosen []*Reactor, err error) {
	names := ""
	for _, r := range k.reactors {
		if reaction == "" || r.config.Name == reaction {
			chosen = append(chosen, r)
		}
		names += " " + r.config.Name
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("there is no reaction %q: there are%s", reaction, names)
	}
	return chosen, nil
}

// Retry handles a dead letter again, once. Where that fails it stays, with the new reason.
func (k *Desk) Retry(ctx context.Context, letter DeadLetter) error {
	chosen, err := k.choose(letter.Reaction)
	if err != nil {
		return err
	}
	return chosen[0].retryDead(ctx, letter)
}

// Discard gives a dead letter up for good. It stays in the list.
func (k *Desk) Discard(ctx context.Context, letter DeadLetter) error {
	chosen, err := k.choose(letter.Reaction)
	if err != nil {
		return err
	}
	r := chosen[0]
	tag, err := r.config.Pool.Exec(ctx, r.tables.discard, r.config.Name, letter.Source, letter.EventID)
	if err != nil {
		return fmt.Errorf("discard a dead letter of reaction %s: %w", r.config.Name, err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("discard event %s of reaction %s: %w", letter.EventID, r.config.Name, ErrNoDeadLetter)
	}
	return nil
}

func (r *Reactor) deadLetterList(ctx context.Context) ([]DeadLetter, error) {
	rows, err := r.config.Pool.Query(ctx, r.tables.listDead, r.config.Name)
	if err != nil {
		return nil, fmt.Errorf("list the dead letters of reaction %s: %w", r.config.Name, err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d DeadLetter, err error) {
		var place int64
		d.Schema, d.Reaction = r.config.Schema, r.config.Name
		err = row.Scan(&d.Source, &d.EventID, &d.Type, &d.Stream, &place, &d.Error, &d.DiedAt, &d.DiscardedAt)
		d.DiedAt, d.DiscardedAt = d.DiedAt.UTC(), inUTC(d.DiscardedAt)
		d.Position = r.config.Log.Start().At(place)
		return d, err
	})
}

// retryDead handles the event and takes the dead letter away in one transaction. Its
// inbox row stands since it died, so no other reader handles it meanwhile.
func (r *Reactor) retryDead(ctx context.Context, letter DeadLetter) error {
	for tries := 1; ; tries++ {
		err := r.retryOnce(ctx, letter)
		var conflict *eventlog.VersionConflictError
		if err == nil || errors.Is(err, ErrNoDeadLetter) {
			return err
		}
		if !errors.As(err, &conflict) || tries > r.config.RetriesMax {
			if _, noteErr := r.config.Pool.Exec(ctx, r.tables.noteDead, r.config.Name, letter.Source, letter.EventID, stored(err.Error())); noteErr != nil {
				err = errors.Join(err, noteErr)
			}
			return fmt.Errorf("event %s of reaction %s failed again: %w", letter.EventID, r.config.Name, err)
		}
		pause(ctx, r.config.RetryFirst)
	}
}

func (r *Reactor) retryOnce(ctx context.Context, letter DeadLetter) (err error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	event, err := r.eventOf(ctx, letter)
	if err != nil {
		return err
	}
	tx, err := r.config.Pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer rollback(tx)
	tag, err := tx.Exec(ctx, r.tables.takeDead, r.config.Name, letter.Source, letter.EventID)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return ErrNoDeadLetter
	}
	if err := r.guarded(ctx, tx, event); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	r.config.Notifier.Announce()
	return nil
}

// guarded handles an event; a panic is an error.
func (r *Reactor) guarded(ctx context.Context, tx pgx.Tx, event eventlog.Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	return r.config.Around(ctx, tx, func(ctx context.Context) error { return r.handleEach(ctx, tx, []eventlog.Event{event}) })
}

func (r *Reactor) eventOf(ctx context.Context, letter DeadLetter) (eventlog.Event, error) {
	events, err := r.config.Log.At(ctx, []int64{letter.Position.Place()})
	if err != nil {
		return eventlog.Event{}, err
	}
	if len(events) != 1 || events[0].ID != letter.EventID || events[0].Source != letter.Source {
		return eventlog.Event{}, fmt.Errorf("the log has another event, or none, at place %d: it is not the log that event %s came from", letter.Position.Place(), letter.EventID)
	}
	if r.handlers[events[0].Type] == nil {
		return eventlog.Event{}, fmt.Errorf("this program has no handler for %s", events[0].Type)
	}
	return events[0], nil
}
