package hot

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/hot/image"
	"github.com/readside/readside/internal/hot/pipeline"
)

// querier is what a connection and a transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Images reads the rows of keys as they are stored; keys without a row are left out.
func (t *Table) Images(ctx context.Context, tx querier, keys []string) (map[string]Image, error) {
	sql := fmt.Sprintf(`select %s from %s where %s = any($1::text[])`, t.names(), qualified(t.Name), quote(t.key()))
	rows, err := tx.Query(ctx, sql, pgx.QueryResultFormats{pgx.BinaryFormatCode}, keys)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[string]Image, len(keys))
	for rows.Next() {
		img := image.Of(rows.RawValues())
		out[string(img.Value(t.Model.Key))] = img
	}
	return out, rows.Err()
}

// DifferingKeys reads the keys of the rows in which two tables of one layout differ, in
// the order of their bytes, and hands each of them to each. It returns the first of them,
// most at most, and how many there are in all.
func (t *Table) DifferingKeys(ctx context.Context, tx pgx.Tx, other string, most int, each func(key string)) (keys []string, all int, err error) {
	// As text: json has no equality, and floats print exactly.
	sql := fmt.Sprintf(`select key from (
  select coalesce(a.%[1]s, b.%[1]s) as key from %[2]s a full join %[3]s b on a.%[1]s = b.%[1]s where a::text is distinct from b::text) differing
order by key collate "C"`,
		quote(t.key()), qualified(t.Name), qualified(other))
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, 0, err
		}
		each(key)
		if all++; all <= most {
			keys = append(keys, key)
		}
	}
	return keys, all, rows.Err()
}

// Qualified is the table's name with its schema, quoted.
func (t *Table) Qualified() string { return qualified(t.Name) }

// Scan hands every row of the table to each, in the order of the keys' bytes.
func (t *Table) Scan(ctx context.Context, tx pgx.Tx, each func(key string, img Image) error) error {
	sql := fmt.Sprintf(`select %s from %s order by %s collate "C"`, t.names(), qualified(t.Name), quote(t.key()))
	rows, err := tx.Query(ctx, sql, pgx.QueryResultFormats{pgx.BinaryFormatCode})
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		img := image.Of(rows.RawValues())
		if err := each(string(img.Value(t.Model.Key)), img); err != nil {
			return err
		}
	}
	return rows.Err()
}

// ScanCells hands the cells of every row's image to each, in no order: a verification
// sorts them into slices itself. They are good until each returns.
func (t *Table) ScanCells(ctx context.Context, tx pgx.Tx, each func(cells []byte) error) error {
	sql := fmt.Sprintf(`select %s from %s`, t.names(), qualified(t.Name))
	rows, err := tx.Query(ctx, sql, pgx.QueryResultFormats{pgx.BinaryFormatCode})
	if err != nil {
		return err
	}
	defer rows.Close()
	var cells []byte
	for rows.Next() {
		cells = image.AppendCells(cells[:0], rows.RawValues())
		if err := each(cells); err != nil {
			return err
		}
	}
	return rows.Err()
}

// ScanKeys hands the keys of all rows to each, in no order.
func (t *Table) ScanKeys(ctx context.Context, tx pgx.Tx, each func(key string) error) error {
	rows, err := tx.Query(ctx, fmt.Sprintf(`select %s from %s`, quote(t.key()), qualified(t.Name)))
	if err != nil {
		return err
	}
	var key string
	_, err = pgx.ForEachRow(rows, []any{&key}, func() error { return each(key) })
	return err
}

// copyChunk is how many rows go into one COPY.
const copyChunk = 20_000

// CopyAll fills an empty table, on a connection that may be inside a transaction.
func (t *Table) CopyAll(ctx context.Context, conn *pgconn.PgConn, rows []Image) error {
	s := pipeline.Copying(conn)
	for chunk := range slices.Chunk(rows, copyChunk) {
		t.copyRows(s, chunk)
		if err := s.Flush(ctx); err != nil {
			return err
		}
	}
	return nil
}
