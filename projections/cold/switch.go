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

// The mart goes over to a new generation by one row of the table of watermarks, which says
// which generation is shown. ClickHouse gives one snapshot of a table to all subqueries of
// a query, so all of them see the same generation and the same watermarks, of all facts:
//
//	views read g1 ──▶ views can read g1 and g2 ──▶ row: g2 is shown ──▶ views read g2, g1 goes
//	                                     └─ no query is older ─┘  └─ no query is older ─┘
//
// A query whose view cannot read the generation that is shown in its snapshot fails, and
// never shows less.

// publish lets analysts see up to the checkpoint.
func (w *worker) publish(ctx context.Context) error {
	marks := map[string]uint64{}
	for _, m := range w.cfg.Set.Facts() {
		marks[TableName(m, w.state.generation)] = uint64(w.state.position.Place())
	}
	if err := w.putMarks(ctx, marks); err != nil {
		return err
	}
	return w.mark(ctx)
}

// putMarks writes rows of the table of watermarks, as one block: all or none are seen.
func (w *worker) putMarks(ctx context.Context, marks map[string]uint64) error {
	return w.putMarksInto(ctx, watermarkTable, marks)
}

func (w *worker) putMarksInto(ctx context.Context, table string, marks map[string]uint64) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes([]clickhouse.ColumnNameAndType{
		{Name: "table_name", Type: "String"}, {Name: "place", Type: "UInt64"}, {Name: "incarnation", Type: "Int32"},
	}))
	into, err := w.cfg.ClickHouse.PrepareBatch(ctx, "INSERT INTO "+qualified(w.database, table)+" (table_name, place, incarnation)")
	if err != nil {
		return fmt.Errorf("publish the watermark: %w", err)
	}
	defer into.Close()
	for name, place := range marks {
		if err := into.Append(name, place, w.incarnation); err != nil {
			return fmt.Errorf("publish the watermark: %w", err)
		}
	}
	if err := into.Send(); err != nil {
		return fmt.Errorf("publish the watermark: %w", err)
	}
	return nil
}

// showAgain makes the mart what this program would make of it: a store that an older one
// filled has no row yet that says which generation is shown.
func (w *worker) showAgain(ctx context.Context) error {
	w.switched, w.untidy = time.Now(), true
	if w.rebuilds != "" || w.state.shownGeneration == 0 {
		return nil
	}
	if err := w.putMarks(ctx, map[string]uint64{shownMark: uint64(w.state.shownGeneration)}); err != nil {
		return err
	}
	return w.viewWatermarks(ctx)
}

func (w *worker) viewWatermarks(ctx context.Context) error {
	return w.exec(ctx, "create the mart's view "+martWatermarks, createMartWatermarks(w.cfg.Set, w.database, w.cfg.Mart))
}

