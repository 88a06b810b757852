package cold

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections"
)

func (w *worker) exec(ctx context.Context, what, sql string) error {
	if err := w.cfg.ClickHouse.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// makeTables makes the tables of the generation, empty, once. What stood there by
// these names is of a generation that no ledger knows, and goes, with its watermark.
// The ledger knows of them first: another worker then leaves this generation alone, so
// that nobody's rows are dropped here, however late.
func (w *worker) makeTables(ctx context.Context) error {
	if w.state.tablesMade {
		return nil
	}
	if err := w.fenced(ctx, "note that the tables are begun", w.beginTables(ctx)); err != nil {
		return err
	}
	if err := w.at(stepMaking); err != nil {
		return err
	}
	for _, m := range w.cfg.Set.Facts() {
		if err := w.makeTable(ctx, m); err != nil {
			return err
		}
	}
	err := w.fenced(ctx, "note that the tables are made", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update readside.cold_checkpoint set tables_made = true where name = $1`, w.cfg.Name)
		return err
	})
	w.state.tablesMade = err == nil
	return err
}

func (w *worker) makeControlTables(ctx context.Context) error {
	if err := w.exec(ctx, "create the table of watermarks", createWatermarks(w.database, watermarkTable, 0)); err != nil {
		return err
	}
	const before = " ADD COLUMN IF NOT EXISTS incarnation Int32" // tables of the version before
	if err := w.exec(ctx, "extend the table of watermarks", "ALTER TABLE "+qualified(w.database, watermarkTable)+before); err != nil {
		return err
	}
	return w.exec(ctx, "create the table of what is left out", createLeftOut(w.database))
}

func (w *worker) beginTables(ctx context.Context) func(pgx.Tx) error {
	return func(tx pgx.Tx) error {
		q := &pgx.Batch{}
		for _, m := range w.cfg.Set.Facts() {
			name := TableName(m, w.state.generation)
			q.Queue(`insert into readside.cold_watermarks as w (table_name, projector, fact, generation, place) values ($1, $2, $3, $4, 0)
on conflict (table_name) do update set place = 0, rows = 0 where w.projector = excluded.projector`, name, w.cfg.Name, m.Name, w.state.generation).
				Exec(exactlyOne("the table " + name + " is another cold projector's: a fact has one projector; stop one, or delete its row of readside.cold_checkpoint"))
		}
		return tx.SendBatch(ctx, q).Close()
	}
}

func (w *worker) makeTable(ctx context.Context, m *projections.FactModel) error {
	name := TableName(m, w.state.generation)
	if err := w.ownTable(ctx, name); err != nil {
		return err
	}
	if err := w.exec(ctx, "drop a stale table "+name, dropTable(w.database, name)+" SYNC"); err != nil {
		return err
	}
	forget := "ALTER TABLE " + qualified(w.database, watermarkTable) + " DELETE WHERE table_name = " + quote(name) + " SETTINGS mutations_sync = 2"
	if err := w.exec(ctx, "forget the watermark of a stale table "+name, forget); err != nil {
		return err
	}
	if err := w.exec(ctx, "create table "+name, CreateTable(m, w.database, w.state.generation)); err != nil {
		return err
	}
	return w.fenceNew(ctx, name)
}

// dropAnySize lets a table go that is larger than what ClickHouse guards by default.
const dropAnySize = " SETTINGS max_table_size_to_drop = 0"

func dropTable(database, name string) string {
	return "DROP TABLE IF EXISTS " + qualified(database, name)
}
