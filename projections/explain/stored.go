package explain

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections/control"
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
	at, err := control.ReadCheckpoint(ctx, tx, cfg.Projector, "", cfg.Log.Start())
	if errors.Is(err, control.ErrNoProjector) {
		return fmt.Errorf("projector %s has no table of view %s: %w", cfg.Projector, cfg.View, control.ErrNoProjector)
	}
	if err != nil {
		return err
	}
	g, ok, err := control.WrittenGeneration(ctx, tx, cfg.Projector, cfg.View)
	switch {
	case err != nil:
		return fmt.Errorf("explain: %w", err)
	case !ok:
		return fmt.Errorf("projector %s has no table of view %s: %w", cfg.Projector, cfg.View, control.ErrNoProjector)
	case !g.Live:
		return fmt.Errorf("projector %s still builds view %s: ask again when it is live", cfg.Projector, cfg.View)
	}
	s.at, s.generation, s.table = at, g.Number, g.Table
	return nil
}

// readHeld reads what is parked, queued or discarded of the views concerned.
func (s *stored) readHeld(ctx context.Context, tx pgx.Tx, cfg Config, f *fold) error {
	entries, err := control.ListParked(ctx, tx, cfg.Projector, "")
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	for _, e := range entries {
		if f.set.View(e.View) != nil {
			s.held[touched{e.View, e.Key, e.Position.Place()}] = Held{View: e.View, Key: e.Key, State: e.State, Reason: e.Reason, Error: e.Error, Hint: e.Hint}
		}
	}
	return nil
}

// readRow reads the row as the projector does.
func (s *stored) readRow(ctx context.Context, conn *pgx.Conn, key string, f *fold) error {
	session, err := pipeline.NewSession(ctx, conn.PgConn())
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
