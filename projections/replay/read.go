package replay

import (
	"context"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// page is a stretch of the log on its way into the slices: read by one goroutine,
// decoded by one of several, sorted and folded, in the log's order, by one each.
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
}

// pool holds the pages that were folded, to be used again.
type pool chan *page

// pagesAtOnce is how many pages are on their way at a time: one that is read, those
// that are decoded or wait for their turn, one that is sorted, and one that is folded.
const pagesAtOnce = decoders + 3

func (p pool) get() *page {
	select {
	case used := <-p:
		return used
	default:
		return &page{}
	}
}

// put takes a page back. Nobody has it any more, nor its events: rows keep their values
// only.
func (p pool) put(used *page) {
	clear(used.raw)
	clear(used.events)
	clear(used.touches[:cap(used.touches)])
	clear(used.waiting)
	*used = page{
		raw: used.raw[:0], events: used.events[:0], of: used.of[:0],
		touches: used.touches[:0], hashes: used.hashes[:0], parts: used.parts[:0], waiting: used.waiting[:0],
	}
	select {
	case p <- used:
	default:
	}
}

// decoders is how many pages are decoded at a time: decoding takes longer than reading,
// sorting and folding do, each by itself.
const decoders = 2

// read reads the log up to Until and hands each page, decoded, to fold.
func (r *replay) read(ctx context.Context, fold func(*page) error) error {
	group, ctx := errgroup.WithContext(ctx)
	// The pages in their order, each with where it will be when it is decoded. One more
	// waits than the channel holds: it is there to be sorted.
	ordered := make(chan chan *page, decoders-1)
	sorted := make(chan *page)
	used := make(pool, pagesAtOnce)
	group.Go(func() error {
		defer close(ordered)
		return r.pages(ctx, used, func(p *page) error {
			decoded := make(chan *page, 1)
			if err := give(ctx, ordered, decoded); err != nil {
				return err
			}
			group.Go(func() error {
				r.decode(p)
				decoded <- p
				return nil
			})
			return nil
		})
	})
	group.Go(func() error {
		defer close(sorted)
		for decoded := range ordered {
			p := <-decoded
			if err := r.sort(p); err != nil {
				return err
			}
			if err := give(ctx, sorted, p); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		for p := range sorted {
			if err := fold(p); err != nil {
				return err
			}
			used.put(p)
		}
		return nil
	})
	return group.Wait()
}

// give hands v on unless ctx ends.
func give[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Bounds of a page whose size the events decide.
const (
	pageEventsFirst = 500
	pageEventsMin   = 16
	pageEventsMax   = 10_000
)

// settleWait is how long to wait for a place that this process has not yet seen to be
// settled.
const settleWait = 3 * time.Millisecond

// pages reads page after page.
func (r *replay) pages(ctx context.Context, used pool, each func(*page) error) error {
	at := r.cfg.Log.Start()
	q := eventlog.Query{Types: r.cfg.Set.ViewTypes(), Limit: min(pageEventsFirst, r.pageEvents(nil)), Until: r.cfg.Until, Lean: true, Apart: true}
	for at.Place() < r.cfg.Until.Place() {
		p := used.get()
		q.Into = p.raw
		stored, err := r.cfg.Log.Read(ctx, at, q)
		if err != nil {
			return err
		}
		if stored.Next == at {
			if err := pause(ctx, settleWait); err != nil {
				return err
			}
			continue
		}
		at, p.raw, p.next = stored.Next, stored.Events, stored.Next
		q.Limit = r.pageEvents(p.raw)
		if err := limit(ctx, r.cfg.Rate, len(p.raw)); err != nil {
			return err
		}
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
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
	touches := p.touches
	p.touches = touches[:0]
	for _, t := range touches {
		v := &r.views[t.View]
		if !v.folded {
			continue
		}
		e := &p.events[t.Event]
		hash := Hash(t.Key)
		slice := r.slice(hash)
		switch {
		case !v.whole && r.cfg.Keep != nil && !r.cfg.Keep(v.model, t.Key):
		case v.done != nil && v.done[slice]:
		case r.only != nil && !r.only.has(t.View, t.Key, e.Meta.Position.Place()):
		case r.skip(t.View, t.Key, e.Meta):
		case r.waits(p, &t, e):
		default:
			p.touches = append(p.touches, t)
			p.hashes = append(p.hashes, hash)
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
