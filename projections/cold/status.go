package cold

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
)

// The states of a cold projector.
const (
	StateCatchingUp = "catching_up"
	StateLive       = "live"
	StateHalted     = "halted"
)

// Status is what an operator wants to know of a cold projector.
type Status struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Rebuilding reports whether newer tables are being filled than the mart shows.
	Rebuilding bool `json:"rebuilding"`
	// Position is the checkpoint; LagEvents how many places of the log are behind it.
	Position  eventlog.Position `json:"position"`
	LagEvents int64             `json:"lag_events"`
	// EventTime is when the last event written happened.
	EventTime *time.Time `json:"event_time"`
	// PlannedBlocks are those of the ledger that are not done.
	PlannedBlocks int `json:"planned_blocks"`
	// Parked are the events that some fact has no rows of, one for each such fact.
	Parked int `json:"parked"`
	// Fault is why it halted, nil if it did not.
	Fault  *Fault        `json:"fault"`
	Tables []TableStatus `json:"tables"`
}

// TableStatus is one table of the generation that the mart shows.
type TableStatus struct {
	Fact  string `json:"fact"`
	Table string `json:"table"`
	// Rows are those up to the watermark, by the ledger's count.
	Rows int64 `json:"rows"`
	// Position is the watermark.
	Position eventlog.Position `json:"position"`
}

// ErrNotStarted is what status and verify answer before the first Run.
var ErrNotStarted = errors.New("this cold projector has never run")

// Status reads the projector's state from Postgres alone.
func (p *Projector) Status(ctx context.Context) (Status, error) {
	s := Status{Name: p.cfg.Name}
	err := pgx.BeginTxFunc(ctx, p.cfg.Pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		shown, err := s.readProjector(ctx, tx)
		if err != nil {
			return err
		}
		return s.readTables(ctx, tx, shown)
	})
	if err != nil {
		return s, fmt.Errorf("status of cold projector %s: %w", p.cfg.Name, explain(err))
	}
	head, err := p.cfg.Log.Head(ctx)
	if err != nil {
		return s, fmt.Errorf("status of cold projector %s: %w", p.cfg.Name, err)
	}
	if s.Position.SameLog(head) {
		s.LagEvents = max(0, head.Place()-s.Position.Place())
	}
	return s, nil
}

func (s *Status) readProjector(ctx context.Context, tx pgx.Tx) (shown int, err error) {
	var log uuid.UUID
	var incarnation int32
	var place int64
	var generation int
	var fault []byte
	err = tx.QueryRow(ctx, `select log::text, incarnation, place, generation, shown_generation, state, fault, event_time,
  (select count(*) from readside.cold_ledger where projector = name and state <> 'done'),
  exists (select from readside.cold_checkpoint r where r.rebuilds = c.name),
  (select count(*) from readside.cold_parked k where k.projector = c.name and k.generation = c.generation and k.state <> 'discarded')
from readside.cold_checkpoint c where name = $1`, s.Name).
		Scan(&log, &incarnation, &place, &generation, &shown, &s.State, &fault, &s.EventTime, &s.PlannedBlocks, &s.Rebuilding, &s.Parked)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrNotStarted
	}
	if err != nil {
		return 0, err
	}
	if s.EventTime != nil {
		*s.EventTime = s.EventTime.UTC()
	}
	s.Position = eventlog.NewPosition(log, incarnation, place)
	s.Rebuilding = s.Rebuilding || shown != 0 && shown != generation
	if fault != nil {
		s.Fault = &Fault{}
		err = json.Unmarshal(fault, s.Fault)
	}
	return shown, err
}

func (s *Status) readTables(ctx context.Context, tx pgx.Tx, shown int) error {
	rows, err := tx.Query(ctx, `select fact, table_name, rows, place from readside.cold_watermarks where projector = $1 and generation = $2 order by fact`, s.Name, shown)
	if err != nil {
		return err
	}
	s.Tables, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t TableStatus, err error) {
		var place int64
		err = row.Scan(&t.Fact, &t.Table, &t.Rows, &place)
		t.Position = s.Position.At(place)
		return t, err
	})
	return err
}
