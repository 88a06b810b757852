package cold

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// A copy of the log (a promoted standby, a restore, a dump) is another incarnation of it,
// with a ledger of an earlier moment: ClickHouse may hold blocks that it does not know, and
// their writer may still live. A worker that finds so takes ClickHouse over, before it
// writes:
//
//	is it ours? ─▶ record: ours ─▶ tables take our blocks only ─▶ watermarks as the ledger has
//	   └─ ask an operator            (late ones are refused)        them ─▶ rows beyond: out
//
// Each step may be done again. The numbers of our blocks are in a range of the incarnation's
// own (readside.follow_log), and so are their tokens.

// copyView names, in ClickHouse, the incarnation of the log whose ledger the tables follow.
const copyView = "readside_incarnation"

// batchShift is behind which bit of a block's number its incarnation stands.
const batchShift = 32

// ownBlocks is the constraint by which a table takes the blocks of one incarnation only.
const ownBlocks = "of_incarnation"

// where is an incarnation of the log, and the database that it began in.
type where struct {
	incarnation int32
	system      int64
	timeline    int32
	database    int64
	relation    int64
}

// succeeds reports whether w is surely what became of a former incarnation: the same
// cluster on a later timeline, which a promotion or a recovery began. A dump, or another
// cluster, may as well be a copy for trying something out beside the one that goes on.
func (w where) succeeds(former where) bool {
	return w.system == former.system && w.database == former.database && w.relation == former.relation && w.timeline > former.timeline
}

// CopyError is returned while ClickHouse follows another copy of this log.
type CopyError struct {
	Database    string
	Incarnation int32
}

func (e *CopyError) Error() string {
	return fmt.Sprintf("the ClickHouse database %q holds the facts of another copy of this log (incarnation %d)", e.Database, e.Incarnation)
}

const hintCopy = "if that copy is gone for good, order that this one takes ClickHouse over (facts take-over); if it goes on, give this one a ClickHouse database of its own"

// errOtherFirst is returned to a rebuild until the projector that it is beside has taken over.
var errOtherFirst = errors.New("ClickHouse is not taken over yet: the cold projector does that first")

// standing is what decides whether ClickHouse is ours.
type standing struct {
	here where
	// recorded is whose it is, taken the incarnation that brought its tables to the
	// checkpoint, confirmed the one that an operator let take it; 0 for none.
	recorded, taken, confirmed int32
	// first reports whether the log never had another incarnation.
	first bool
}

// ours refuses a ClickHouse that follows another copy of the log.
func (w *worker) ours(ctx context.Context) error {
	if err := w.cfg.Log.Renew(ctx); err != nil {
		return err
	}
	s, former, err := w.stand(ctx)
	if err != nil {
		return err
	}
	if s.mayTake(former) {
		w.standing = s
		return nil
	}
	refusal := &CopyError{Database: w.database, Incarnation: former.incarnation}
	if err := w.noteCopy(ctx, refusal); err != nil {
		return err
	}
	return fmt.Errorf("cold projector %s: %w: %s", w.cfg.Name, refusal, hintCopy)
}

func (s standing) mayTake(former where) bool {
	return former.incarnation == 0 || former.incarnation == s.here.incarnation || s.confirmed == s.here.incarnation || s.here.succeeds(former)
}

// stand reads where the log is, and whom ClickHouse follows.
func (w *worker) stand(ctx context.Context) (s standing, former where, err error) {
	err = w.conn.QueryRow(ctx, `select i.incarnation, i.system_identifier, i.timeline, i.database::bigint, i.relation::bigint,
       not exists (select from eventlog.incarnations o where o.number < i.number), coalesce(c.clickhouse_incarnation, 0), coalesce(c.takes_clickhouse, 0)
  from eventlog.incarnations i left join readside.cold_checkpoint c on c.name = $1 order by i.number desc limit 1`, w.cfg.Name).
		Scan(&s.here.incarnation, &s.here.system, &s.here.timeline, &s.here.database, &s.here.relation, &s.first, &s.taken, &s.confirmed)
	if err != nil {
		return s, former, fmt.Errorf("look where the log is: %w", explain(err))
	}
	there, err := w.has(ctx, copyView)
	if err != nil {
		return s, former, err
	}
	if there {
		err = w.cfg.ClickHouse.QueryRow(ctx, "SELECT incarnation, system_identifier, timeline, database_oid, relation FROM "+qualified(w.database, copyView)).
			Scan(&former.incarnation, &former.system, &former.timeline, &former.database, &former.relation)
		s.recorded = former.incarnation
	} else if s.taken != 0 {
		// A store of the version before, which recorded nothing.
		err = w.conn.QueryRow(ctx, `select incarnation, system_identifier, timeline, database::bigint, relation::bigint from eventlog.incarnations where incarnation = $1`, s.taken).
			Scan(&former.incarnation, &former.system, &former.timeline, &former.database, &former.relation)
		if errors.Is(err, pgx.ErrNoRows) {
			err = nil
		}
	}
	if err != nil {
		return s, former, fmt.Errorf("look which copy of the log ClickHouse follows: %w", err)
	}
	return s, former, nil
}

