package replay

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// page is a stretch of the log on its way into the slices: read by one goroutine,
// decoded by another, folded by a third.
type page struct {
	raw    []eventlog.Event
	events []projections.Event
	// of is each decoded event's place in raw.
	of      []int32
	touches []projections.Touch
	// parts are the touches' slices.
	parts []int32
	// waiting are touches that cannot be folded, and that faults is asked about.
	waiting []Waiting
	next    eventlog.Position
}

// read reads the log up to Until and hands each page, decoded, to fold.
func (r *replay) read(ctx context.Context, fold func(*page) error) error {
	group, ctx := errgroup.WithContext(ctx)
	stored := make(chan eventlog.Page)
	decoded := make(chan *page)
	group.Go(func() error {
		defer close(stored)
		return r.pages(ctx, stored)
	})
	group.Go(func() error {
		defer close(decoded)
		for p := range stored {
			d, err := r.decode(p)
			if err != nil {
				return err
			}
			select {
			case decoded <- d:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		for p := range decoded {
			if err := fold(p); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
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

func (r *replay) pages(ctx context.Context, out chan<- eventlog.Page) error {
	at := r.cfg.Log.Start()
	q := eventlog.Query{Types: r.cfg.Set.ViewTypes(), Limit: min(pageEventsFirst, r.pageEvents(nil)), Until: r.cfg.Until, Lean: true}
	for at.Place() < r.cfg.Until.Place() {
		page, err := r.cfg.Log.Read(ctx, at, q)
		if err != nil {
			return err
		}
		if page.Next == at {
			if err := pause(ctx, settleWait); err != nil {
				return err
			}
			continue
		}
		at = page.Next
		q.Limit = r.pageEvents(page.Events)
		if err := limit(ctx, r.cfg.Rate, len(page.Events)); err != nil {
			return err
		}
		select {
		case out <- page:
		case <-ctx.Done():
			return ctx.Err()
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

// decode finds out what the page's events touch.
func (r *replay) decode(stored eventlog.Page) (*page, error) {
	p := &page{raw: stored.Events, next: stored.Next}
	events, touches, broken := r.cfg.Set.Prepare(stored.Events)
	p.events, p.of = events, make([]int32, len(events))
	at := 0
	for i := range events {
		for stored.Events[at].Position != events[i].Meta.Position {
			at++
		}
		p.of[i] = int32(at)
		events[i].Meta = ownMeta(events[i].Meta)
	}
	for i := range broken {
		for _, view := range broken[i].Views {
			if err := r.keyless(p, view, &broken[i]); err != nil {
				return nil, err
			}
		}
	}
	r.sort(p, touches)
	return p, nil
}

// ownMeta frees the texts from the page's memory: a row that keeps one would keep the
// whole block that it stands in.
func ownMeta(m projections.Meta) projections.Meta {
	all := m.EventID + m.Stream + m.CorrelationID
	a, b := len(m.EventID), len(m.EventID)+len(m.Stream)
	m.EventID, m.Stream, m.CorrelationID = all[:a], all[a:b], all[b:]
	return m
}

// sort keeps the touches that are to be folded, each with its slice.
func (r *replay) sort(p *page, touches []projections.Touch) {
	p.touches, p.parts = touches[:0], make([]int32, 0, len(touches))
	for _, t := range touches {
		v := &r.views[t.View]
		if !v.folded {
			continue
		}
		e := &p.events[t.Event]
		slice := r.slice(t.Key)
		switch {
		case !v.whole && r.cfg.Keep != nil && !r.cfg.Keep(v.model, t.Key):
		case v.done != nil && v.done[slice]:
		case r.only != nil && !r.only.has(t.View, t.Key, e.Meta.Position.Place()):
		case r.skip(t.View, t.Key, e.Meta):
		case r.waits(p, &t, e):
		default:
			p.touches = append(p.touches, t)
			p.parts = append(p.parts, int32(r.part(t.View, slice)))
		}
	}
}

func (r *replay) skip(view int, key string, m projections.Meta) bool {
	return r.cfg.Skip != nil && r.cfg.Skip(r.views[view].model, key, m.Stream, m.Position.Place())
}

// keyless is an event of which it is not known which row of a view it touches: from
// here on its stream waits there.
func (r *replay) keyless(p *page, view int, b *projections.Broken) error {
	v := &r.views[view]
	m := ownMeta(projections.MetaOf(b.Event))
	if !v.folded || r.skip(view, "", m) {
		return nil
	}
	if r.cfg.Faults == nil {
		return b.Fault
	}
	fault := *b.Fault
	fault.View, fault.Stream = v.model.Name, m.Stream
	if id := (rowID{view, m.Stream}); r.streams[id] == 0 {
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
