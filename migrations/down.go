package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

// Permission is what an operator allows a step down to take away.
type Permission struct {
	// DropData is the name of the database whose rows may go. Any other name, and none,
	// allows no step that would drop a table with rows: of the log, a view or a service.
	DropData string
}

// HoldsDataError is returned for a step down that would drop tables with rows.
type HoldsDataError struct {
	Set      string
	Version  int64
	Database string
	// Tables are those with rows.
	Tables []string
}

func (e *HoldsDataError) Error() string {
	return fmt.Sprintf("undoing %s version %d would drop tables with rows: %s: export the events, make a backup, and then name the database whose data may go, %q",
		e.Set, e.Version, strings.Join(e.Tables, ", "), e.Database)
}

// NeededError is returned when a set is to be removed on which another one stands.
type NeededError struct{ Set, By string }

func (e *NeededError) Error() string {
	return fmt.Sprintf("set %s cannot be removed: set %s stands on it; take that to version 0 first", e.Set, e.By)
}

// StepDown undoes the newest migration of the last of the sets that has one. It returns
// false where none has.
func StepDown(ctx context.Context, postgresURL string, allowed Permission, sets ...Set) (undone bool, err error) {
	for _, set := range reversed(sets) {
		at, err := Version(ctx, postgresURL, set)
		if err != nil {
			return false, err
		}
		if at > 0 {
			return true, DownTo(ctx, postgresURL, set, Previous(set, at), allowed, sets...)
		}
	}
	return false, nil
}

// Down takes every set back to nothing, in the reverse of the order given, where no
// table with rows would go.
func Down(ctx context.Context, postgresURL string, sets ...Set) error {
	for _, set := range reversed(sets) {
		if err := DownTo(ctx, postgresURL, set, 0, Permission{}, sets...); err != nil {
			return err
		}
	}
	return nil
}

// DownTo takes one set back to a version; all names every set of the database, each
// after those that it stands on. What may not go is found before the first step.
func DownTo(ctx context.Context, postgresURL string, set Set, version int64, allowed Permission, all ...Set) error {
	if version == 0 {
		for _, later := range all[slices.Index(all, set)+1:] {
			at, err := Version(ctx, postgresURL, later)
			if err != nil {
				return err
			}
			if at > 0 {
				return &NeededError{Set: set.name, By: later.name}
			}
		}
	}
	return forEach(postgresURL, []Set{set}, func(db *sql.DB, set Set, p *goose.Provider) error {
		at, err := p.GetDBVersion(ctx)
		if err != nil {
			return err
		}
		for _, source := range p.ListSources() {
			if source.Version <= version || source.Version > at {
				continue
			}
			if err := mayGo(ctx, db, set, source, allowed); err != nil {
				return err
			}
		}
		_, err = p.DownTo(ctx, version)
		return err
	})
}

// Version returns the newest version of a set that the database has; 0 is none.
func Version(ctx context.Context, postgresURL string, set Set) (at int64, err error) {
	err = forEach(postgresURL, []Set{set}, func(_ *sql.DB, _ Set, p *goose.Provider) error {
		at, err = p.GetDBVersion(ctx)
		return err
	})
	return at, err
}

// Previous returns the version of a set before another; 0 is none.
func Previous(set Set, version int64) (previous int64) {
	names, _ := fs.Glob(files, path.Join(set.dir, "*.sql")) // the pattern is well-formed
	for _, name := range names {
		if v, err := goose.NumericComponent(name); err == nil && v < version {
			previous = max(previous, v)
		}
	}
	return previous
}

// mayGo returns a *HoldsDataError where undoing a migration would drop rows that the
// operator did not allow to go.
func mayGo(ctx context.Context, db *sql.DB, set Set, source *goose.Source, allowed Permission) error {
	var database string
	if err := db.QueryRowContext(ctx, `select current_database()`).Scan(&database); err != nil {
		return err
	}
	if allowed.DropData == database {
		return nil
	}
	text, err := fs.ReadFile(files, path.Join(set.dir, path.Base(source.Path)))
	if err != nil {
		return err
	}
	tables, err := withRows(ctx, db, string(text))
	if err != nil {
		return fmt.Errorf("look which tables undoing version %d would empty: %w", source.Version, err)
	}
	if len(tables) > 0 {
		return &HoldsDataError{Set: set.name, Version: source.Version, Database: database, Tables: tables}
	}
	return nil
}

// ownRecords are tables whose rows a migration made itself, or that can be had again.
var ownRecords = []string{"eventlog.log", "eventlog.incarnations", "eventlog.settled", "readside.application", "eventlog.reaction_schemas"}

var (
	downPart    = regexp.MustCompile(`(?m)^-- \+goose Down\s*$`)
	dropsSchema = regexp.MustCompile(`(?mi)^\s*drop schema (?:if exists )?([a-z_]+)`)
	dropsTable  = regexp.MustCompile(`(?mi)^\s*drop table (?:if exists )?([a-z_]+\.[a-z_]+)`)
)

// withRows returns the tables with rows that the down part of a migration drops.
func withRows(ctx context.Context, db *sql.DB, migration string) (found []string, err error) {
	parts := downPart.Split(migration, 2)
	if len(parts) < 2 {
		return nil, nil
	}
	var tables []string
	for _, m := range dropsTable.FindAllStringSubmatch(parts[1], -1) {
		tables = append(tables, m[1])
	}
	for _, m := range dropsSchema.FindAllStringSubmatch(parts[1], -1) {
		inside, err := tablesOf(ctx, db, m[1])
		if err != nil {
			return nil, err
		}
		tables = append(tables, inside...)
	}
	slices.Sort(tables)
	for _, table := range slices.Compact(tables) {
		if slices.Contains(ownRecords, table) {
			continue
		}
		var rows bool
		err := db.QueryRowContext(ctx, `select to_regclass($1) is not null`, table).Scan(&rows)
		if err == nil && rows {
			err = db.QueryRowContext(ctx, `select exists (select from `+table+`)`).Scan(&rows)
		}
		if err != nil {
			return nil, err
		}
		if rows {
			found = append(found, table)
		}
	}
	return found, nil
}

func tablesOf(ctx context.Context, db *sql.DB, schema string) (tables []string, err error) {
	rows, err := db.QueryContext(ctx, `select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = $1`, schema)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, rows.Err()
}
