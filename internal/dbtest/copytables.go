package dbtest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// CopyTables makes a schema's tables in one database equal to those in another, rows
// and sequences, as a dump and a restore would: the tables must be there in both. It is
// for servers that come without pg_dump, as npm's do.
func CopyTables(t testing.TB, from, to *pgxpool.Pool, schema string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), queryWait)
	defer cancel()
	err := from.AcquireFunc(ctx, func(source *pgxpool.Conn) error {
		return to.AcquireFunc(ctx, func(target *pgxpool.Conn) error {
			return copyTables(ctx, source.Conn(), target.Conn(), schema)
		})
	})
	if err != nil {
		t.Fatalf("dbtest: copy the tables of %s: %v", schema, err)
	}
}

func copyTables(ctx context.Context, from, to *pgx.Conn, schema string) error {
	const query = `SELECT format('%I.%I', n.nspname, c.relname),
		(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
		 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY 1`
	rows, err := from.Query(ctx, query, schema)
	if err != nil {
		return err
	}
	type table struct{ Name, Columns string }
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		return err
	}
	var names []string
	for _, t := range tables {
		names = append(names, t.Name)
	}
	// Rows come as they are: no trigger and no foreign key looks at them.
	if _, err := to.Exec(ctx, "SET session_replication_role = replica; TRUNCATE "+strings.Join(names, ", ")); err != nil {
		return err
	}
	for _, t := range tables {
		var content bytes.Buffer
		if _, err := from.PgConn().CopyTo(ctx, &content, fmt.Sprintf("COPY %s (%s) TO STDOUT", t.Name, t.Columns)); err != nil {
			return fmt.Errorf("read %s: %w", t.Name, err)
		}
		if _, err := to.PgConn().CopyFrom(ctx, &content, fmt.Sprintf("COPY %s (%s) FROM STDIN", t.Name, t.Columns)); err != nil {
			return fmt.Errorf("write %s: %w", t.Name, err)
		}
	}
	if _, err := to.Exec(ctx, "RESET session_replication_role"); err != nil {
		return err
	}
	return copySequences(ctx, from, to, schema)
}

func copySequences(ctx context.Context, from, to *pgx.Conn, schema string) error {
	const query = `SELECT format('SELECT setval(%L, %s)', format('%I.%I', schemaname, sequencename), last_value)
		FROM pg_sequences WHERE schemaname = $1 AND last_value IS NOT NULL`
	rows, err := from.Query(ctx, query, schema)
	if err != nil {
		return err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, statement := range statements {
		if err == nil {
			_, err = to.Exec(ctx, statement)
		}
	}
	return err
}
