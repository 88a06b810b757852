package run

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/queryapi"
)

// Schema is the command of that name.
func Schema(p *cli.Program) *cobra.Command {
	return cli.Group("schema", "Print the GraphQL schema, or the SQL of the views' and facts' tables",
		&cobra.Command{
			Use: "graphql", Short: "Print the GraphQL schema in its own language", Args: cli.Usage(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				set, err := p.App.Set()
				if err != nil {
					return err
				}
				schema, err := queryapi.NewSchema(p.App.API(set))
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(p.Out, schema.SDL())
				return err
			},
		},
		&cobra.Command{
			Use: "sql", Short: "Print the SQL that makes the tables of the views and of the facts", Args: cli.Usage(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				set, err := p.App.Set()
				if err != nil {
					return err
				}
				text, err := tablesSQL(set)
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(p.Out, text)
				return err
			},
		},
		&cobra.Command{
			Use: "check", Short: "Check the definitions, and the reports against ClickHouse where " + p.App.Variable("CLICKHOUSE_URL") + " names one", Args: cli.Usage(cobra.NoArgs),
			RunE: func(cmd *cobra.Command, _ []string) error { return checkSchema(p, cmd.Context()) },
		},
	)
}

// checkSchema compiles all definitions, and lets ClickHouse say what each report's SQL
// returns.
func checkSchema(p *cli.Program, ctx context.Context) error {
	set, err := p.App.Set()
	if err != nil {
		return err
	}
	definition := p.App.API(set)
	if _, err := queryapi.NewSchema(definition); err != nil {
		return err
	}
	stores, err := cli.Settings[service.Stores](p)
	if err != nil {
		return err
	}
	if stores.ClickHouseURL == "" && stores.ClickHouseMart == "" {
		_, err = fmt.Fprintf(p.Out, "%d views, %d facts and %d reports are well defined; the reports' SQL was not checked, since %s is not set\n",
			len(set.Views()), len(set.Facts()), len(definition.Reports), p.App.Variable("CLICKHOUSE_URL"))
		return err
	}
	mart, err := stores.Mart()
	if err != nil {
		return err
	}
	conn, err := service.ClickHouse(mart)
	if err != nil {
		return err
	}
	defer conn.Close()
	reports := queryapi.NewCold(conn, nil, "UTC")
	var errs []error
	for _, r := range definition.Reports {
		errs = append(errs, reports.CheckReport(ctx, &r))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Out, "%d views, %d facts and %d reports are well defined, and ClickHouse takes the reports' SQL\n", len(set.Views()), len(set.Facts()), len(definition.Reports))
	return err
}

// The database names that `schema sql` prints: those of the README.
const (
	factsDatabase = "readside"
	martDatabase  = "mart"
)

// tablesSQL is the SQL of a set's tables in their first generation.
func tablesSQL(set *projections.Set) (string, error) {
	var b strings.Builder
	b.WriteString("-- Postgres: the views.\n\n")
	for _, m := range set.Views() {
		layout, err := hot.NewLayout(m)
		if err != nil {
			return "", err
		}
		table := hot.TableName(m, 1)
		b.WriteString(layout.CreateTable(table) + ";\n")
		for _, index := range layout.CreateIndexes(table) {
			b.WriteString(index + ";\n")
		}
		b.WriteByte('\n')
	}
	b.WriteString("-- ClickHouse: the facts, and what analysts read.\n\n")
	for _, m := range set.Facts() {
		b.WriteString(cold.CreateTable(m, factsDatabase, 1) + ";\n\n")
		b.WriteString(cold.CreateMartView(m, factsDatabase, martDatabase, 1) + ";\n\n")
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
