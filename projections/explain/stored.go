package explain

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections/hot"
)

// stored is what one snapshot says of the row.
type stored struct {
	at         eventlog.Position // the checkpoint
	generation int
	table      string
	image      hot.Image // zero where there is no row
	held       map[touched]Held
}

// touched is an event's touch of a row; the key is empty where it could not be read.
type touched struct {
	view, key string
	place     int64
}

func readStored(ctx context.Context, cfg Config, f *fold) (s *stored, err error) {
	config := cfg.Postgres.Copy()
	session.Prepare(&config.Config, session.Needs{})
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("explain: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	s = &stored{held: map[touched]Held{}}
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := s.readProjector(ctx, tx, cfg); err != nil {
			return err
		}
		if err := s.readHeld(ctx, tx, cfg, f); err != nil {
			return err
		}
		return s.readRow(ctx, conn, cfg.Key, f)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *stored) readProjector(ctx context.Context, tx pgx.Tx, cfg Config) error {
	var log uuid.UUID
	var incarnation int32
	var place int64
	var state string
	err := tx.QueryRow(ctx, `select p.log, p.incarnation, p.place, v.generation, v.table_name, v.state
  from readside.projectors p join readside.views v on v.projector = p.name
 where p.name = $1 and v.view = $2 and v.state <> 'retired'`, cfg.Projector, cfg.View).
		Scan(&log, &incarnation, &place, &s.generation, &s.table, &state)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("projector %s has no table of view %s: no worker has run with these definitions", cfg.Projector, cfg.View)
	}
	if err != nil {
		return fmt.Errorf("explain: find the table of view %s: %w", cfg.View, err)
	}
	if state != "live" {
		return fmt.Errorf("projector %s still builds view %s: ask again when it is live", cfg.Projector, cfg.View)
	}
	s.at = eventlog.NewPosition(log, incarnation, place)
	if !s.at.SameLog(cfg.Log.Start()) {
		return fmt.Errorf("%w: projector %s stands in another incarnation of the log", eventlog.ErrForeignPosition, cfg.Projector)
	}
	return nil
}

// readHeld reads what is parked, queued or discarded of the views concerned.
func (s *stored) readHeld(ctx context.Context, tx pgx.Tx, cfg Config, f *fold) error {
	var views []string
	for _, m := range f.set.Views() {
		views = append(views, m.Name)
	}
	rows, err := tx.Query(ctx, `select view, key, place, state, reason, error, hint from readside.parked where projector = $1 and view = any($2)`,
		cfg.Projector, views)
	if err != nil {
		return fmt.Errorf("explain: read the parked events: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var h Held
		var place int64
		if err := rows.Scan(&h.View, &h.Key, &place, &h.State, &h.Reason, &h.Error, &h.Hint); err != nil {
			return fmt.Errorf("explain: read the parked events: %w", err)
		}
		s.held[touched{h.View, h.Key, place}] = h
	}
	return rows.Err()
}

// readRow reads the row as the projector does.
func (s *stored) readRow(ctx context.Context, conn *pgx.Conn, key string, f *fold) error {
	session, err := hot.NewSession(ctx, conn.PgConn())
	if err != nil {
		return err
	}
	f.table = hot.NewTable(f.layouts[f.root.view], s.table)
	f.table.LoadOwn(session, []string{key}, func(r hot.Stored) { s.image = r.Image })
	if err := session.Flush(ctx); err != nil {
		return fmt.Errorf("explain: read the row of view %s: %w", f.model.Name, err)
	}
	return nil
}
