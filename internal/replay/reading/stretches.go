package reading

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
)

// The log is read in stretches of places, which workers take in turns: each reads its
// own, decodes it, and folds it when the one before was folded. So what is known of a
// page stays near one processor, and neither the server nor this process waits for the
// other.

const (
	// PagesAtOnce is how many workers there are, and pages in memory.
	PagesAtOnce = 4
	// readsAtOnce is how many of them read at a time: one connection each.
	readsAtOnce = 2
)

// Bounds of a page whose size the events decide.
const (
	pageEventsFirst = 500
	pageEventsMin   = 16
	pageEventsMax   = 2_000 // so that a page stays in the processor's cache until it is folded
)

// stretchPlaces is how many places a stretch has at most.
const stretchPlaces = 100_000

// settleWait is how long to wait for a place that this process has not yet seen to be
// settled.
const settleWait = 3 * time.Millisecond

// stretch is a part of the log, after one place and up to another.
type stretch struct {
	after, to eventlog.Position
	// former is closed when the stretch before was folded, folded when this one was.
	former, folded chan struct{}
}

// stretches hands out the log up to Until.
type stretches struct {
	cfg   Config
	reads *semaphore.Weighted

	mu   sync.Mutex
	at   eventlog.Position
	last chan struct{}
	// events and places are how many a page should have, by the last one.
	events, places int
	// every reports whether events of all types are read, since nearly all are wanted.
	every bool
}

// Pages reads the log up to Until and calls fold with each page, decoded: one at a time, in the
// log's order. A page is used again when fold has returned.
func Pages(ctx context.Context, cfg Config, fold func(*Page) error) error {
	group, ctx := errgroup.WithContext(ctx)
	first := make(chan struct{})
	close(first)
	events := cfg.pageEvents(nil)
	s := &stretches{cfg: cfg, reads: semaphore.NewWeighted(readsAtOnce), at: cfg.Log.Start(), last: first, events: events, places: events}
	for range PagesAtOnce {
		group.Go(func() error {
			p := &Page{}
			for {
				part, more := s.next()
				if !more {
					return nil
				}
				if err := s.take(ctx, part, p, fold); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// next is the next stretch.
func (s *stretches) next() (part stretch, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.Place() >= s.cfg.Until.Place() {
		return stretch{}, false
	}
	// As a place of Until's log: reading refuses it where that is another one.
	part = stretch{after: s.at, to: s.cfg.Until.At(min(s.at.Place()+int64(s.places), s.cfg.Until.Place())), former: s.last, folded: make(chan struct{})}
	s.at, s.last = part.to, part.folded
	return part, true
}

// take reads a stretch and folds it when it is its turn, in as many pages as it needs.
func (s *stretches) take(ctx context.Context, part stretch, p *Page, fold func(*Page) error) error {
	for at := part.after; at.Place() < part.to.Place(); at = p.Next {
		p.reset()
		if err := s.fill(ctx, p, at, part.to); err != nil {
			return err
		}
		p.decode(s.cfg.Set)
		s.chooseTypes(p.Handled+len(p.Broken), p.Next.Place()-at.Place())
		select {
		case <-part.former:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := fold(p); err != nil {
			return err
		}
	}
	close(part.folded)
	return nil
}

// fill reads a page.
func (s *stretches) fill(ctx context.Context, p *Page, after, to eventlog.Position) error {
	if err := s.reads.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.reads.Release(1)
	query := eventlog.Query{Types: s.typesToRead(), Limit: s.most(), Until: to, Lean: true, Apart: true, Into: p.Raw}
	for {
		stored, err := s.cfg.Log.Read(ctx, after, query)
		if err != nil {
			return err
		}
		if stored.Next != after {
			p.Raw, p.Next = stored.Events, stored.Next
			s.measure(p.Raw, stored.Next.Place()-after.Place())
			return limit(ctx, s.cfg.Rate, len(p.Raw))
		}
		select {
		case <-time.After(settleWait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// most is how many events a page may have: some more than it should, for those that are
// left of its stretch would take another page; no more than a caller chose.
func (s *stretches) most() int {
	if s.cfg.PageEvents > 0 {
		return s.cfg.PageEvents
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events + s.events/8
}

// fewEvents say nothing of how large others are: so many are left of a stretch, or stand
// among those of other types.
const fewEvents = pageEventsMin / 2

// measure decides on the pages to come by one that was read: each of one stretch. Few
// events never make them larger, since those to come may be large.
func (s *stretches) measure(events []eventlog.Event, places int64) {
	want := s.cfg.pageEvents(events)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(events) < fewEvents {
		want = min(want, s.events)
	}
	s.events = want
	s.places = int(min(stretchPlaces, max(1, int64(want)*places/int64(max(1, len(events))))))
}

// chooseTypes decides by a page whether the server compares the types of the next ones:
// that takes longer than to read a few events that are not wanted.
func (s *stretches) chooseTypes(wanted int, places int64) {
	if places < fewEvents {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.every = int64(wanted)*10 >= places*9
}

// typesToRead are the types of the next page; nil are all.
func (s *stretches) typesToRead() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.every {
		return nil
	}
	return s.cfg.Types
}

// pageEvents is how many events the next page may hold, by those of the last one.
func (c *Config) pageEvents(last []eventlog.Event) int {
	if c.PageEvents > 0 {
		return c.PageEvents
	}
	if len(last) == 0 {
		return pageEventsFirst
	}
	size := int64(0)
	for i := range last {
		size += eventBytes(&last[i])
	}
	return int(min(pageEventsMax, max(pageEventsMin, c.PageBytes*int64(len(last))/size)))
}

// eventBytes is what an event takes on its way, stored and decoded.
func eventBytes(e *eventlog.Event) int64 {
	const structs = 400
	return structs + int64(3*len(e.Data)+len(e.ID)+len(e.Stream)+len(e.CorrelationID)+len(e.CausationID)+len(e.TraceParent)+len(e.PersonID))
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
