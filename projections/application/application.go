// Package application keeps the name of the application that a database belongs to.
//
// A database with a log, views and services is one application's. Its name is recorded
// once, when it is migrated first, and every connection of every program compares it
// before anything else is sent: a program with other definitions would drop tables that
// it does not know, mend rows by handlers that never made them, or mix its events into
// a log that others read.
//
//	migrate as "shop"  ->  readside.application: shop
//	connect as "shop"  ->  equal: go on
//	connect as "conference"  ->  *OtherError, nothing is read or written
package application

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/readside/readside/internal/session"
)

// OtherError is returned when stores belong to another application than the one that
// asks for them.
type OtherError struct {
	// Store is what belongs to Owner, and Asks the application that was refused.
	Store, Owner, Asks string
}

func (e *OtherError) Error() string {
	return fmt.Sprintf("%s belongs to application %q, and application %q may neither read nor change it: give %s stores of its own, or start the programs of %s",
		e.Store, e.Owner, e.Asks, e.Asks, e.Owner)
}

// UnrecordedError is returned when a database belongs to no application yet.
type UnrecordedError struct{ Store, Asks string }

func (e *UnrecordedError) Error() string {
	return fmt.Sprintf("%s belongs to no application yet: migrate it as application %q first", e.Store, e.Asks)
}

// Refused reports whether an error will be the same however often it is tried: the
// stores belong to another application, or to none.
func Refused(err error) bool {
	var other *OtherError
	var none *UnrecordedError
	return errors.As(err, &other) || errors.As(err, &none)
}

// ErrNotMigrated is returned when a database is older than the record of applications.
var ErrNotMigrated = errors.New("the database does not say which application it belongs to")

var wellFormed = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// ValidName returns an error where a name is none that an application can have.
func ValidName(name string) error {
	switch {
	case name == "":
		return errors.New("the application has no name: give it the one that its stores are recorded under")
	case !wellFormed.MatchString(name):
		return fmt.Errorf("%q is no name of an application: use a lower-case letter, then at most 62 lower-case letters, digits, _ or -", name)
	}
	return nil
}

const ownerSQL = `select current_database(), (select name from readside.application)`

// Querier is what a pool, a connection and a transaction have in common.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Check returns an *OtherError or *UnrecordedError unless the database is the
// application's.
func Check(ctx context.Context, q Querier, name string) error {
	var database string
	var owner *string
	if err := q.QueryRow(ctx, ownerSQL).Scan(&database, &owner); err != nil {
		return explain(err, name)
	}
	return compare(database, owner, name)
}

// Guard returns a copy of config whose connections refuse every other application's
// database as they are opened, after what config does then.
func Guard(config *pgx.ConnConfig, name string) *pgx.ConnConfig {
	guarded := config.Copy()
	before := guarded.AfterConnect
	guarded.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if before != nil {
			if err := before(ctx, conn); err != nil {
				return err
			}
		}
		return checkConn(ctx, conn, name)
	}
	return guarded
}

func checkConn(ctx context.Context, conn *pgconn.PgConn, name string) error {
	results, err := conn.Exec(ctx, ownerSQL).ReadAll()
	if err != nil {
		return explain(err, name)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 2 {
		return errors.New("the database did not return which application it belongs to")
	}
	row := results[0].Rows[0]
	var owner *string
	if row[1] != nil {
		text := string(row[1])
		owner = &text
	}
	return compare(string(row[0]), owner, name)
}

func compare(database string, owner *string, name string) error {
	switch {
	case owner == nil:
		return &UnrecordedError{Store: store(database), Asks: name}
	case *owner != name:
		return &OtherError{Store: store(database), Owner: *owner, Asks: name}
	}
	return nil
}

func store(database string) string { return fmt.Sprintf("the Postgres database %q", database) }

const (
	undefinedTable  = "42P01"
	undefinedSchema = "3F000"
)

// explain turns Postgres' "no such table" into what to do about it.
func explain(err error, name string) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == undefinedTable || pg.Code == undefinedSchema) {
		return fmt.Errorf("%w: migrate it to the newest version as application %q (%w)", ErrNotMigrated, name, err)
	}
	return fmt.Errorf("ask the database which application it belongs to: %w", err)
}

// Writer returns a copy of config for connections that write: they refuse every other
// application's database, are to a primary, and do not depend on what the server, the
// database or the role set by default.
func Writer(config *pgx.ConnConfig, name string) *pgx.ConnConfig {
	own := Guard(config, name)
	session.Prepare(&own.Config, session.Needs{})
	return own
}
