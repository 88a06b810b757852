package hot

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

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
		img := t.image(rows.RawValues())
		if err := each(string(img.value(t.Model.Key)), img); err != nil {
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
		cells = cells[:0]
		for _, v := range rows.RawValues() {
			if v == nil {
				cells = be.AppendUint32(cells, nullLength)
			} else {
				cells = append(be.AppendUint32(cells, uint32(len(v))), v...)
			}
		}
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
	s := NewSessionOver(&server{conn: conn})
	for chunk := range slices.Chunk(rows, copyChunk) {
		t.copyRows(s, chunk)
		if err := s.Flush(ctx); err != nil {
			return err
		}
	}
	return nil
}
