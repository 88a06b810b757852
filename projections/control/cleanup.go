package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// viewsSchema has the tables of all generations.
const viewsSchema = "views"

// idleSQL is since when nobody has worked for a projector p: its last batch, or the
// end of a lease of its own or of one that rebuilds a view of it.
const idleSQL = `greatest(p.updated_at, (select max(l.expires_at) from readside.leases l
  where l.projector = p.name or l.projector in (select s.name from readside.projectors s where s.rebuilds = p.name)))`

// IdleProjectors returns the projectors of p's base with other definitions, and the
// rebuilds of p's own views, that nobody has worked for since longer than idle.
func (p Projector) IdleProjectors(ctx context.Context, conn *pgx.Conn, idle time.Duration) ([]string, error) {
	return Names(ctx, conn, `select p.name from readside.projectors p
 where p.base = $1 and p.name <> $2 and (p.rebuilds is null or p.rebuilds = $2)
   and `+idleSQL+` < clock_timestamp() - make_interval(secs => $3)`, p.Base, p.Name, idle.Seconds())
}

// DropProjector drops a projector, those that rebuild its views, and all their tables;
// or, where somebody reads one of them or has worked for it since idle, nothing: a partly
// dropped projector could not be resumed.
func DropProjector(ctx context.Context, conn *pgx.Conn, name string, idle, patience time.Duration) (dropped bool, err error) {
	unlocked, err := UnlessLocked(ctx, conn, patience, func(tx pgx.Tx) error {
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
	tables, err := Names(ctx, tx, `select v.table_name from readside.views v join readside.projectors p on p.name = v.projector where p.name = $1 or p.rebuilds = $1 order by 1`, name)
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

// retiredStays is longer than any snapshot that may read a retired generation.
const retiredStays = 10 * time.Minute

// DropRetired drops the generations of a projector that no snapshot can need any more,
// those that nobody has locked for longer than patience.
func DropRetired(ctx context.Context, conn *pgx.Conn, name string, patience time.Duration) error {
	tables, err := Names(ctx, conn, `select table_name from readside.views where projector = $1 and state = 'retired' and retired_at < clock_timestamp() - make_interval(secs => $2)`,
		name, retiredStays.Seconds())
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range tables {
		_, err := UnlessLocked(ctx, conn, patience, func(tx pgx.Tx) error {
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

func dropTables(ctx context.Context, tx pgx.Tx, tables []string) error {
	for _, t := range tables {
		if _, err := tx.Exec(ctx, "drop table if exists "+pgx.Identifier{viewsSchema, t}.Sanitize()); err != nil {
			return err
		}
	}
	return nil
}

const lockNotAvailable = "55P03"

// UnlessLocked runs work in a transaction that does not wait for others' locks for
// longer than patience; unlocked is false where it would have to.
func UnlessLocked(ctx context.Context, conn *pgx.Conn, patience time.Duration, work func(pgx.Tx) error) (unlocked bool, err error) {
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

// Names returns the texts that a query selects.
func Names(ctx context.Context, q Queryer, sql string, args ...any) ([]string, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
