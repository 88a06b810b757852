package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/projections/hot"
)

// An owner drops what no reader needs any more: generations that were relieved, the
// views of former definitions, rebuilds that nobody goes on with. None of that is worth
// a halt: what somebody still reads, or what cannot be dropped, stays until next time.

// tidyEvery is how often an owner looks for what nobody needs any more.
const tidyEvery = 10 * time.Minute

// tidy drops what nobody needs. It fails only where the owner cannot go on either.
func (w *worker) tidy(ctx context.Context) error {
	err := errors.Join(w.setVacuuming(ctx), w.dropRetired(ctx, w.conn))
	if !w.building { // until this one serves, a former one does
		err = errors.Join(err, w.dropForgotten(ctx, w.conn))
	}
	if err == nil || ctx.Err() != nil || w.conn.IsClosed() {
		return err
	}
	w.logKept(ctx, err)
	return nil
}

// setVacuuming gives tables of older versions the settings that new ones are made with.
func (w *worker) setVacuuming(ctx context.Context) error {
	tables, err := names(ctx, w.conn, hot.UnvacuumedSQL, w.name)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range tables {
		_, err := unlessLocked(ctx, w.conn, tidyPatience, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, hot.Vacuumed(t))
			return err
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("set how the table %s is vacuumed: %w", t, err))
		}
	}
	return errors.Join(errs...)
}

// logKept logs what could not be dropped.
func (p *Projector) logKept(ctx context.Context, err error) {
	p.cfg.Logger.WarnContext(ctx, "what nobody needs could not be dropped: it stays until next time", "projector", p.name, "error", err)
}

const (
	// retiredStays is longer than any snapshot that may read a retired generation.
	retiredStays = 10 * time.Minute
	// tidyPatience is how long an owner waits for a table: it has work to do.
	tidyPatience = 200 * time.Millisecond
	// shadowPatience is longer than Postgres needs to call an autovacuum off.
	shadowPatience = 5 * time.Second
)

// dropRetired drops generations that no snapshot can need any more.
func (p *Projector) dropRetired(ctx context.Context, conn *pgx.Conn) error {
	tables, err := names(ctx, conn, `select table_name from readside.views where projector = $1 and state = 'retired' and retired_at < clock_timestamp() - make_interval(secs => $2)`,
		p.name, retiredStays.Seconds())
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range tables {
		_, err := unlessLocked(ctx, conn, tidyPatience, func(tx pgx.Tx) error {
			if err := dropTables(ctx, tx, []string{t}); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `delete from readside.views where table_name = $1`, t)
			return err
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("drop the retired table %s: %w", t, err))
		}
	}
	return errors.Join(errs...)
}

// idleSQL says since when nobody has worked for a projector p: its last batch, or the
// end of a lease of its own or of one that rebuilds a view of it.
const idleSQL = `greatest(p.updated_at, (select max(l.expires_at) from readside.leases l
  where l.projector = p.name or l.projector in (select s.name from readside.projectors s where s.rebuilds = p.name)))`

// dropForgotten drops the projectors of this base with other definitions, and the
// rebuilds of its own views, that nobody has worked for since longer than a rollback
// may take.
func (p *Projector) dropForgotten(ctx context.Context, conn *pgx.Conn) error {
	keep := max(p.cfg.KeepFormer, 0) // while somebody has the lease, it stays
	forgotten, err := names(ctx, conn, `select p.name from readside.projectors p
 where p.base = $1 and p.name <> $2 and (p.rebuilds is null or p.rebuilds = $2)
   and `+idleSQL+` < clock_timestamp() - make_interval(secs => $3)`, p.cfg.Name, p.name, keep.Seconds())
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range forgotten {
		dropped, err := dropProjector(ctx, conn, name, keep, tidyPatience)
		if err != nil {
			errs = append(errs, err)
		}
		if dropped {
			p.cfg.Logger.InfoContext(ctx, "dropped views that nobody has worked for, of former definitions or of a rebuild", "projector", name)
		}
	}
	return errors.Join(errs...)
}

// dropShadow drops a rebuild's own projector, which nobody must be working for.
func (p *Projector) dropShadow(ctx context.Context, conn *pgx.Conn) error {
	dropped, err := dropProjector(ctx, conn, p.name, 0, shadowPatience)
	if err != nil || dropped {
		return err
	}
	return fmt.Errorf("what was rebuilt, projector %s, is in use and could not be dropped: order the rebuild again when nobody reads its tables", p.name)
}

// dropProjector drops a projector, those that rebuild its views, and all their tables;
// or, where somebody reads one of them or has worked for it since, nothing: of half a
// projector nobody could go on.
func dropProjector(ctx context.Context, conn *pgx.Conn, name string, idle, patience time.Duration) (dropped bool, err error) {
	unlocked, err := unlessLocked(ctx, conn, patience, func(tx pgx.Tx) error {
		dropped, err = dropWhole(ctx, tx, name, idle)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("drop projector %s: %w", name, err)
	}
	return dropped && unlocked, nil
}

// dropWhole locks in the order of those who take a lease, and looks again.
func dropWhole(ctx context.Context, tx pgx.Tx, name string, idle time.Duration) (bool, error) {
	for _, sql := range []string{
		`select from readside.leases where projector = $1 or projector in (select name from readside.projectors where rebuilds = $1) order by projector for update`,
		`select from readside.projectors where name = $1 or rebuilds = $1 order by name for update`,
	} {
		if _, err := tx.Exec(ctx, sql, name); err != nil {
			return false, err
		}
	}
	var unneeded bool
	err := tx.QueryRow(ctx, `select `+idleSQL+` <= clock_timestamp() - make_interval(secs => $2) from readside.projectors p where p.name = $1`, name, idle.Seconds()).Scan(&unneeded)
	if errors.Is(err, pgx.ErrNoRows) {
		return true, nil // somebody else dropped it
	}
	if err != nil || !unneeded {
		return false, err
	}
	tables, err := names(ctx, tx, `select v.table_name from readside.views v join readside.projectors p on p.name = v.projector where p.name = $1 or p.rebuilds = $1 order by 1`, name)
	if err != nil {
		return false, err
	}
	if err := dropTables(ctx, tx, tables); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, `delete from readside.verified where projector = $1 and kind = 'view'`, name); err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, `delete from readside.projectors where name = $1`, name)
	return err == nil, err
}

const lockNotAvailable = "55P03"

// unlessLocked runs work in a transaction that does not wait for others' locks for
// longer than patience; unlocked is false where it would have to.
func unlessLocked(ctx context.Context, conn *pgx.Conn, patience time.Duration, work func(pgx.Tx) error) (unlocked bool, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("set local lock_timeout = %d", patience.Milliseconds())); err != nil {
			return err
		}
		return work(tx)
	})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == lockNotAvailable {
		return false, nil
	}
	return err == nil, err
}

func dropTables(ctx context.Context, tx pgx.Tx, tables []string) error {
	if len(tables) == 0 {
		return nil
	}
	quoted := make([]string, len(tables))
	for i, t := range tables {
		quoted[i] = pgx.Identifier{hot.Schema, t}.Sanitize()
	}
	_, err := tx.Exec(ctx, "drop table if exists "+strings.Join(quoted, ", "))
	return err
}

// queryer is what a connection and a transaction have in common.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func names(ctx context.Context, q queryer, sql string, args ...any) ([]string, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
