package replay

import (
	"context"
	"errors"
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
	q := eventlog.Query{Types: r.cfg.Set.ViewTypes(), Limit: min(pageEventsFirst, r.pageEvents(nil)), Until: r.cfg.Until}
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
	p := &page{
		raw: stored.Events, next: stored.Next,
		events: make([]projections.Event, 0, len(stored.Events)),
		of:     make([]int32, 0, len(stored.Events)),
	}
	for i := range stored.Events {
		e, ok, err := r.cfg.Set.Decode(&stored.Events[i])
		switch {
		case err != nil:
			if err := r.undecodable(p, &stored.Events[i], err); err != nil {
				return nil, err
			}
		case ok:
			e.Meta = ownMeta(e.Meta)
			p.events = append(p.events, e)
			p.of = append(p.of, int32(i))
		}
	}
	touches, err := r.cfg.Set.Touches(make([]projections.Touch, 0, 2*len(p.events)), p.events)
	if err != nil {
		if touches, err = r.touchEach(p); err != nil {
			return nil, err
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

// touchEach is Touches, event by event and view by view, where some have no key.
func (r *replay) touchEach(p *page) (touches []projections.Touch, err error) {
	for i := range p.events {
		e := p.events[i]
		for _, v := range e.Route.Views {
			one := e
			one.Route = &projections.Route{EventType: e.Route.EventType, Views: []projections.ViewRoute{v}}
			start := len(touches)
			touches, err = r.cfg.Set.Touches(touches, []projections.Event{one})
			for t := range touches[start:] {
				touches[start+t].Event = i
			}
			if err == nil {
				continue
			}
			if !r.views[v.View].folded {
				continue
			}
			touches = touches[:start] // of an event that has a faulty key all wait
			if err := r.keyless(p, v.View, e.Meta, err); err != nil {
				return nil, err
			}
		}
	}
	return touches, nil
}

// undecodable is an event without a value: in every view that handles its type.
func (r *replay) undecodable(p *page, e *eventlog.Event, fault error) error {
	for _, v := range r.cfg.Set.Route(e.Type).Views {
		if !r.views[v.View].folded {
			continue
		}
		if err := r.keyless(p, v.View, ownMeta(projections.MetaOf(e)), fault); err != nil {
			return err
		}
	}
	return nil
}

// keyless is a fault of an event whose row in a view is not known: from here on its
// stream waits there.
func (r *replay) keyless(p *page, view int, m projections.Meta, err error) error {
	if r.skip(view, "", m) {
		return nil
	}
	var fault *projections.FoldError
	if r.cfg.Faults == nil || !errors.As(err, &fault) {
		return err
	}
	model := r.views[view].model
	own := *fault
	own.View, own.Key = model.Name, ""
	r.streams[rowID{view, m.Stream}] = true
	p.waiting = append(p.waiting, Waiting{View: model, Stream: m.Stream, EventType: fault.Type, Position: fault.Position, Fault: &own})
	return nil
}

// waits says whether a touch waits behind its stream. Its row waits from then on too.
func (r *replay) waits(p *page, t *projections.Touch, e *projections.Event) bool {
	if len(r.streams) == 0 || !r.streams[rowID{t.View, e.Meta.Stream}] {
		return false
	}
	p.waiting = append(p.waiting, Waiting{
		View: r.views[t.View].model, Key: t.Key, Stream: e.Meta.Stream, EventType: e.Route.EventType, Position: e.Meta.Position,
	})
	return true
}
