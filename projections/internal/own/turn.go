package own

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/fold"
)

// openTurn begins a turn in an epoch that was read before: it finds the checkpoint, the
// tables, and what is parked. The session, made where it is nil, is conn's.
func (c *Config) openTurn(ctx context.Context, conn *pgx.Conn, s *pipeline.Session, epoch int64) (*fold.Turn, *pipeline.Session, error) {
	f, err := c.footing(ctx, conn, epoch)
	if err != nil {
		return nil, s, err
	}
	if s == nil {
		if s, err = pipeline.NewSession(ctx, conn.PgConn()); err != nil {
			return nil, nil, err
		}
	}
	return fold.New(c.turn(), c.Log, s, f), s, nil
}

func (c *Config) footing(ctx context.Context, conn *pgx.Conn, epoch int64) (f fold.Footing, err error) {
	f.Epoch = epoch
	if f.At, err = control.ReadCheckpoint(ctx, conn, c.Projector.Name, "", c.Log.Start()); err != nil {
		return f, err
	}
	if f.Building, err = control.Hidden(ctx, conn, c.Projector.Name); err != nil {
		return f, err
	}
	if f.Tables, err = c.findTables(ctx, conn, f.At); err != nil {
		return f, err
	}
	f.Parked, err = control.ListParked(ctx, conn, c.Projector.Name, "")
	return f, err
}

// findTables finds the tables that the projector writes to.
func (c *Config) findTables(ctx context.Context, conn *pgx.Conn, at eventlog.Position) ([]*hot.Table, error) {
	names, err := control.WrittenTables(ctx, conn, c.Projector.Name)
	if err != nil {
		return nil, fmt.Errorf("find the tables of projector %s: %w", c.Projector.Name, err)
	}
	tables := make([]*hot.Table, len(c.Layouts))
	for i, l := range c.Layouts {
		name := names[l.Model.Name]
		if name == "" {
			return nil, fmt.Errorf("%w: %s stands at place %d and its view %s has no table: drop the projector's row in readside.projectors and project again",
				control.ErrDefinition, c.Projector.Name, at.Place(), l.Model.Name)
		}
		tables[i] = hot.NewTable(l, name)
	}
	return tables, nil
}

// addGeneration makes the table of a new generation, empty: with its indexes, or as a
// heap.
func addGeneration(ctx context.Context, tx pgx.Tx, projector string, l *hot.Layout, create func(*hot.Layout, string) string) error {
	m := l.Model
	number, err := control.NextGeneration(ctx, tx, m.Name, m.Version, m.Table())
	if err != nil {
		return err
	}
	table := hot.TableName(m, number)
	if err := control.AddGeneration(ctx, tx, projector, m.Name, m.Version, control.Generation{Number: number, Table: table, Fingerprint: m.Fingerprint()}); err != nil {
		return err
	}
	ddl := create(l, table)
	if _, err := tx.Exec(ctx, ddl); err != nil || ddl != l.CreateTable(table) {
		return err
	}
	for _, sql := range l.CreateIndexes(table) {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
