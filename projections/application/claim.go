package application

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Claim is an application that asks for a database.
type Claim struct {
	Name string
	// Views and Facts are the names that its definitions have.
	Views, Facts []string
	// Named is set where an operator named the application: a database that was filled
	// before applications were recorded is then taken over without comparing names.
	Named bool
}

// UnclearError is returned when a database was filled before applications were
// recorded, and what is in it does not show that it is the application's.
type UnclearError struct {
	Store, Asks string
	// Strange are the views and facts that the application does not define; where there
	// are none, there was nothing to compare.
	Strange []string
}

func (e *UnclearError) Error() string {
	why := "it has events, and no view or fact that would show whose they are"
	if len(e.Strange) > 0 {
		why = fmt.Sprintf("application %q does not define %s", e.Asks, strings.Join(e.Strange, ", "))
	}
	return fmt.Sprintf("%s was filled before applications were recorded, and %s: if it is the application's all the same, name it when you migrate", e.Store, why)
}

const haveSQL = `select current_database(), to_regclass('readside.application') is not null,
  to_regclass('eventlog.events') is not null, to_regclass('readside.projectors') is not null, to_regclass('readside.cold_watermarks') is not null`

// Fits returns an error where the database is another application's, or may be. It
// changes nothing, and works on databases of every version: ask before migrating.
func (c Claim) Fits(ctx context.Context, q Querier) error {
	if err := ValidName(c.Name); err != nil {
		return err
	}
	var database string
	var recorded, log, hot, cold bool
	if err := q.QueryRow(ctx, haveSQL).Scan(&database, &recorded, &log, &hot, &cold); err != nil {
		return fmt.Errorf("look what the database has: %w", err)
	}
	if recorded {
		var owner *string
		if err := q.QueryRow(ctx, ownerSQL).Scan(&database, &owner); err != nil {
			return fmt.Errorf("ask the database which application it belongs to: %w", err)
		}
		if owner != nil {
			return compare(database, owner, c.Name)
		}
	}
	if !log || c.Named {
		return nil
	}
	return c.recognise(ctx, q, database, hot, cold)
}

// recognise compares the names in a database that was filled before applications were
// recorded. An empty one is anybody's.
func (c Claim) recognise(ctx context.Context, q Querier, database string, hot, cold bool) error {
	var filled bool
	if err := q.QueryRow(ctx, `select exists (select from eventlog.events)`).Scan(&filled); err != nil {
		return fmt.Errorf("look whether the log has events: %w", err)
	}
	var strange []string
	found := 0
	for _, kind := range []struct {
		there bool
		sql   string
		known []string
	}{
		{hot, `select coalesce(array_agg(distinct view order by view), '{}') from readside.views`, c.Views},
		{cold, `select coalesce(array_agg(distinct fact order by fact), '{}') from readside.cold_watermarks`, c.Facts},
	} {
		if !kind.there {
			continue
		}
		var names []string
		if err := q.QueryRow(ctx, kind.sql).Scan(&names); err != nil {
			return fmt.Errorf("look which views and facts the database has: %w", err)
		}
		found += len(names)
		for _, name := range names {
			if !slices.Contains(kind.known, name) {
				strange = append(strange, name)
			}
		}
	}
	if len(strange) > 0 || filled && found == 0 {
		return &UnclearError{Store: store(database), Asks: c.Name, Strange: strange}
	}
	return nil
}

// Record writes down that the migrated database is the application's, once and for
// good. Of two applications at once one is refused.
func (c Claim) Record(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `lock table readside.application in share row exclusive mode`); err != nil {
			return fmt.Errorf("record the application: %w", err)
		}
		if err := c.Fits(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `insert into readside.application (name) values ($1) on conflict (only_row) do nothing`, c.Name); err != nil {
			return fmt.Errorf("record the application: %w", err)
		}
		return nil
	})
}

// Recorded returns the name that a database is recorded under; empty where there is none.
func Recorded(ctx context.Context, q Querier) (string, error) {
	var there bool
	if err := q.QueryRow(ctx, `select to_regclass('readside.application') is not null`).Scan(&there); err != nil || !there {
		return "", err
	}
	var name string
	err := q.QueryRow(ctx, `select coalesce((select name from readside.application), '')`).Scan(&name)
	return name, err
}