// show switches the mart to this generation once it has come to where the one shown stood.
func (w *worker) show(ctx context.Context) error {
	if w.rebuilds != "" || w.state.shownGeneration == w.state.generation || w.state.position.Place() < w.state.shownPlace {
		return nil
	}
	if err := w.exec(ctx, "create the mart", "CREATE DATABASE IF NOT EXISTS "+ident(w.cfg.Mart)+
		" COMMENT 'Facts for analysts: complete up to a published place of the log'"); err != nil {
		return err
	}
	started := time.Now()
	if err := w.readEither(ctx); err != nil {
		return err
	}
	if err := w.awaitQueries(ctx, started); err != nil {
		return err
	}
	if err := w.keepFormer(ctx); err != nil {
		return err
	}
	if err := w.putMarks(ctx, map[string]uint64{shownMark: uint64(w.state.generation)}); err != nil {
		return err
	}
	w.switched, w.untidy = time.Now(), true
	if err := w.at(stepAnnounced); err != nil {
		return err
	}
	if err := w.viewNew(ctx); err != nil {
		return err
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
	w.state.shownGeneration, w.shown = w.state.generation, -1
	if err := w.at(stepShown); err != nil {
		return err
	}
	return w.tidy(ctx)
}

// readEither lets views read the generation shown and this one, whichever the query's
// snapshot says. Where a fact's columns differ it cannot: its view is replaced at the switch.
func (w *worker) readEither(ctx context.Context) error {
	if w.state.shownGeneration == 0 {
		return nil
	}
	for _, m := range w.cfg.Set.Facts() {
		former, err := w.formerTable(ctx, m)
		if err != nil {
			return err
		}
		if former == "" {
			continue
		}
		view := martView(m, w.database, w.cfg.Mart, martTable{former, w.state.shownGeneration}, martTable{TableName(m, w.state.generation), w.state.generation})
		if err := w.exec(ctx, "let the mart's view "+m.Name+" read both generations", view); err != nil {
			return err
		}
	}
	return nil
}

// formerTable is the table of a fact that is shown now, if it has the same columns.
func (w *worker) formerTable(ctx context.Context, m *projections.FactModel) (table string, err error) {
	err = w.conn.QueryRow(ctx, `select coalesce(min(table_name), '') from readside.cold_watermarks where projector = $1 and generation = $2 and fact = $3`,
		w.cfg.Name, w.state.shownGeneration, m.Name).Scan(&table)
	if err != nil || table == "" {
		return "", err
	}
	rows, err := w.cfg.ClickHouse.Query(ctx, "SELECT concat(name, ' ', type) FROM system.columns WHERE database = "+quote(w.database)+" AND table = "+quote(table))
	if err != nil {
		return "", fmt.Errorf("read the columns of %s: %w", table, err)
	}
	defer rows.Close()
	var there []string
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			return "", err
		}
		there = append(there, column)
	}
	for i := range m.Columns {
		if !slices.Contains(there, m.Columns[i].Name+" "+columnType(&m.Columns[i])) {
			return "", rows.Err()
		}
	}
	return table, rows.Err()
}

// viewNew makes the views that cannot read this generation yet.
func (w *worker) viewNew(ctx context.Context) error {
	for _, m := range w.cfg.Set.Facts() {
		former, err := "", error(nil)
		if w.state.shownGeneration > 0 {
			former, err = w.formerTable(ctx, m)
		}
		if err != nil {
			return err
		}
		if former != "" {
			continue // it reads either
		}
		if err := w.exec(ctx, "create the mart's view "+m.Name, CreateMartView(m, w.database, w.cfg.Mart, w.state.generation)); err != nil {
			return err
		}
	}
	return w.viewWatermarks(ctx)
}

// How long a switch waits for queries that began before the views could read both
// generations. Those that last longer fail if they read a view again.
const (
	queriesPoll = 20 * time.Millisecond
	queriesWait = 5 * time.Second
)

// awaitQueries waits until queries have ended that began before a moment.
func (w *worker) awaitQueries(ctx context.Context, before time.Time) error {
	if w.state.shownGeneration == 0 {
		return nil
	}
	for end := time.Now().Add(queriesWait); time.Now().Before(end); {
		older, err := w.olderQueries(ctx, before)
		if err != nil || !older {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(queriesPoll):
		}
	}
	return nil
}

// olderQueries reports whether a query that may read the mart began before a moment. It is
// measured by how long it runs, so that nobody's clock has to be right.
func (w *worker) olderQueries(ctx context.Context, before time.Time) (bool, error) {
	var older uint64
	err := w.cfg.ClickHouse.QueryRow(ctx, fmt.Sprintf(`SELECT count() FROM system.processes WHERE elapsed >= %f AND query_id != queryID()
 AND NOT startsWith(query_id, %[2]s) AND (current_database IN (%[3]s, %[4]s) OR position(query, %[3]s) > 0 OR position(query, %[4]s) > 0)`,
		time.Since(before).Seconds(), quote(w.database+"."), quote(w.database), quote(w.cfg.Mart))).Scan(&older)
	if err != nil {
		return false, fmt.Errorf("look for queries of the former tables: %w", err)
	}
	return older > 0, nil
}

