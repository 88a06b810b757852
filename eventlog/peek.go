package eventlog

import (
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog/internal/settle"
)

// peekEvents is how many events a reader reads beside a look at the log's end; a caller that
// finds more reads on in pages.
const peekEvents = 512

// peek is what a reader reads beside a look.
type peek struct {
	from  int64
	limit int
	query Query

	events []Event
	cut    bool
}

// reading is the query of a peek, nil where it wants no events.
func (l *Log) reading(p *peek) *settle.Reading {
	if p.query.nothing() {
		return nil
	}
	last := farthest(p.from, math.MaxInt64, p.query)
	return &settle.Reading{
		After: p.from, Last: last,
		SQL: p.query.statement(), Args: p.query.args(p.from, last, p.limit),
		Scan: func(rows pgx.Rows) (err error) {
			p.events, p.cut, err = l.scan(rows, p.query.Apart, nil)
			return err
		},
	}
}

// peeked is the page of a peek.
func (l *Log) peeked(p peek, r settle.Result) Page {
	page := Page{Next: l.at(p.from), Head: l.at(r.Settled), Held: r.Open}
	last := farthest(p.from, r.Settled, p.query)
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