// noteCopy lets status show why the facts stand still.
func (w *worker) noteCopy(ctx context.Context, refusal *CopyError) error {
	doc, err := faultDocument(Fault{Error: refusal.Error(), Hint: hintCopy})
	if err != nil {
		return err
	}
	_, err = w.conn.Exec(ctx, `update readside.cold_checkpoint set state = 'halted', fault = $2, updated_at = clock_timestamp() where name = $1`, w.cfg.Name, doc)
	return err
}

// takeClickHouse brings ClickHouse to the checkpoint where another incarnation wrote last.
func (w *worker) takeClickHouse(ctx context.Context) error {
	here := w.standing.here
	w.incarnation = here.incarnation
	if w.standing.recorded != here.incarnation {
		if w.rebuilds != "" {
			return errOtherFirst
		}
		if err := w.exec(ctx, "record the incarnation in ClickHouse", recordCopy(w.database, here)); err != nil {
			return err
		}
	}
	var taken int32 // a checkpoint that was begun in this turn has nothing to take over
	if err := w.conn.QueryRow(ctx, `select coalesce(clickhouse_incarnation, 0) from readside.cold_checkpoint where name = $1`, w.cfg.Name).Scan(&taken); err != nil {
		return fmt.Errorf("look whether ClickHouse is taken over: %w", explain(err))
	}
	if taken == here.incarnation && (w.standing.recorded == here.incarnation || w.standing.recorded == 0) {
		return nil
	}
	w.cfg.Logger.WarnContext(ctx, "the log is another copy than the one that wrote the facts: what it does not know is taken out", "projector", w.cfg.Name, "incarnation", here.incarnation)
	if err := w.reconcile(ctx); err != nil {
		return err
	}
	return w.fenced(ctx, "note that ClickHouse is taken over", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update readside.cold_checkpoint set clickhouse_incarnation = $2, takes_clickhouse = null where name = $1`, w.cfg.Name, here.incarnation)
		return err
	})
}

func recordCopy(database string, here where) string {
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s AS SELECT toInt32(%d) AS incarnation, toInt64(%d) AS system_identifier, toInt32(%d) AS timeline, toInt64(%d) AS database_oid, toInt64(%d) AS relation",
		qualified(database, copyView), here.incarnation, here.system, here.timeline, here.database, here.relation)
}

// reconcile leaves in ClickHouse what the ledger knows, and nothing else.
func (w *worker) reconcile(ctx context.Context) error {
	if !w.state.tablesMade {
		return w.remark(ctx)
	}
	tables, whole, err := w.ownTables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := w.fence(ctx, t.name); err != nil {
			return err
		}
	}
	if err := w.remark(ctx); err != nil {
		return err
	}
	for _, t := range tables {
		if err := w.withdrawLost(ctx, t); err != nil {
			return fmt.Errorf("take lost blocks out of table %s: %w", t.name, err)
		}
		rows, err := w.rowsOf(ctx, t)
		if err != nil {
			return err
		}
		whole = whole && (t.generation != w.state.generation || rows == uint64(t.rows))
	}
	if err := w.forgetPlans(ctx); err != nil {
		return err
	}
	if whole {
		return nil
	}
	return w.beginAnew(ctx)
}

// factTable is a table that the ledger says is there, with so many rows.
type factTable struct {
	name, fact string
	generation int
	rows       int64
}

// ownTables are the tables of the generations that are written and shown; whole is false
// where one that is written is gone.
func (w *worker) ownTables(ctx context.Context) (tables []factTable, whole bool, err error) {
	rows, err := w.conn.Query(ctx, `select table_name, fact, generation, rows from readside.cold_watermarks where projector = $1 and generation in ($2, $3) order by table_name`,
		w.cfg.Name, w.state.generation, w.state.shownGeneration)
	if err != nil {
		return nil, false, fmt.Errorf("list the tables of the facts: %w", explain(err))
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t factTable, err error) {
		return t, row.Scan(&t.name, &t.fact, &t.generation, &t.rows)
	})
	if err != nil {
		return nil, false, fmt.Errorf("list the tables of the facts: %w", err)
	}
	whole = true
	for _, t := range all {
		there, err := w.has(ctx, t.name)
		if err != nil {
			return nil, false, err
		}
		if there {
			tables = append(tables, t)
		}
		whole = whole && (there || t.generation != w.state.generation)
	}
	return tables, whole, nil
}

// fence lets a table take blocks of this incarnation only, and ends the statements that
// began before: from here on no other writer changes it.
func (w *worker) fence(ctx context.Context, table string) error {
	name := qualified(w.database, table)
	for _, sql := range []string{
		"ALTER TABLE " + name + " DROP CONSTRAINT IF EXISTS " + ownBlocks,
		"ALTER TABLE " + name + " ADD CONSTRAINT " + ownBlocks + " CHECK " + w.ownBlock(),
	} {
		if err := w.exec(ctx, "let table "+table+" take blocks of this incarnation only", sql); err != nil {
			return err
		}
	}
	rows, err := w.cfg.ClickHouse.Query(ctx, "SELECT query_id FROM system.processes WHERE startsWith(query_id, "+quote(w.database+"."+table+"/")+")")
	if err != nil {
		return fmt.Errorf("look for blocks on their way: %w", err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("look for blocks on their way: %w", err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look for blocks on their way: %w", err)
	}
	for _, id := range ids {
		if err := w.kill(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// fenceNew fences a table that was made just now. In the log's first incarnation nobody has
// lost blocks that could come to it.
func (w *worker) fenceNew(ctx context.Context, table string) error {
	if w.standing.first {
		return nil
	}
	return w.fence(ctx, table)
}

func (w *worker) ownBlock() string {
	return fmt.Sprintf("bitShiftRight(%s, %d) = %d", batchColumn, batchShift, w.incarnation)
}

// remark sets the watermarks back to what the ledger has. The table of watermarks keeps the
// highest, so that it is replaced, in one step; the new one takes none of other incarnations.
func (w *worker) remark(ctx context.Context) error {
	if w.rebuilds != "" {
		return nil // its tables are shown to nobody
	}
	if err := w.makeControlTables(ctx); err != nil {
		return err
	}
	const next = watermarkTable + "_next"
	for _, sql := range []string{
		dropTable(w.database, next) + " SYNC",
		createWatermarks(w.database, next, w.incarnation),
	} {
		if err := w.exec(ctx, "make the table of watermarks anew", sql); err != nil {
			return err
		}
	}
	marks, err := w.ledgerMarks(ctx)
	if err != nil {
		return err
	}
	if err := w.putMarksInto(ctx, next, marks); err != nil {
		return err
	}
	if err := w.exec(ctx, "set the watermarks back", "EXCHANGE TABLES "+qualified(w.database, next)+" AND "+qualified(w.database, watermarkTable)); err != nil {
		return err
	}
	return w.exec(ctx, "drop the former watermarks", dropTable(w.database, next)+" SYNC")
}

// ledgerMarks are the watermarks as the ledger has them. A generation that is shown and
// gone is shown no more: queries fail until there is another.
func (w *worker) ledgerMarks(ctx context.Context) (map[string]uint64, error) {
	rows, err := w.conn.Query(ctx, `select table_name, place, generation from readside.cold_watermarks`)
	if err != nil {
		return nil, fmt.Errorf("read the watermarks: %w", explain(err))
	}
	marks, shown := map[string]uint64{}, uint64(w.state.shownGeneration)
	var name string
	var place int64
	var generation int
	var ofShown []string
	_, err = pgx.ForEachRow(rows, []any{&name, &place, &generation}, func() error {
		marks[name] = uint64(place)
		if generation == w.state.shownGeneration {
			ofShown = append(ofShown, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the watermarks: %w", err)
	}
	for _, name := range ofShown {
		there, err := w.has(ctx, name)
		if err != nil {
			return nil, err
		}
		if !there {
			shown = 0
		}
	}
	marks[shownMark] = shown
	return marks, nil
}

// withdrawLost takes out the rows that the ledger does not know: those beyond the
// checkpoint, and those of events that are parked, whose retry the ledger has lost.
func (w *worker) withdrawLost(ctx context.Context, t factTable) error {
	var parked []int64
	err := w.conn.QueryRow(ctx, `select coalesce(array_agg(place), '{}') from readside.cold_parked where projector = $1 and generation = $2 and fact = $3`,
		w.cfg.Name, t.generation, t.fact).Scan(&parked)
	if err != nil {
		return fmt.Errorf("list what is parked: %w", explain(err))
	}
	end := w.state.position.Place()
	if t.generation != w.state.generation {
		end = w.state.shownPlace
	}
	lost := fmt.Sprintf("%s > %d", positionColumn, end)
	for some := range slices.Chunk(parked, parkedInStatement) {
		list := ""
		for i, place := range some {
			if i > 0 {
				list += ", "
			}
			list += fmt.Sprint(place)
		}
		lost += " OR " + positionColumn + " IN (" + list + ")"
	}
	table := qualified(w.database, t.name)
	if err := w.cfg.ClickHouse.Exec(ctx, "ALTER TABLE "+table+" DELETE WHERE "+lost+" SETTINGS mutations_sync = 2"); err != nil {
		return err
	}
	var left uint64
	if err := w.cfg.ClickHouse.QueryRow(ctx, "SELECT count() FROM "+table+" WHERE "+lost).Scan(&left); err != nil {
		return err
	}
	if left != 0 {
		return fmt.Errorf("%d of their rows are still there", left)
	}
	return nil
}

// parkedInStatement bounds one list of places.
const parkedInStatement = 1_000

func (w *worker) rowsOf(ctx context.Context, t factTable) (rows uint64, err error) {
	if err := w.cfg.ClickHouse.QueryRow(ctx, "SELECT count() FROM "+qualified(w.database, t.name)).Scan(&rows); err != nil {
		return 0, fmt.Errorf("count table %s: %w", t.name, err)
	}
	return rows, nil
}

// forgetPlans forgets blocks that were planned under numbers of another incarnation. What
// there was of them is out: they are planned anew.
func (w *worker) forgetPlans(ctx context.Context) error {
	return w.fenced(ctx, "forget what was planned before", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from readside.cold_ledger where projector = $1 and state <> 'done' and batch >> $2 <> $3`, w.cfg.Name, batchShift, int64(w.incarnation))
		return err
	})
}