// tidyEvery is how often a worker looks for tables whose rollback window is over.
const tidyEvery = 10 * time.Minute

// tidy leaves the views with the generation shown alone, and drops former tables, once no
// query can read those any more: neither one that began before the switch, nor one that
// read the views while they still named both. A query that lasts keeps the tables, which
// costs space only.
func (w *worker) tidy(ctx context.Context) error {
	if w.rebuilds != "" || w.state.shownGeneration != w.state.generation || !w.untidy && time.Since(w.tidied) < tidyEvery {
		return nil
	}
	if w.narrowed.Before(w.switched) {
		older, err := w.olderQueries(ctx, w.switched)
		if err != nil || older {
			return err
		}
		for _, m := range w.cfg.Set.Facts() {
			if err := w.exec(ctx, "create the mart's view "+m.Name, CreateMartView(m, w.database, w.cfg.Mart, w.state.generation)); err != nil {
				return err
			}
		}
		w.narrowed = time.Now()
	}
	older, err := w.olderQueries(ctx, w.narrowed)
	if err != nil || older {
		return err
	}
	if err := w.dropOld(ctx); err != nil {
		return err
	}
	w.untidy, w.tidied = false, time.Now()
	return nil
}

// tellParked lets analysts see how many events the tables shown have no rows of, where that
// is not what they see already.
func (w *worker) tellParked(ctx context.Context) error {
	if w.rebuilds != "" || w.state.shownGeneration == 0 || w.waiting == w.shown {
		return nil
	}
	return w.publishParked(ctx)
}

func (w *worker) publishParked(ctx context.Context) error {
	counts := map[string][2]uint64{}
	rows, err := w.conn.Query(ctx, `select fact, count(*) filter (where state <> 'discarded'), count(*) filter (where state = 'discarded')
  from readside.cold_parked where projector = $1 and generation = $2 group by fact`, w.cfg.Name, w.state.shownGeneration)
	if err != nil {
		return fmt.Errorf("count what is parked: %w", err)
	}
	var fact string
	var parked, discarded int64
	_, err = pgx.ForEachRow(rows, []any{&fact, &parked, &discarded}, func() error {
		counts[fact] = [2]uint64{uint64(parked), uint64(discarded)}
		return nil
	})
	if err != nil {
		return fmt.Errorf("count what is parked: %w", err)
	}
	into, err := w.cfg.ClickHouse.PrepareBatch(ctx, "INSERT INTO "+qualified(w.database, leftOutTable)+" (fact, table_name, parked, discarded, version)")
	if err != nil {
		return fmt.Errorf("publish what is parked: %w", err)
	}
	defer into.Close()
	w.published++
	for _, m := range w.cfg.Set.Facts() {
		// A former worker's rows are of a lower epoch, however late they come.
		err := into.Append(m.Name, TableName(m, w.state.shownGeneration), counts[m.Name][0], counts[m.Name][1], uint64(w.state.epoch)<<32+w.published)
		if err != nil {
			return fmt.Errorf("publish what is parked: %w", err)
		}
	}
	if err := into.Send(); err != nil {
		return fmt.Errorf("publish what is parked: %w", err)
	}
	w.shown = w.waiting
	return nil
}

// dropOld drops the tables of earlier generations: at once where only the generation is
// another, and after KeepFormer where the definitions are, with the views of facts that
// the set has no more. Programs of the former definitions may still read those. A table
// that cannot be dropped keeps no fact waiting: it is tried again.
func (w *worker) dropOld(ctx context.Context) error {
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
			w.cfg.Logger.WarnContext(ctx, "an old table of the facts was not dropped; it is tried again", "projector", w.cfg.Name, "table", t.TableName, "error", err)
		}
	}
	_, err = w.conn.Exec(ctx, `delete from readside.cold_parked where projector = $1 and generation < $2`, w.cfg.Name, w.state.generation)
	if err != nil {
		return fmt.Errorf("forget what the old tables had no rows of: %w", err)
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
