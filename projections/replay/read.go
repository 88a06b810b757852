package replay

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// page is a stretch of the log on its way into the slices.
type page struct {
	raw    []eventlog.Event
	events []projections.Event
	// of is each decoded event's place in raw.
	of      []int32
	touches []projections.Touch
	broken  []projections.Broken
	// hashes are those of the touches' keys, parts their slices.
	hashes []uint64
	parts  []int32
	// waiting are touches that cannot be folded, and that faults is asked about.
	waiting []Waiting
	next    eventlog.Position
	// former is closed when the page before was folded, folded when this one was.
	former, folded chan struct{}
}

// reset makes a page that was folded empty. Nobody has it any more, nor its events: rows
// keep their values only.
func (p *page) reset() {
	clear(p.raw)
	clear(p.events)
	clear(p.touches[:cap(p.touches)])
	clear(p.waiting)
	*p = page{
		raw: p.raw[:0], events: p.events[:0], of: p.of[:0],
		touches: p.touches[:0], hashes: p.hashes[:0], parts: p.parts[:0], waiting: p.waiting[:0],
	}
}

// pagesAtOnce is how many pages are on their way at a time, each in the hands of one
// worker from its reading to its fold, so that it stays near one processor: one is
// read, one decoded, one folded, and reading waits for the server.
const pagesAtOnce = 4