// beginAnew makes the tables anew where they do not hold what the ledger says: ClickHouse
// lost them, is another one, or went over to a generation that the ledger has lost. What is
// shown meanwhile stays as it is, unless it is gone.
func (w *worker) beginAnew(ctx context.Context) error {
	w.cfg.Logger.WarnContext(ctx, "ClickHouse does not hold the rows that the ledger says: the facts are built anew", "projector", w.cfg.Name)
	if w.rebuilds != "" {
		return w.dropAndEnd(ctx)
	}
	return w.fenced(ctx, "begin the tables anew", func(tx pgx.Tx) (err error) {
		w.state, err = newGeneration(ctx, tx, &w.cfg)
		return err
	})
}

// dropAndEnd gives a rebuild up: the tables of the projector that it is beside go on.
func (w *worker) dropAndEnd(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error { return dropRebuild(ctx, tx, w.rebuilds) })
	if err != nil {
		return err
	}
	return errNoRebuild
}

// TakeClickHouse lets the projector take over a ClickHouse that followed another copy of
// this log: an operator confirms that the copy is gone for good, or will write no facts any
// more. A running projector does it at its next try.
func (p *Projector) TakeClickHouse(ctx context.Context) error {
	tag, err := p.cfg.Pool.Exec(ctx, `update readside.cold_checkpoint c set takes_clickhouse = l.incarnation, clickhouse_incarnation = null
  from eventlog.log l where c.name = $1 or c.rebuilds = $1`, p.cfg.Name)
	if err != nil {
		return fmt.Errorf("take ClickHouse over: %w", explain(err))
	}
	if tag.RowsAffected() == 0 {
		return ErrNotStarted
	}
	return nil
}
