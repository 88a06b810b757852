package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Generation is a row of readside.views: one table of a view.
type Generation struct {
	Number      int
	Table       string
	Fingerprint string
	// Live reports whether readers read it.
	Live bool
}

// LiveGeneration finds the table of a projector's view that readers read; ok is false
// where there is none yet.
func LiveGeneration(ctx context.Context, q Rower, projector, view string) (g Generation, ok bool, err error) {
	g, ok, err = WrittenGeneration(ctx, q, projector, view)
	return g, ok && g.Live, err
}

// WrittenGeneration finds the table that a projector writes a view to.
func WrittenGeneration(ctx context.Context, q Rower, projector, view string) (g Generation, ok bool, err error) {
	err = q.QueryRow(ctx, `select generation, table_name, fingerprint, state = 'live' from readside.views where projector = $1 and view = $2 and state <> 'retired'`,
		projector, view).Scan(&g.Number, &g.Table, &g.Fingerprint, &g.Live)
	if errors.Is(err, pgx.ErrNoRows) {
		return g, false, nil
	}
	if err != nil {
		return g, false, fmt.Errorf("find the generation of view %s: %w", view, Explain(err))
	}
	return g, true, nil
}

// LiveGenerations returns the tables of a projector that readers read, by view.
func LiveGenerations(ctx context.Context, q Queryer, projector string) (map[string]Generation, error) {
	rows, err := q.Query(ctx, `select view, generation, table_name, fingerprint from readside.views where projector = $1 and state = 'live'`, projector)
	if err != nil {
		return nil, Explain(err)
	}
	live := map[string]Generation{}
	var view string
	g := Generation{Live: true}
	_, err = pgx.ForEachRow(rows, []any{&view, &g.Number, &g.Table, &g.Fingerprint}, func() error { live[view] = g; return nil })
	return live, Explain(err)
}

// Unvacuumed returns the tables of a projector that were made by an older version, without
// settings of autovacuum; what an operator has set stays.
func Unvacuumed(ctx context.Context, q Queryer, projector string) ([]string, error) {
	return Names(ctx, q, `select v.table_name from readside.views v join pg_class c on c.oid = to_regclass(format('views.%I', v.table_name))
where v.projector = $1 and v.state <> 'retired' and not exists (select from unnest(c.reloptions) o where o like 'autovacuum_vacuum_scale_factor=%')`, projector)
}

// WrittenTables returns the tables that a projector writes to, by view.
func WrittenTables(ctx context.Context, q Queryer, projector string) (map[string]string, error) {
	rows, err := q.Query(ctx, `select view, table_name from readside.views where projector = $1 and state <> 'retired'`, projector)
	if err != nil {
		return nil, Explain(err)
	}
	tables := map[string]string{}
	var view, table string
	_, err = pgx.ForEachRow(rows, []any{&view, &table}, func() error { tables[view] = table; return nil })
	return tables, Explain(err)
}

// ActivateSQL makes what was built visible to readers, all at once.
const ActivateSQL = `update readside.views set state = 'live', live_at = clock_timestamp() where projector = $1::text and state = 'building'`

// NextGeneration returns the number of a view's next generation, and lets nobody else take
// it until the transaction ends; table is the name of the view's tables without the number.
func NextGeneration(ctx context.Context, tx pgx.Tx, view string, version int, table string) (number int, err error) {
	// One at a time for each view: two projectors would take the same number.
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('readside.generation:' || $1, 0))`, table); err != nil {
		return 0, err
	}
	// Tables count too: their rows in readside.views may have been dropped.
	err = tx.QueryRow(ctx, `select coalesce(max(generation), 0) + 1 from (
  select generation from readside.views where view = $1 and version = $2
  union all
  select substring(tablename from '[0-9]+$')::int from pg_tables where schemaname = $3 and tablename ~ ('^' || $4 || '_g[0-9]{1,9}$')
) used`, view, version, viewsSchema, table).Scan(&number)
	return number, err
}

// AddGeneration writes a generation down that is being built.
func AddGeneration(ctx context.Context, tx pgx.Tx, projector, view string, version int, g Generation) error {
	_, err := tx.Exec(ctx, `insert into readside.views (view, version, generation, projector, table_name, fingerprint, state)
values ($1, $2, $3, $4, $5, $6, 'building')`, view, version, g.Number, projector, g.Table, g.Fingerprint)
	return err
}

// Hidden reports whether readers do not see a projector's views yet.
func Hidden(ctx context.Context, q Rower, projector string) (hidden bool, err error) {
	err = q.QueryRow(ctx, `select not exists (select from readside.views where projector = $1 and state = 'live')`, projector).Scan(&hidden)
	return hidden, err
}