// read reads the log up to Until and hands each page, decoded, to fold: one at a time,
// in the log's order.
func (r *replay) read(ctx context.Context, fold func(*page) error) error {
	group, ctx := errgroup.WithContext(ctx)
	source := r.pages()
	for range pagesAtOnce {
		group.Go(func() error {
			p := &page{}
			for {
				if more, err := source.next(ctx, p); err != nil || !more {
					return err
				}
				if err := r.take(ctx, p, fold); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// take decodes a page, and folds it when it is its turn.
func (r *replay) take(ctx context.Context, p *page, fold func(*page) error) error {
	r.decode(p)
	select {
	case <-p.former:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := r.sort(p); err != nil {
		return err
	}
	if err := fold(p); err != nil {
		return err
	}
	close(p.folded)
	p.reset()
	return nil
}

// pages are the log's pages up to Until, for workers that take them in turns.
type pages struct {
	*replay
	mu sync.Mutex
	at eventlog.Position
	// query asks for the next page; last is closed when the one before was folded.
	query eventlog.Query
	last  chan struct{}
}

func (r *replay) pages() *pages {
	first := make(chan struct{})
	close(first)
	return &pages{
		replay: r, at: r.cfg.Log.Start(), last: first,
		query: eventlog.Query{Types: r.cfg.Set.ViewTypes(), Limit: min(pageEventsFirst, r.pageEvents(nil)), Until: r.cfg.Until, Lean: true, Apart: true},
	}
}

// Bounds of a page whose size the events decide.
const (
	pageEventsFirst = 500
	pageEventsMin   = 16
	pageEventsMax   = 5_000
)

// settleWait is how long to wait for a place that this process has not yet seen to be
// settled.
const settleWait = 3 * time.Millisecond

// next reads the next page into p, or answers that there is none.
func (s *pages) next(ctx context.Context, p *page) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.at.Place() < s.cfg.Until.Place() {
		s.query.Into = p.raw
		stored, err := s.cfg.Log.Read(ctx, s.at, s.query)
		if err != nil {
			return false, err
		}
		if stored.Next == s.at {
			if err := pause(ctx, settleWait); err != nil {
				return false, err
			}
			continue
		}
		p.raw, p.next = stored.Events, stored.Next
		p.former, p.folded = s.last, make(chan struct{})
		s.at, s.last = stored.Next, p.folded
		s.query.Limit = s.pageEvents(p.raw)
		return true, limit(ctx, s.cfg.Rate, len(p.raw))
	}
	return false, nil
}

// pageEvents is how many events the next page may hold, by those of the last one.
func (r *replay) pageEvents(last []eventlog.Event) int {
	if r.cfg.PageEvents > 0 {
		return r.cfg.PageEvents
	}
	if len(last) == 0 {
		return pageEventsFirst
	}
	size := int64(0)
	for i := range last {
		size += eventBytes(&last[i])
	}
	return int(min(pageEventsMax, max(pageEventsMin, r.cfg.pageBytes()*int64(len(last))/size)))
}

// eventBytes is what an event takes on its way, stored and decoded.
func eventBytes(e *eventlog.Event) int64 {
	const structs = 400
	return structs + int64(3*len(e.Data)+len(e.ID)+len(e.Stream)+len(e.CorrelationID)+len(e.CausationID)+len(e.TraceParent)+len(e.PersonID))
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// limit waits until n events may pass.
func limit(ctx context.Context, l *rate.Limiter, n int) error {
	for l != nil && n > 0 {
		some := min(n, max(1, l.Burst()))
		if err := l.WaitN(ctx, some); err != nil {
			return err
		}
		n -= some
	}
	return nil
}

// decode finds out what a page's events touch. It knows nothing of the pages before.
func (r *replay) decode(p *page) {
	p.events, p.touches, p.broken = r.cfg.Set.PrepareOwned(p.events, p.touches, p.raw)
	at := 0
	for i := range p.events {
		for p.raw[at].Position != p.events[i].Meta.Position {
			at++
		}
		p.of = append(p.of, int32(at))
	}
	for i := range p.touches {
		p.hashes = append(p.hashes, Hash(p.touches[i].Key))
	}
}

// sort keeps the touches that are to be folded, each with its slice.
func (r *replay) sort(p *page) error {
	for i := range p.broken {
		for _, view := range p.broken[i].Views {
			if err := r.keyless(p, view, &p.broken[i]); err != nil {
				return err
			}
		}
	}
	touches, hashes := p.touches, p.hashes
	p.touches, p.hashes = touches[:0], hashes[:0]
	for i, t := range touches {
		v := &r.views[t.View]
		if !v.folded {
			continue
		}
		e := &p.events[t.Event]
		slice := r.slice(hashes[i])
		switch {
		case !v.whole && r.cfg.Keep != nil && !r.cfg.Keep(v.model, t.Key):
		case v.done != nil && v.done[slice]:
		case r.only != nil && !r.only.has(t.View, t.Key, e.Meta.Position.Place()):
		case r.skip(t.View, t.Key, e.Meta):
		case r.waits(p, &t, e):
		default:
			p.touches = append(p.touches, t)
			p.hashes = append(p.hashes, hashes[i])
			p.parts = append(p.parts, int32(r.part(t.View, slice)))
		}
	}
	return nil
}

func (r *replay) skip(view int, key string, m projections.Meta) bool {
	return r.cfg.Skip != nil && r.cfg.Skip(r.views[view].model, key, m.Stream, m.Position.Place())
}

// keyless is an event of which it is not known which row of a view it touches: from
// here on its stream waits there.
func (r *replay) keyless(p *page, view int, b *projections.Broken) error {
	v := &r.views[view]
	m := projections.MetaOf(b.Event)
	if !v.folded || r.skip(view, "", m) {
		return nil
	}
	if r.cfg.Faults == nil {
		return b.Fault
	}
	fault := *b.Fault
	fault.View, fault.Stream = v.model.Name, m.Stream
	if id := (rowID{view, m.Stream}); r.streams[id] == 0 {
		id.name = strings.Clone(id.name) // not with its event
		r.streams[id] = m.Position.Place()
	}
	p.waiting = append(p.waiting, Waiting{View: v.model, Stream: m.Stream, EventType: fault.Type, Position: fault.Position, Fault: &fault})
	return nil
}

// waits says whether a touch waits behind its stream. Its row waits from then on too.
func (r *replay) waits(p *page, t *projections.Touch, e *projections.Event) bool {
	if len(r.streams) == 0 {
		return false
	}
	from, ok := r.streams[rowID{t.View, e.Meta.Stream}]
	if !ok || e.Meta.Position.Place() < from { // of that event itself no handler folds anything
		return false
	}
	p.waiting = append(p.waiting, r.waiting(t, e))
	return true
}
