package cold

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"
)

func (w *worker) exec(ctx context.Context, what, sql string) error {
	if err := w.cfg.ClickHouse.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// makeTables makes the tables of the generation, empty, once. What stood there by
// these names is of a generation that no ledger knows, and goes.
func (w *worker) makeTables(ctx context.Context) error {
	if w.state.tablesMade {
		return nil
	}
	for _, m := range w.cfg.Set.Facts() {
		name := TableName(m, w.state.generation)
		if err := w.exec(ctx, "drop a stale table "+name, "DROP TABLE IF EXISTS "+qualified(w.database, name)+" SYNC"); err != nil {
			return err
		}
		if err := w.exec(ctx, "create table "+name, CreateTable(m, w.database, w.state.generation)); err != nil {
			return err
		}
	}
	if err := w.exec(ctx, "create the table of watermarks", createWatermarks(w.database)); err != nil {
		return err
	}
	err := w.fenced(ctx, "note that the tables are made", func(tx pgx.Tx) error {
		q := &pgx.Batch{}
		for _, m := range w.cfg.Set.Facts() {
			q.Queue(`insert into readside.cold_watermarks (table_name, projector, fact, generation, place) values ($1, $2, $3, $4, 0)
on conflict (table_name) do update set place = 0, rows = 0`, TableName(m, w.state.generation), w.cfg.Name, m.Name, w.state.generation)
		}
		q.Queue(`update readside.cold_checkpoint set tables_made = true where name = $1`, w.cfg.Name)
		return tx.SendBatch(ctx, q).Close()
	})
	w.state.tablesMade = err == nil
	return err
}

// publish lets analysts see up to the checkpoint.
func (w *worker) publish(ctx context.Context) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes([]clickhouse.ColumnNameAndType{
		{Name: "table_name", Type: "String"}, {Name: "place", Type: "UInt64"},
	}))
	into, err := w.cfg.ClickHouse.PrepareBatch(ctx, "INSERT INTO "+qualified(w.database, watermarkTable)+" (table_name, place)")
	if err != nil {
		return fmt.Errorf("publish the watermark: %w", err)
	}
	defer into.Close()
	for _, m := range w.cfg.Set.Facts() {
		if err := into.Append(TableName(m, w.state.generation), uint64(w.state.position.Place())); err != nil {
			return fmt.Errorf("publish the watermark: %w", err)
		}
	}
	if err := into.Send(); err != nil {
		return fmt.Errorf("publish the watermark: %w", err)
	}
	return nil
}

// show switches the mart to this generation once it has come to where the one shown
// stood, and drops the tables that nobody sees any more.
func (w *worker) show(ctx context.Context) error {
	if w.state.shownGeneration == w.state.generation || w.state.position.Place() < w.state.shownPlace {
		return nil
	}
	if err := w.exec(ctx, "create the mart", "CREATE DATABASE IF NOT EXISTS "+ident(w.cfg.Mart)+
		" COMMENT 'Facts for analysts: complete up to a published place of the log'"); err != nil {
		return err
	}
	for _, m := range w.cfg.Set.Facts() {
		if err := w.exec(ctx, "create the mart's view "+m.Name, CreateMartView(m, w.database, w.cfg.Mart, w.state.generation)); err != nil {
			return err
		}
	}
	err := w.fenced(ctx, "note the generation shown", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update readside.cold_checkpoint set shown_generation = generation where name = $1`, w.cfg.Name)
		return err
	})
	if err != nil {
		return err
	}
	w.state.shownGeneration = w.state.generation
	return w.dropOld(ctx)
}

// dropOld drops the tables of earlier generations, and the views of facts that the set
// has no more.
func (w *worker) dropOld(ctx context.Context) error {
	rows, err := w.conn.Query(ctx, `select table_name, fact from readside.cold_watermarks where projector = $1 and generation < $2`, w.cfg.Name, w.state.generation)
	if err != nil {
		return fmt.Errorf("find the old tables: %w", err)
	}
	type old struct{ TableName, Fact string }
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[old])
	if err != nil {
		return fmt.Errorf("find the old tables: %w", err)
	}
	known := map[string]bool{}
	for _, m := range w.cfg.Set.Facts() {
		known[m.Name] = true
	}
	for _, t := range tables {
		if !known[t.Fact] {
			if err := w.exec(ctx, "drop the mart's view "+t.Fact, "DROP VIEW IF EXISTS "+qualified(w.cfg.Mart, t.Fact)); err != nil {
				return err
			}
		}
		if err := w.exec(ctx, "drop the old table "+t.TableName, "DROP TABLE IF EXISTS "+qualified(w.database, t.TableName)); err != nil {
			return err
		}
		if _, err := w.conn.Exec(ctx, `delete from readside.cold_watermarks where table_name = $1`, t.TableName); err != nil {
			return fmt.Errorf("forget the old table %s: %w", t.TableName, err)
		}
	}
	return nil
}
