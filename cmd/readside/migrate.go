package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/table"
	"github.com/readside/readside/migrations"
)

func (p *program) migrateCommand() *cobra.Command {
	run := func(use, short string, do func(ctx context.Context, url string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: usage(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
			stores, err := settings[service.Stores]()
			if err != nil {
				return err
			}
			url, err := stores.Admin()
			if err != nil {
				return err
			}
			return do(c.Context(), url)
		}}
	}
	return group("migrate", "Make, remove or list the tables of the log, the projectors and the shop",
		run("up", "Bring the database to the newest version", p.migrateUp),
		run("down", "Remove everything: events, views, the shop's own tables", p.migrateDown),
		run("status", "List the migrations and which of them the database has", p.migrateStatus),
	)
}

func (p *program) migrateUp(ctx context.Context, url string) error {
	if err := migrations.Up(ctx, url, migrations.Engine, migrations.Shop); err != nil {
		return err
	}
	return p.migrateStatus(ctx, url)
}

func (p *program) migrateDown(ctx context.Context, url string) error {
	if err := migrations.Down(ctx, url, migrations.Engine, migrations.Shop); err != nil {
		return err
	}
	return p.migrateStatus(ctx, url)
}

func (p *program) migrateStatus(ctx context.Context, url string) error {
	found, err := migrations.Status(ctx, url, migrations.Engine, migrations.Shop)
	if err != nil {
		return err
	}
	rows := [][]string{{"SET", "VERSION", "FILE", "APPLIED"}}
	for _, m := range found {
		applied := "no"
		if m.Applied {
			applied = m.AppliedAt.UTC().Format(time.RFC3339)
		}
		rows = append(rows, []string{m.Set, strconv.FormatInt(m.Version, 10), m.File, applied})
	}
	if err := table.Print(p.out, rows, "VERSION"); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}
