package bench

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/shop"
)

// factStores makes the stores of the benchmark's facts: a database of the benchmark's
// Postgres for each history, and one of a ClickHouse that starts with the first.
type factStores struct {
	ctx        context.Context
	server     *embedded.Postgres
	clickHouse *embedded.ClickHouse
	closers    []func()
}

func (f *factStores) open(history string) (*pgxpool.Pool, driver.Conn, error) {
	if f.clickHouse == nil {
		store, err := embedded.StartClickHouse(f.ctx, embedded.ClickHouseOptions{})
		if err != nil {
			return nil, nil, err
		}
		f.clickHouse = store
		f.closers = append(f.closers, func() { _ = store.Stop() })
	}
	name := "facts_" + history
	pool, err := f.postgres(name)
	if err != nil {
		return nil, nil, err
	}
	conn, err := f.database(name)
	return pool, conn, err
}

func (f *factStores) postgres(name string) (*pgxpool.Pool, error) {
	admin, err := pgxpool.New(f.ctx, f.server.URL("postgres", embedded.Superuser))
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	if _, err := admin.Exec(f.ctx, "create database "+name); err != nil {
		return nil, fmt.Errorf("make the database %s: %w", name, err)
	}
	url := f.server.URL(name, embedded.Superuser)
	if err := service.Migrate(f.ctx, url, application.Claim{Name: shop.Application}, migrations.Engine); err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(f.ctx, url)
	if err == nil {
		f.closers = append(f.closers, pool.Close)
	}
	return pool, err
}

func (f *factStores) database(name string) (driver.Conn, error) {
	admin, err := service.ClickHouse(f.clickHouse.URL("default", embedded.ClickHouseUser))
	if err != nil {
		return nil, err
	}
	defer func() { _ = admin.Close() }()
	if err := admin.Exec(f.ctx, "CREATE DATABASE "+name); err != nil {
		return nil, fmt.Errorf("make the database %s in ClickHouse: %w", name, err)
	}
	conn, err := service.ClickHouse(f.clickHouse.URL(name, embedded.ClickHouseUser))
	if err == nil {
		f.closers = append(f.closers, func() { _ = conn.Close() })
	}
	return conn, err
}

// close closes and stops what was opened, the last first.
func (f *factStores) close() {
	for i := len(f.closers) - 1; i >= 0; i-- {
		f.closers[i]()
	}
}
