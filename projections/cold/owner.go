package cold

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/readside/readside/projections/application"
)

// ownerView names, in ClickHouse, the application that a database's tables belong to,
// and the log that they are made from: a copy of an application with a log of its own,
// as a test installation is, would drop tables of these names just as another would.
const ownerView = "readside_application"

// claimView makes the record where there is none. It is a view, so that of two that
// make it at once one makes all of it and the other nothing.
func claimView(database, name, log string) string {
	return fmt.Sprintf("CREATE VIEW IF NOT EXISTS %s AS SELECT %s AS application, %s AS log",
		qualified(database, ownerView), quote(name), quote(log))
}

// checkOwner refuses stores that are recorded as another application's.
func (p *Projector) checkOwner(ctx context.Context) error {
	if err := application.Check(ctx, p.cfg.Pool, p.cfg.Application); err != nil {
		return err
	}
	_, err := p.recorded(ctx)
	return err
}

// recorded reports whether ClickHouse's database is recorded as this application's; it
// returns an *application.OtherError where it is another's.
func (p *Projector) recorded(ctx context.Context) (bool, error) {
	there, err := p.has(ctx, ownerView)
	if err != nil || !there {
		return false, err
	}
	var owner, log string
	if err := p.cfg.ClickHouse.QueryRow(ctx, "SELECT application, log FROM "+qualified(p.database, ownerView)).Scan(&owner, &log); err != nil {
		return false, fmt.Errorf("ask ClickHouse which application database %s belongs to: %w", p.database, err)
	}
	switch own := p.logName(); {
	case owner != p.cfg.Application:
		return false, &application.OtherError{Store: p.storeName(), Owner: owner, Asks: p.cfg.Application}
	case log != own:
		return false, &application.OtherError{Store: p.storeName(), Owner: owner + " of log " + log, Asks: p.cfg.Application + " of log " + own}
	}
	return true, nil
}

func (p *Projector) has(ctx context.Context, table string) (bool, error) {
	var n uint64
	err := p.cfg.ClickHouse.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = "+quote(p.database)+" AND name = "+quote(table)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look whether ClickHouse has table %s: %w", table, err)
	}
	return n > 0, nil
}

func (p *Projector) storeName() string { return fmt.Sprintf("the ClickHouse database %q", p.database) }

func (p *Projector) logName() string {
	log, _, _ := p.cfg.Log.Start().Parts()
	return log.String()
}

// claim lets ClickHouse's database belong to the application, unless it is another's.
// One that was filled before applications were recorded is taken over where the ledger
// in Postgres knows every table of facts in it.
func (w *worker) claim(ctx context.Context) error {
	if err := application.Check(ctx, w.conn, w.cfg.Application); err != nil {
		return err
	}
	done, err := w.recorded(ctx)
	if err != nil || done {
		return err
	}
	if err := w.recognise(ctx); err != nil {
		return err
	}
	if err := w.exec(ctx, "record the application in ClickHouse", claimView(w.database, w.cfg.Application, w.logName())); err != nil {
		return err
	}
	_, err = w.recorded(ctx) // another may have been first
	return err
}

// recognise refuses a database with tables of facts that the ledger does not know.
func (w *worker) recognise(ctx context.Context) error {
	there, err := w.has(ctx, watermarkTable)
	if err != nil || !there {
		return err
	}
	rows, err := w.cfg.ClickHouse.Query(ctx, fmt.Sprintf("SELECT DISTINCT table_name FROM %s WHERE table_name IN (SELECT name FROM system.tables WHERE database = %s) ORDER BY table_name",
		qualified(w.database, watermarkTable), quote(w.database)))
	if err != nil {
		return fmt.Errorf("look which tables of facts ClickHouse has: %w", err)
	}
	defer rows.Close()
	var strange []string
	known, err := w.ledgerTables(ctx)
	if err != nil {
		return err
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return fmt.Errorf("look which tables of facts ClickHouse has: %w", err)
		}
		if !slices.Contains(known, name) {
			strange = append(strange, name)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look which tables of facts ClickHouse has: %w", err)
	}
	if len(strange) > 0 {
		return &StrangeTablesError{Database: w.database, Tables: strange, Application: w.cfg.Application}
	}
	return nil
}

func (w *worker) ledgerTables(ctx context.Context) (known []string, err error) {
	err = w.conn.QueryRow(ctx, `select coalesce(array_agg(table_name), '{}') from readside.cold_watermarks`).Scan(&known)
	if err != nil {
		return nil, fmt.Errorf("look which tables the ledger knows: %w", explain(err))
	}
	return known, nil
}

// StrangeTablesError is returned when ClickHouse has tables that would have to go for the
// application's own, and the application did not make them.
type StrangeTablesError struct {
	Database, Application string
	Tables                []string
}

func (e *StrangeTablesError) Error() string {
	return fmt.Sprintf("the ClickHouse database %q has tables that the ledger of application %q does not know: %s: give the application another database, or, where nobody needs them, drop these tables",
		e.Database, e.Application, strings.Join(e.Tables, ", "))
}

// storeColumns are what every table of facts has, and hardly another.
const storeColumns = 4

// ownTable returns a *StrangeTablesError where a table of this name was not made by a
// cold projector: it must not be dropped.
func (w *worker) ownTable(ctx context.Context, name string) error {
	var all, own uint64
	err := w.cfg.ClickHouse.QueryRow(ctx, fmt.Sprintf("SELECT count(), countIf(name IN (%s, %s, %s, %s)) FROM system.columns WHERE database = %s AND table = %s",
		quote(positionColumn), quote(rowColumn), quote(batchColumn), quote(expiresColumn), quote(w.database), quote(name))).Scan(&all, &own)
	if err != nil {
		return fmt.Errorf("look what table %s is: %w", name, err)
	}
	if all > 0 && own < storeColumns {
		return &StrangeTablesError{Database: w.database, Tables: []string{name}, Application: w.cfg.Application}
	}
	return nil
}
