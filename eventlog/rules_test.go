package eventlog_test

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
)

// place is what a reader was given of an event.
type place struct {
	Stream   string
	Version  int64
	Position int64
}

// rule is a way to read a log that is being written. next gives what it takes to be
// safe now, after what it gave before.
type rule interface {
	next(ctx context.Context) ([]place, error)
}

// The three wrong rules are what one finds in the wild, over the same table; the
// tests add the column that the second needs.

// pastCheckpoint reads what has a higher position than the last one read. A slower
// transaction with a lower position is never read.
type pastCheckpoint struct {
	pool       *pgxpool.Pool
	checkpoint int64
}

func (r *pastCheckpoint) next(ctx context.Context) ([]place, error) {
	places, err := queryPlaces(ctx, r.pool, `select stream, version, position from eventlog.events where position > $1 order by position`, r.checkpoint)
	if len(places) > 0 {
		r.checkpoint = places[len(places)-1].Position
	}
	return places, err
}

// belowXmin orders by transaction id, and reads transactions older than all that are open.
type belowXmin struct {
	pool     *pgxpool.Pool
	txid     string
	position int64
}

func (r *belowXmin) next(ctx context.Context) ([]place, error) {
	if r.txid == "" {
		r.txid = "0"
	}
	places, err := queryPlaces(ctx, r.pool, `select stream, version, position from eventlog.events
		where (txid, position) > ($1::text::xid8, $2) and txid < pg_snapshot_xmin(pg_current_snapshot())
		order by txid, position`, r.txid, r.position)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	r.position = places[len(places)-1].Position
	return places, r.pool.QueryRow(ctx, `select txid::text from eventlog.events where position = $1`, r.position).Scan(&r.txid)
}

// noGaps waits for every missing position, also for those that never come.
type noGaps struct {
	pool       *pgxpool.Pool
	checkpoint int64
}

func (r *noGaps) next(ctx context.Context) ([]place, error) {
	places, err := queryPlaces(ctx, r.pool, `select stream, version, position from eventlog.events where position > $1 order by position`, r.checkpoint)
	run := 0
	for run < len(places) && places[run].Position == r.checkpoint+1 {
		r.checkpoint++
		run++
	}
	return places[:run], err
}

// ours is the log's own way.
type ours struct {
	log *eventlog.Log
	at  eventlog.Position
}

func (r *ours) next(ctx context.Context) ([]place, error) {
	page, err := r.log.Read(ctx, r.at, eventlog.Query{})
	if err != nil {
		return nil, err
	}
	r.at = page.Next
	places := make([]place, 0, len(page.Events))
	for _, e := range page.Events {
		places = append(places, place{e.Stream, e.StreamVersion, e.Position.Place()})
	}
	return places, nil
}

func queryPlaces(ctx context.Context, pool *pgxpool.Pool, sql string, args ...any) ([]place, error) {
	rows, err := pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[place])
}
