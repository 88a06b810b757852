package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog/internal/life"
)

// ErrTruncated is returned when the events asked for were archived away.
var ErrTruncated = errors.New("the log begins later: its head was archived")

// Bounds of one page.
const (
	pageEventsDefault = 1_000
	pageEventsMax     = 50_000
	// pagePlacesMax is how many places a page that filters by type passes at most, so
	// that no read takes long for types that come seldom.
	pagePlacesMax = 100_000
	// pageBytesMax is how much data a page holds at most, and an event more: events may
	// have DataBytesMax each, and readers keep several pages.
	pageBytesMax = 32 << 20
	// lookEvery is how often a reader that is far behind looks at the log's end.
	lookEvery = 100 * time.Millisecond
)

// Query says which events to read.
type Query struct {
	// Types are the event types wanted; nil means all, empty means none.
	Types []string
	// Limit is how many events a page holds at most; 0 means 1,000, the most are 50,000.
	// Of large events it holds fewer.
	Limit int
	// Until, if not zero, is the last place to read.
	Until Position
	// AtRest, unless nil, is called by Follow whenever it has looked and found nothing new;
	// its error ends Follow. It must be quick.
	AtRest func(ctx context.Context) error
	// Life is the life of the server (see LifeSQL) in which Follow's first position was read
	// from where it is stored; empty where that is not known, as it is for Log.Start. In
	// another life the server may have lost what was stored, and what it stood for.
	Life string
	// Lean leaves out what no view is told of an event: Source, CausationID, TraceParent
	// and PersonID stay empty.
	Lean bool
	// Apart gives the texts and the data of each event memory of their own instead of
	// blocks that many share, for those who keep them.
	Apart bool
	// Into, unless nil, is memory that Read may put the page's events into.
	Into []Event
}

// Page is a stretch of the log. Its events' strings and data share blocks of
// memory: who keeps one small string for long clones it.
type Page struct {
	Events []Event
	// Next is the settled place to read on from, and to store as checkpoint. It also
	// passes events of other types and places that stay empty, so that it may move
	// while Events is empty.
	Next Position
	// Head is the last settled place known.
	Head Position
	// Held reports whether there are events after Head which cannot be given out yet, since a
	// transaction that may still fill a place before them is open: ask again in a few
	// milliseconds, for if it is rolled back nothing announces it. See Log.Blocker.
	Held bool

	// life is the one of the server that the page was read from.
	life life.Life
}

// Life is the life of the server that the page was read from, as LifeSQL names it.
func (p Page) Life() string { return p.life.String() }

// Read reads the next page after from, which is Log.Start, the Next of a page, or a
// stored one: a caller that only remembers it loses events when the server crashes (see
// ErrRestarted), and one that stores it in the log's database does not. Read never waits for other transactions and
// never skips an event; it runs on a connection of its own, outside of any
// transaction that appends.
func (l *Log) Read(ctx context.Context, from Position, q Query) (Page, error) {
	limit, err := l.check(from, q)
	if err != nil {
		return Page{}, fmt.Errorf("read the log: %w", err)
	}
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return Page{}, fmt.Errorf("read the log: %w", err)
	}
	defer conn.Release()
	page, err := l.read(ctx, conn, from.place, q, limit)
	if err != nil {
		return Page{}, fmt.Errorf("read the log after place %d: %w", from.place, err)
	}
	page.life = life.Of(conn)
	return page, nil
}

func (l *Log) check(from Position, q Query) (limit int, err error) {
	if err := l.own(from); err != nil {
		return 0, err
	}
	if err := l.own(q.Until); err != nil {
		return 0, err
	}
	switch {
	case q.Limit == 0:
		return pageEventsDefault, nil
	case q.Limit < 0 || q.Limit > pageEventsMax:
		return 0, fmt.Errorf("a page of %d events: the limit is 1 to %d", q.Limit, pageEventsMax)
	}
	return q.Limit, nil
}

func (l *Log) read(ctx context.Context, conn *pgxpool.Conn, from int64, q Query, limit int) (Page, error) {
	held := false
	farBehind := l.settler.Settled()-from >= int64(limit) && l.settler.Holds(conn)
	if !farBehind || time.Since(l.settler.Seen()) > lookEvery {
		p := peek{from: from, limit: l.roomFor(min(limit, peekEvents)), query: q}
		result, err := l.settler.Advance(ctx, conn, l.reading(&p))
		if err != nil {
			return Page{}, err
		}
		if result.Read {
			if err := l.checkPlace(from); err != nil {
				return Page{}, err
			}
			return l.peeked(p, result), nil
		}
		held = result.Open
	}
	if err := l.checkPlace(from); err != nil {
		return Page{}, err
	}
	settled := l.settler.Settled()
	page := Page{Next: l.at(from), Head: l.at(settled), Held: held}
	last := farthest(from, settled, q)
	if last <= from {
		return page, nil
	}
	page.Next = l.at(last)
	if q.nothing() {
		return page, nil
	}
	limit = l.roomFor(limit)
	events, cut, err := l.readEvents(ctx, conn, from, last, q, limit)
	if err != nil {
		return Page{}, err
	}
	page.Events = events
	if n := len(events); cut || n == limit {
		page.Next = events[n-1].Position
	}
	return page, nil
}

// roomFor is how many events to ask for so that a page of such as came last is not cut:
// what is cut off was sent in vain.
func (l *Log) roomFor(limit int) int {
	return min(limit, pageBytesMax/max(1, int(l.eventBytes.Load())))
}

// farthest is the last place that a page may pass.
func farthest(from, settled int64, q Query) int64 {
	last := settled
	if !q.Until.IsZero() {
		last = min(last, q.Until.place)
	}
	if q.Types != nil {
		last = min(last, from+pagePlacesMax)
	}
	return last
}

// nothing reports whether the query wants no events, only where the log ends.
func (q *Query) nothing() bool { return q.Types != nil && len(q.Types) == 0 }

// checkPlace refuses places that the log does not have any more, or not yet.
func (l *Log) checkPlace(from int64) error {
	if kept := l.settler.KeptFrom(); from+1 < kept {
		return fmt.Errorf("%w: its first place is %d: restore the archived part, or start at Log.Kept", ErrTruncated, kept)
	}
	if head := l.settler.Head(); from > head {
		return fmt.Errorf("%w: the log ends at place %d: it was set back to an earlier state; rebuild what stands at the later position", ErrForeignPosition, head)
	}
	return nil
}
