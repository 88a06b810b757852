package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/shop"
	"github.com/readside/readside/queryapi"
	screens "github.com/readside/readside/queryapi/shop"
)

func (p *program) schemaCommand() *cobra.Command {
	return group("schema", "Print the GraphQL schema, or the SQL of the views' and facts' tables",
		&cobra.Command{
			Use: "graphql", Short: "Print the GraphQL schema in its own language", Args: usage(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				set, err := shop.Set()
				if err != nil {
					return err
				}
				schema, err := queryapi.NewSchema(screens.Definition(set))
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(p.out, schema.SDL())
				return err
			},
		},
		&cobra.Command{
			Use: "sql", Short: "Print the SQL that makes the tables of the views and of the facts", Args: usage(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				set, err := shop.Set()
				if err != nil {
					return err
				}
				text, err := tablesSQL(set)
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(p.out, text)
				return err
			},
		},
	)
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
