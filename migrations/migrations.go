// Package migrations carries the SQL that builds Readside's Postgres schemas and
// runs it.
//
// The SQL comes in sets that can be migrated apart: the engine's (the log and the
// projector) stands in postgres/, the reference shop's write side in
// postgres/shop/. Each set counts its versions in a table of its own, so that a
// team with its own domain runs Engine beside its own migrations. The files are
// goose migrations: a `-- +goose Up` part and a `-- +goose Down` part.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/readside/readside/internal/session"
)

//go:embed postgres
var files embed.FS

// The wait for another migrator is lockWaitSecondsMax at most, tried once a second.
const (
	lockProbeSeconds   = 1
	lockWaitSecondsMax = 120
)

// Set is one line of migrations with a version table of its own.
type Set struct {
	name  string
	dir   string
	table string
}

// The sets of this module.
var (
	// Engine is what the log, the projector and the query service stand on.
	Engine = Set{name: "engine", dir: "postgres", table: "public.readside_migrations"}
	// Shop is the write side of the reference shop.
	Shop = Set{name: "shop", dir: "postgres/shop", table: "public.readside_shop_migrations"}
)

// String is the set's name as `migrate status` prints it.
func (s Set) String() string { return s.name }

// Up brings every set to its newest version, in the order given. Two migrators at
// once are safe: the second waits for the first and finds nothing to do.
func Up(ctx context.Context, postgresURL string, sets ...Set) error {
	return forEach(postgresURL, sets, func(_ *sql.DB, _ Set, p *goose.Provider) error {
		_, err := p.Up(ctx)
		return err
	})
}

func reversed(sets []Set) []Set {
	out := make([]Set, 0, len(sets))
	for i := len(sets) - 1; i >= 0; i-- {
		out = append(out, sets[i])
	}
	return out
}

// forEach hands work a provider per set. A set without files has nothing to do.
func forEach(postgresURL string, sets []Set, work func(*sql.DB, Set, *goose.Provider) error) error {
	config, err := pgx.ParseConfig(postgresURL)
	if err != nil {
		return fmt.Errorf("migrations: the address of Postgres: %w", err)
	}
	// Its settings have the time zone: goose notes when a migration was applied without
	// its zone, and reads that as UTC.
	session.Prepare(&config.Config, session.Needs{Durable: true})
	db := stdlib.OpenDB(*config)
	defer db.Close()
	for _, set := range sets {
		provider, err := newProvider(db, set)
		if errors.Is(err, goose.ErrNoMigrations) {
			continue
		}
		if err == nil {
			err = work(db, set, provider)
		}
		if err != nil {
			return fmt.Errorf("migrations: set %s (%s): %w", set, set.dir, err)
		}
	}
	return nil
}

func newProvider(db *sql.DB, set Set) (*goose.Provider, error) {
	dir, err := fs.Sub(files, set.dir)
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockProbeSeconds, lockWaitSecondsMax))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, dir,
		goose.WithTableName(set.table),
		goose.WithSessionLocker(locker),
		goose.WithDisableGlobalRegistry(true),
	)
}
