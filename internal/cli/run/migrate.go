package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/table"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections/application"
)

// migrateFlags are the flags of migrate.
type migrateFlags struct {
	application string
	set         string
	to          int64
	dropData    string
}

// Migrate is the command of that name.
func Migrate(p *cli.Program) *cobra.Command {
	var f migrateFlags
	run := func(use, short string, do func(p *cli.Program, c *cobra.Command, url string, f migrateFlags) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cli.Usage(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
			stores, err := p.Stores()
			if err != nil {
				return err
			}
			url, err := stores.Admin()
			if err != nil {
				return err
			}
			return do(p, c, url, f)
		}}
	}
	up := run("up", "Bring the database to the newest version", migrateUp)
	up.Long = "Brings the database to the newest version and records which application it belongs to. One\n" +
		"that belongs to another application is left as it is."
	up.Flags().StringVar(&f.application, "application", "", "the `name` of the application that a database belongs to which was filled before applications were recorded, where its views do not show it")
	down := run("down", "Undo the newest migration, or those after a version", migrateDown)
	down.Long = "Undoes one migration: the newest of the services', or of the engine's if the services have\n" +
		"none left. It drops no table that has rows unless --drop-data names the database."
	down.Flags().StringVar(&f.set, "set", "", "take back this `set`: "+setNames(p))
	down.Flags().Int64Var(&f.to, "to", 0, "undo everything after this `version` of the set (of engine, if --set is not given)")
	down.Flags().StringVar(&f.dropData, "drop-data", "", "the name of the `database` whose log, views and services' tables may be dropped with their rows")
	return cli.Group("migrate", "Make, undo or list the tables of the log, the projectors and the services",
		up, down, run("status", "List the migrations and which of them the database has", migrateStatus))
}

func migrateUp(p *cli.Program, c *cobra.Command, url string, f migrateFlags) error {
	set, err := p.App.Set()
	if err != nil {
		return err
	}
	if f.application != "" && f.application != p.App.Application {
		return fmt.Errorf("%w--application %s: this is the program of application %s: migrate with the program of %s", cli.ErrUsage, f.application, p.App.Application, f.application)
	}
	err = service.Migrate(c.Context(), url, service.Claiming(p.App.Application, set, f.application != ""), p.App.Migrations()...)
	var unclear *application.UnclearError
	if errors.As(err, &unclear) {
		return fmt.Errorf("%w, as `%s migrate up --application %s`", err, p.App.Name, p.App.Application)
	}
	if err != nil {
		return err
	}
	return migrateStatus(p, c, url, f)
}

func migrateDown(p *cli.Program, c *cobra.Command, url string, f migrateFlags) error {
	if err := ownDatabase(p, c.Context(), url); err != nil {
		return err
	}
	allowed := migrations.Permission{DropData: f.dropData}
	var err error
	if c.Flags().Changed("to") || f.set != "" {
		err = migrateDownTo(p, c, url, f, allowed)
	} else {
		_, err = migrations.StepDown(c.Context(), url, allowed, p.App.Migrations()...)
	}
	var holds *migrations.HoldsDataError
	if errors.As(err, &holds) {
		return fmt.Errorf("%w, as --drop-data %s", err, holds.Database)
	}
	if err != nil {
		return err
	}
	return migrateStatus(p, c, url, f)
}

// setNames lists the sets of the application's migrations, such as "engine or shop".
func setNames(p *cli.Program) string {
	var names []string
	for _, s := range p.App.Migrations() {
		names = append(names, s.String())
	}
	return strings.Join(names, " or ")
}

func migrateDownTo(p *cli.Program, c *cobra.Command, url string, f migrateFlags, allowed migrations.Permission) error {
	set, all := migrations.Engine, p.App.Migrations()
	if f.set != "" {
		i := slices.IndexFunc(all, func(s migrations.Set) bool { return s.String() == f.set })
		if i < 0 {
			return fmt.Errorf("%w--set %s: use %s", cli.ErrUsage, f.set, setNames(p))
		}
		set = all[i]
	}
	if f.to < 0 {
		return fmt.Errorf("%w--to %d: give a version that `%s migrate status` lists, or 0 for none", cli.ErrUsage, f.to, p.App.Name)
	}
	if !c.Flags().Changed("to") {
		at, err := migrations.Version(c.Context(), url, set)
		if err != nil {
			return err
		}
		f.to = migrations.Previous(set, at)
	}
	return migrations.DownTo(c.Context(), url, set, f.to, allowed, p.App.Migrations()...)
}

// ownDatabase refuses a database that is recorded as another application's.
func ownDatabase(p *cli.Program, ctx context.Context, url string) error {
	conn, err := service.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return application.Claim{Name: p.App.Application, Named: true}.Fits(ctx, conn)
}

func migrateStatus(p *cli.Program, c *cobra.Command, url string, _ migrateFlags) error {
	if err := printApplication(p, c.Context(), url); err != nil {
		return err
	}
	found, err := migrations.Status(c.Context(), url, p.App.Migrations()...)
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
	if err := table.Print(p.Out, rows, "VERSION"); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

func printApplication(p *cli.Program, ctx context.Context, url string) error {
	conn, err := service.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	name, err := application.Recorded(ctx, conn)
	if err != nil {
		return fmt.Errorf("ask the database which application it belongs to: %w", err)
	}
	if name == "" {
		name = "none yet: `" + p.App.Name + " migrate up` records it"
	}
	_, err = fmt.Fprintf(p.Out, "application: %s\n\n", name)
	return err
}
