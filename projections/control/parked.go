package control

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
)

// ParkedEvent is an event that could not be folded into a row, or that waits behind one: a row
// of readside.parked.
type ParkedEvent struct {
	// Projector is the one in which it waits: every set of definitions has its own.
	Projector string `json:"projector"`
	View      string `json:"view"`
	// Key is the row; empty where it could not be read from the event.
	Key      string            `json:"key"`
	Position eventlog.Position `json:"position"`
	Stream   string            `json:"stream"`
	Type     string            `json:"type"`
	// State is parked, queued or discarded.
	State string `json:"state"`
	// Reason, Error and Hint are empty for queued ones.
	Reason   string    `json:"reason,omitempty"`
	Error    string    `json:"error,omitempty"`
	Hint     string    `json:"hint,omitempty"`
	Attempts int       `json:"attempts"`
	ParkedAt time.Time `json:"parked_at"`
}

// Eventless reports whether a row's joins failed and no event of its own is to blame. It has
// the place of the checkpoint then, and no stream.
func (e ParkedEvent) Eventless() bool { return e.Stream == "" }

// Queryer is what a connection and a transaction have in common.
type Queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// ListParked lists what is parked in a projector, or in all of them without a name; view
// may be empty for all. The order is that of the log.
func ListParked(ctx context.Context, q Queryer, projector, view string) ([]ParkedEvent, error) {
	rows, err := q.Query(ctx, `select w.projector, j.log::text, j.incarnation, w.view, w.key, w.place, w.stream, w.event_type, w.state, w.reason, w.error, w.hint, w.attempts, w.parked_at
from readside.parked w join readside.projectors j on j.name = w.projector
where (w.projector = $1 or $1 = '') and (w.view = $2 or $2 = '') order by w.place, w.view, w.key, w.projector`, projector, view)
	if err != nil {
		return nil, fmt.Errorf("list what is parked: %w", Explain(err))
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (e ParkedEvent, err error) {
		var log uuid.UUID
		var incarnation int32
		var place int64
		err = r.Scan(&e.Projector, &log, &incarnation, &e.View, &e.Key, &place, &e.Stream, &e.Type, &e.State, &e.Reason, &e.Error, &e.Hint, &e.Attempts, &e.ParkedAt)
		e.ParkedAt = e.ParkedAt.UTC()
		e.Position = eventlog.NewPosition(log, incarnation, place)
		return e, err
	})
}

// ParkedTouch is an event that is not folded into a row; without a key into no row of the
// view.
type ParkedTouch struct {
	View, Key string
	Place     int64
	// Waits reports whether it waits: it is not discarded. Eventless reports whether only the
	// row's joins failed.
	Waits, Eventless bool
}

// ParkedTouches lists what is left out of a projector's rows; view may be empty for all.
func ParkedTouches(ctx context.Context, q Queryer, projector, view string) ([]ParkedTouch, error) {
	rows, err := q.Query(ctx, `select view, key, place, state <> 'discarded', stream = '' from readside.parked where projector = $1 and (view = $2 or $2 = '')`, projector, view)
	if err != nil {
		return nil, fmt.Errorf("read what is parked: %w", Explain(err))
	}
	touches, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ParkedTouch])
	if err != nil {
		return nil, fmt.Errorf("read what is parked: %w", Explain(err))
	}
	return touches, nil
}

const (
	// ParkSQL writes an entry down. A build that continues meets again what it wrote down.
	ParkSQL = `insert into readside.parked (projector, view, place, key, stream, event_type, state, reason, error, hint, attempts)
values ($1::text, $2::text, $3::bigint, $4::text, $5::text, $6::text, $7::text, $8::text, $9::text, $10::text, $11::int)
on conflict do nothing`
	// UnparkSQL takes an entry out of what waits, DiscardSQL drops its event for good.
	UnparkSQL  = `delete from readside.parked where projector = $1::text and view = $2::text and place = $3::bigint and key = $4::text`
	DiscardSQL = `update readside.parked set state = 'discarded' where projector = $1::text and view = $2::text and place = $3::bigint and key = $4::text`
	// DegradeSQL marks a row, which readers see.
	DegradeSQL = `insert into readside.degraded (projector, view, key, stream) values ($1::text, $2::text, $3::text, $4::text) on conflict do nothing`
	// UndegradeSQL clears the marks of rows for which nothing waits any more.
	UndegradeSQL = `delete from readside.degraded d where projector = $1::text and view = $2::text and not exists (
  select from readside.parked p where p.projector = d.projector and p.view = d.view and p.state <> 'discarded'
    and (d.stream = '' and p.key = d.key or d.stream <> '' and p.key = '' and p.stream = d.stream))`
)
