package settle

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A reader that has read all that is settled looks at the log's end and reads what is
// new in one round trip: the look first, then the events, in the order in which the
// server answers. How far the log is settled is known when both have come. What stands
// beyond is dropped, and read again when it is settled.
//
// The events are read behind the look, so that they are all there is up to where that
// look, or a proof before it, has settled the log. A proof that is closed behind the
// read says nothing about it: then the events are read once more.

// Reading is what a reader wants to read behind a look.
type Reading struct {
	// After and Last are the places that it is about.
	After, Last int64
	// SQL and Args are the query. A batch takes no wish for a format: numbers and times come
	// in binary anyhow, and texts are the same in both.
	SQL  string
	Args []any
	// Scan takes the rows, and closes them.
	Scan func(pgx.Rows) error
}

// beyondMax is how many places may stand beyond the settled one: while a transaction
// holds the log back, the same ones would be read every few milliseconds.
const beyondMax = 64

// worthwhile reports whether the reader is at the settled end, and little stands beyond.
// The caller that has the turn asks.
func (s *Settler) worthwhile(r *Reading) bool {
	settled := s.settled.Load()
	return r != nil && r.After >= settled && r.After < r.Last && s.head.Load()-settled <= beyondMax
}

// lookAndRead sends the look, and the reading behind it.
func (s *Settler) lookAndRead(ctx context.Context, conn *pgxpool.Conn, r *Reading) (seen look, err error) {
	batch := &pgx.Batch{}
	batch.Queue(lookStatement, s.settled.Load(), settledRunMax)
	batch.Queue(r.SQL, r.Args...)
	results := conn.SendBatch(ctx, batch)
	defer func() { _ = results.Close() }() // its errors were found before
	if seen, err = scanLook(results.QueryRow()); err != nil {
		return look{}, err
	}
	rows, err := results.Query()
	if err != nil {
		return look{}, err
	}
	seen.read = true
	return seen, r.Scan(rows)
}
