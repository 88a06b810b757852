// Package ownstores starts embedded stores, each with an empty database of Readside in
// it, for the commands up, demo and stores.
package ownstores

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/stores"
)

// Database is the name of the database in each store.
const Database = "readside"

// Stores is a stores.Own.
type Stores struct{}

func (Stores) RunIfChild() { embedded.RunIfChild() }

func (Stores) SetupPostgres(ctx context.Context, progress io.Writer, version string) error {
	return embedded.SetupPostgres(ctx, progress, version)
}

func (Stores) SetupClickHouse(ctx context.Context, progress io.Writer) error {
	return embedded.SetupClickHouse(ctx, progress)
}

func (Stores) StartPostgres(ctx context.Context, version string) (stores.Postgres, error) {
	return StartPostgres(ctx, version)
}

func (Stores) StartClickHouse(ctx context.Context) (stores.ClickHouse, error) {
	return StartClickHouse(ctx)
}

// Postgres is a running Postgres with an empty database.
type Postgres struct{ *embedded.Postgres }

// StartPostgres starts a durable Postgres of a major version; empty is the default one.
func StartPostgres(ctx context.Context, version string) (*Postgres, error) {
	server, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{Durable: true, Version: version})
	if err != nil {
		return nil, err
	}
	p := &Postgres{server}
	if err := p.createDatabase(ctx); err != nil {
		_ = server.Stop()
		return nil, fmt.Errorf("create the database %s: %w", Database, err)
	}
	return p, nil
}

func (p *Postgres) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.Postgres.URL("postgres", embedded.Superuser))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "create database "+Database)
	return err
}

// URL addresses the database as its owner.
func (p *Postgres) URL() string { return p.RoleURL(embedded.Superuser) }

// RoleURL addresses the database as a role that may log in.
func (p *Postgres) RoleURL(role string) string { return p.Postgres.URL(Database, role) }

// ClickHouse is a running ClickHouse with an empty database.
type ClickHouse struct{ *embedded.ClickHouse }

// StartClickHouse starts a ClickHouse.
func StartClickHouse(ctx context.Context) (*ClickHouse, error) {
	server, err := embedded.StartClickHouse(ctx, embedded.ClickHouseOptions{})
	if err != nil {
		return nil, err
	}
	c := &ClickHouse{server}
	if err := c.createDatabase(ctx); err != nil {
		_ = server.Stop()
		return nil, fmt.Errorf("create the ClickHouse database %s: %w", Database, err)
	}
	return c, nil
}

func (c *ClickHouse) createDatabase(ctx context.Context) error {
	conn, err := service.ClickHouse(c.ClickHouse.URL("default", embedded.ClickHouseUser))
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Exec(ctx, "CREATE DATABASE "+Database)
}

// URL addresses the database as a user who may write.
func (c *ClickHouse) URL() string { return c.ClickHouse.URL(Database, embedded.ClickHouseUser) }

// MartURL addresses the analysts' database as a user who may only read.
func (c *ClickHouse) MartURL() string {
	return c.ClickHouse.URL(cold.MartDatabase(Database), embedded.ClickHouseReader)
}

// ServeURL addresses the analysts' database as the user of reports, which waits for no
// analyst.
func (c *ClickHouse) ServeURL() string {
	return c.ClickHouse.URL(cold.MartDatabase(Database), embedded.ClickHouseServe)
}
