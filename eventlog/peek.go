package eventlog

import (
	"context"
	"slices"

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

// Bounds of what is read beside a look.
const (
	// peekEvents is how many events; a caller that finds more reads on in pages.
	peekEvents = 512
	// peekBeyond is how many places may stand beyond the settled one: while a transaction
	// holds the log back, the same ones would be read every few milliseconds.
	peekBeyond = 64
)

// peek is what a reader wants to read beside a look.
type peek struct {
	from, last int64
	limit      int
	query      Query

	// read reports whether events are there, all up to the place settled.
	read    bool
	events  []Event
	cut     bool
	settled int64
}

// worthwhile reports whether the reader is at the settled end, and little stands beyond.
// The caller that has the turn asks.
func (p *peek) worthwhile(s *settler) bool {
	settled := s.settled.Load()
	return !p.query.nothing() && p.from >= settled && p.from < p.last && s.head.Load()-settled <= peekBeyond
}

// lookAndRead sends the look, and the read behind it.
func (l *Log) lookAndRead(ctx context.Context, conn *pgxpool.Conn, p *peek) (seen look, err error) {
	batch := &pgx.Batch{}
	batch.Queue(lookStatement, l.settler.settled.Load(), settledRunMax)
	// A batch takes no wish for a format: numbers and times come in binary anyhow, and texts
	// are the same in both.
	batch.Queue(p.query.statement(), p.query.args(p.from, p.last, p.limit)...)
	results := conn.SendBatch(ctx, batch)
	defer func() { _ = results.Close() }() // its errors were found before
	if seen, err = scanLook(results.QueryRow()); err != nil {
		return look{}, err
	}
	rows, err := results.Query()
	if err != nil {
		return look{}, err
	}
	p.events, p.cut, err = l.scan(rows, p.query.Apart, nil)
	return seen, err
}

// peeked is the page of a peek.
func (l *Log) peeked(p peek, held bool) Page {
	page := Page{Next: l.at(p.from), Head: l.at(p.settled), Held: held}
	last := farthest(p.from, p.settled, p.query)
	if last <= p.from {
		return page
	}
	n := len(p.events)
	full := p.cut || n == p.limit
	p.events = slices.DeleteFunc(p.events, func(e Event) bool { return e.Position.place > last })
	page.Events, page.Next = p.events, l.at(last)
	if full && len(p.events) == n {
		page.Next = p.events[n-1].Position
	}
	return page
}
