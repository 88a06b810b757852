package service

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

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

// Migrate brings the application's database to the newest version of the sets and
// records whose it is. Another application's is left as it is.
func Migrate(ctx context.Context, postgresURL string, claim application.Claim, sets ...migrations.Set) error {
	conn, err := pgx.Connect(ctx, postgresURL)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
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
