package hot

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
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
		img := t.image(rows.RawValues())
		out[string(img.value(t.Model.Key))] = img
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
