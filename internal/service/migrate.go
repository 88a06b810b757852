package service

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/application"
)

// Claiming is the claim of an application with these definitions; named says that an
// operator named it.
func Claiming(name string, set *projections.Set, named bool) application.Claim {
	c := application.Claim{Name: name, Named: named}
	for _, m := range set.Views() {
		c.Views = append(c.Views, m.Name)
	}
	for _, m := range set.Facts() {
		c.Facts = append(c.Facts, m.Name)
	}
	return c
}

// Connect opens one connection for a program that migrates, to a database that may belong
// to no application yet.
func Connect(ctx context.Context, postgresURL string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(postgresURL)
	if err != nil {
		return nil, fmt.Errorf("the address of Postgres: %w", err)
	}
	session.Prepare(&config.Config, session.Needs{Durable: true})
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	return conn, nil
}

// Migrate brings the application's database to the newest version of the sets and
// records whose it is. Another application's is left as it is.
func Migrate(ctx context.Context, postgresURL string, claim application.Claim, sets ...migrations.Set) error {
	conn, err := Connect(ctx, postgresURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := claim.Fits(ctx, conn); err != nil {
		return err
	}
	if err := migrations.Up(ctx, postgresURL, sets...); err != nil {
		return err
	}
	return claim.Record(ctx, conn)
}
