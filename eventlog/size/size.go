// Package size is how large a log is.
package size

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog/internal/schema"
)

// Querier is what a pool, a connection and a transaction have in common.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// TypeCount is how many events of a type the log has.
type TypeCount struct {
	Type   string
	Events int64
}

// Count counts the events of some types, those of the most events first. It reads the whole
// log.
func Count(ctx context.Context, q Querier, types []string) ([]TypeCount, error) {
	rows, err := q.Query(ctx, `select type, count(*) from eventlog.events where type = any($1) group by type order by count(*) desc, type`, types)
	if err != nil {
		return nil, fmt.Errorf("count the log's events: %w", schema.Explain(err))
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[TypeCount])
}

// Bytes is how large the log is on disk, without its indexes.
func Bytes(ctx context.Context, q Querier) (bytes int64, err error) {
	if err := q.QueryRow(ctx, `select pg_table_size('eventlog.events')`).Scan(&bytes); err != nil {
		return 0, fmt.Errorf("look how large the log is: %w", schema.Explain(err))
	}
	return bytes, nil
}
