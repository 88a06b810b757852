// Package private keeps what a private fold cannot hold in memory where nobody else sees it.
package private

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
)

// Sources keeps finished rows for the joins of a private fold, where they do
// not fit into memory: in temporary tables that nobody else sees, on a connection of
// its own, which is made with the first row. It is safe for concurrent use.
type Sources struct {
	config *pgx.ConnConfig
	mu     sync.Mutex
	conn   *pgx.Conn
	tables map[*projections.Model]table
}

type table struct {
	*hot.Layout
	name pgx.Identifier
}

// New makes one that connects by config.
func New(config *pgx.ConnConfig) *Sources {
	return &Sources{config: config, tables: map[*projections.Model]table{}}
}

// Add keeps live rows of a view, by their keys.
func (p *Sources) Add(ctx context.Context, l *hot.Layout, keys []string, rows []hot.Image) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, err := p.tableOf(ctx, l)
	if err != nil {
		return fmt.Errorf("a temporary table for the rows of view %s: %w", l.Model.Name, err)
	}
	_, err = p.conn.CopyFrom(ctx, t.name, []string{"key", "image"}, pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		return []any{keys[i], rows[i].Bytes()}, nil
	}))
	return err
}

func (p *Sources) tableOf(ctx context.Context, l *hot.Layout) (table, error) {
	if t, ok := p.tables[l.Model]; ok {
		return t, nil
	}
	if p.conn == nil {
		conn, err := pgx.ConnectConfig(ctx, p.config)
		if err != nil {
			return table{}, err
		}
		p.conn = conn
		// Nothing is ever analyzed here: the index is right always.
		if _, err := conn.Exec(ctx, "set enable_seqscan = off; set jit = off"); err != nil {
			return table{}, err
		}
	}
	t := table{l, pgx.Identifier{fmt.Sprintf("readside_source_%d", len(p.tables))}}
	if _, err := p.conn.Exec(ctx, fmt.Sprintf(`create temporary table %s (key text collate "C" primary key, image bytea not null)`, t.name.Sanitize())); err != nil {
		return t, fmt.Errorf("%w (the role that verifies needs the privilege TEMPORARY on the database)", err)
	}
	p.tables[l.Model] = t
	return t, nil
}

// Load returns the rows of keys that were added.
func (p *Sources) Load(ctx context.Context, source *projections.Model, keys []string) (map[string]any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := make(map[string]any, len(keys))
	t, ok := p.tables[source]
	if !ok {
		return found, nil
	}
	rows, err := p.conn.Query(ctx, fmt.Sprintf("select image from %s where key = any($1::text[])", t.name.Sanitize()), pgx.QueryResultFormats{pgx.BinaryFormatCode}, keys)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		img, err := t.ImageOf(append([]byte(nil), rows.RawValues()[0]...))
		if err != nil {
			return nil, err
		}
		row, err := t.Row(img)
		if err != nil {
			return nil, err
		}
		found[row.Key] = row.Value
	}
	return found, rows.Err()
}

// Close ends the connection, and with it the tables.
func (p *Sources) Close(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return nil
	}
	return p.conn.Close(ctx)
}
