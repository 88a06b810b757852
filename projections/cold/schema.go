package cold

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
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
	if err := w.exec(ctx, "create the table of watermarks", createWatermarks(w.database)); err != nil {
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
	return w.exec(ctx, "create table "+name, CreateTable(m, w.database, w.state.generation))
}

// dropAnySize lets a table go that is larger than what ClickHouse guards by default.
const dropAnySize = " SETTINGS max_table_size_to_drop = 0"

func dropTable(database, name string) string {
	return "DROP TABLE IF EXISTS " + qualified(database, name)
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
	return w.mark(ctx)
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
		if err == nil {
			_, err = tx.Exec(ctx, `update readside.cold_watermarks set retired_at = clock_timestamp() where projector = $1 and generation < $2 and retired_at is null`, w.cfg.Name, w.state.generation)
		}
		return err
	})
	if err != nil {
		return err
	}
	w.state.shownGeneration = w.state.generation
	if err := w.at(stepShown); err != nil {
		return err
	}
	return w.dropOld(ctx)
}

// tidyEvery is how often a worker looks for tables that nobody needs any more.
const tidyEvery = 10 * time.Minute

// dropOld drops the tables of earlier generations once none of them is shown: at once
// where only the generation is another, and after KeepFormer where the definitions are,
// with the views of facts that the set has no more. Programs of the former definitions
// may still read those. What cannot be dropped keeps no fact waiting: it is tried again.
func (w *worker) dropOld(ctx context.Context) error {
	if w.state.shownGeneration != w.state.generation {
		return nil
	}
	w.tidied = time.Now()
	rows, err := w.conn.Query(ctx, `select table_name, fact, coalesce(retired_at <= clock_timestamp() - make_interval(secs => $3), true)
from readside.cold_watermarks where projector = $1 and generation < $2`, w.cfg.Name, w.state.generation, w.cfg.KeepFormer.Seconds())
	if err != nil {
		return fmt.Errorf("find the old tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[oldTable])
	if err != nil {
		return fmt.Errorf("find the old tables: %w", err)
	}
	known, current := map[string]bool{}, []string{}
	for _, m := range w.cfg.Set.Facts() {
		known[m.Name] = true
		current = append(current, m.Table()+"_g")
	}
	for _, t := range tables {
		sameDefinition := slices.ContainsFunc(current, func(prefix string) bool { return strings.HasPrefix(t.TableName, prefix) })
		if !sameDefinition && !t.Over {
			continue
		}
		if err := w.dropOldTable(ctx, t, known[t.Fact]); err != nil {
			w.cfg.Logger.WarnContext(ctx, "an old table of the facts was not dropped; the next worker tries again", "projector", w.cfg.Name, "table", t.TableName, "error", err)
		}
	}
	return ctx.Err()
}

// oldTable is a table of a former generation; Over says that its rollback window is over.
type oldTable struct {
	TableName, Fact string
	Over            bool
}

func (w *worker) dropOldTable(ctx context.Context, t oldTable, known bool) error {
	if !known {
		if err := w.exec(ctx, "drop the mart's view "+t.Fact, "DROP VIEW IF EXISTS "+qualified(w.cfg.Mart, t.Fact)); err != nil {
			return err
		}
	}
	if err := w.exec(ctx, "drop the old table "+t.TableName, dropTable(w.database, t.TableName)+dropAnySize); err != nil {
		return err
	}
	if _, err := w.conn.Exec(ctx, `delete from readside.cold_watermarks where table_name = $1`, t.TableName); err != nil {
		return fmt.Errorf("forget the old table %s: %w", t.TableName, err)
	}
	return nil
}
