package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A shadow is the projector that rebuilds a view of another: see Projector.Rebuilds.

// Shadow is what a rebuild notes when it begins, and compares when it is resumed.
type Shadow struct {
	Epoch int64
	// Program is the program that began it; Begun reports whether it has made tables.
	Program string
	Begun   bool
}

// LockShadow locks a shadow's row and reads what it noted.
func LockShadow(ctx context.Context, tx pgx.Tx, name string) (s Shadow, err error) {
	err = tx.QueryRow(ctx, `select epoch, program, exists (select from readside.views where projector = name) from readside.projectors where name = $1`+ForChange,
		name).Scan(&s.Epoch, &s.Program, &s.Begun)
	return s, err
}

// BeginShadow notes the program that rebuilds, and what the projector that it rebuilds for
// has discarded of the views, before the first table is made.
func (p Projector) BeginShadow(ctx context.Context, tx pgx.Tx, program string, views []string) error {
	if _, err := tx.Exec(ctx, `update readside.projectors set program = $2 where name = $1`, p.Name, program); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `delete from readside.parked where projector = $1`, p.Name); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `insert into readside.parked (projector, view, place, key, stream, event_type, state, reason, error, hint, attempts, parked_at)
select $1, view, place, key, stream, event_type, state, reason, error, hint, attempts, parked_at
  from readside.parked where projector = $2 and state = 'discarded' and view = any($3)`, p.Name, p.Rebuilds, views)
	return err
}

// DiscardedAlike reports whether a shadow and its projector have discarded the same events of
// the views.
func (p Projector) DiscardedAlike(ctx context.Context, q Rower, views []string) (alike bool, err error) {
	err = q.QueryRow(ctx, `select not exists (select from readside.parked where projector in ($1, $2) and state = 'discarded' and view = any($3)
 group by view, place, key having count(*) <> 2)`, p.Rebuilds, p.Name, views).Scan(&alike)
	return alike, err
}

// AtSamePlace reports whether a shadow and its projector stand at the same place.
func (p Projector) AtSamePlace(ctx context.Context, q Rower) (same bool, err error) {
	err = q.QueryRow(ctx, `select count(distinct place) = 1 and count(*) = 2 from readside.projectors where name in ($1, $2)`, p.Rebuilds, p.Name).Scan(&same)
	return same, err
}

// FirstWaiting finds the first of some views of which a projector has events that wait; n is
// 0 where there is none.
func FirstWaiting(ctx context.Context, q Rower, projector string, views []string) (view string, n int, err error) {
	err = q.QueryRow(ctx, `select view, count(*) from readside.parked where projector = $1 and state <> 'discarded' and view = any($2) group by view order by view limit 1`,
		projector, views).Scan(&view, &n)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, fmt.Errorf("find what waits: %w", Explain(err))
	}
	return view, n, nil
}

// HandOver makes table next, which a shadow has built, the live generation of its
// projector's view, with what the shadow could not fold in the place of what waited; what was
// discarded both have noted. The shadow is gone then, and the projector's epoch is raised.
// It returns ErrFenced where the shadow is at another epoch.
func (p Projector) HandOver(ctx context.Context, tx pgx.Tx, epoch int64, view, next string) error {
	var now int64
	err := tx.QueryRow(ctx, `select epoch from readside.projectors where name = $1 for update`, p.Name).Scan(&now)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && now != epoch {
		return ErrFenced
	}
	if err != nil {
		return err
	}
	args := pgx.NamedArgs{"main": p.Rebuilds, "shadow": p.Name, "view": view, "next": next}
	for _, sql := range []string{
		`update readside.views set state = 'retired', retired_at = clock_timestamp() where projector = @main and view = @view and state = 'live'`,
		`update readside.views set projector = @main, state = 'live', live_at = clock_timestamp() where table_name = @next`,
		`delete from readside.parked where projector = @main and view = @view and state <> 'discarded'`,
		`delete from readside.parked where projector = @shadow and view = @view and state = 'discarded'`,
		`delete from readside.degraded where projector = @main and view = @view`,
		`update readside.parked set projector = @main where projector = @shadow and view = @view`,
		`update readside.degraded set projector = @main where projector = @shadow and view = @view`,
	} {
		if _, err := tx.Exec(ctx, sql, args); err != nil {
			return err
		}
	}
	// The sources were folded for this rebuild only.
	sources, err := Names(ctx, tx, `select table_name from readside.views where projector = $1`, p.Name)
	if err != nil {
		return err
	}
	if err := dropTables(ctx, tx, sources); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `delete from readside.projectors where name = $1`, p.Name); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update readside.projectors set epoch = epoch + 1 where name = $1`, p.Rebuilds)
	return err
}

// LiveBytes is how much the live tables of some views take, with their indexes.
func LiveBytes(ctx context.Context, q Rower, projector string, views []string) (bytes int64, err error) {
	err = q.QueryRow(ctx, `select coalesce(sum(pg_total_relation_size(('views.' || quote_ident(table_name))::regclass)), 0)::bigint
from readside.views where projector = $1 and state = 'live' and view = any($2)`, projector, views).Scan(&bytes)
	return bytes, err
}
