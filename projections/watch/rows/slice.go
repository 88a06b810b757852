package rows

import (
	"context"
	"fmt"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
)

// slice is a part of a view's rows, folded from the log: those whose keys have hashes in a
// range, and a few by name.
type slice struct {
	view       *view
	from, last uint64
	extra      map[string]bool
	generation control.Generation
	// at is how far they are folded; rows have own columns only.
	at   eventlog.Position
	rows map[string]*projections.Row
	// skipped are the touches of these rows that were left out, keyless the events of which
	// it was known that their rows are not.
	skipped map[touch]bool
	keyless map[int64]bool

	budget int64
	// bytes is about what the rows take: as measured last, and all that came since. most is
	// the most of it.
	bytes, most int64
	events      int

	// left are rows that could not be compared; sourceKeys those that the differing rows
	// join, by view.
	left       map[string]bool
	sourceKeys map[string][]string
}

const (
	// rowOverhead is what a row takes beside its values.
	rowOverhead = 200
	// imageTimes is how much larger a row's values are in memory than stored, about.
	imageTimes = 3
)

func (w *watcher) newSlice(v *view, f footing) *slice {
	s := &slice{
		view: v, from: v.state.Next, last: hashMost, generation: f.generations[v.model.Name], at: w.Log.Start(), budget: w.Bytes,
		extra: v.suspects, rows: map[string]*projections.Row{}, skipped: map[touch]bool{}, keyless: map[int64]bool{},
	}
	if hashMost-s.from > v.width {
		s.last = s.from + v.width
	}
	if d := v.state.Difference; d != nil {
		s.extra[d.Key] = true
	}
	return s
}

// has reports whether a row belongs to the slice.
func (s *slice) has(key string) bool {
	h := keyhash.Of(key)
	return h >= s.from && h <= s.last || s.extra[key]
}

// foldTo folds the log up to a place, without what is parked; read is told how many events
// each page had.
func (s *slice) foldTo(ctx context.Context, log *eventlog.Log, until eventlog.Position, p parked, limit int, read func(events int) error) error {
	for t := range p.touches {
		if t.key == "" {
			s.keyless[t.place] = true
		}
	}
	if s.at == until {
		return nil
	}
	q := eventlog.Query{Types: s.view.types, Limit: limit, Until: until}
	return log.Follow(ctx, s.at, q, func(_ context.Context, page eventlog.Page) error {
		if err := s.fold(page.Events, p); err != nil {
			return err
		}
		s.at = page.Next
		s.events += len(page.Events)
		if s.bytes > s.budget {
			if err := s.shrink(); err != nil {
				return err
			}
		}
		return read(len(page.Events))
	})
}

// fold folds one page.
func (s *slice) fold(stored []eventlog.Event, p parked) error {
	events, touches, broken := s.view.set.Prepare(stored)
	for i := range broken {
		if err := s.leaveBroken(&broken[i], p); err != nil {
			return err
		}
	}
	own, at := touches[:0], 0
	for _, t := range touches {
		if t.View != s.view.index || !s.has(t.Key) {
			continue
		}
		e := &events[t.Event]
		if left := (touch{e.Meta.Position.Place(), t.Key}); p.holds(left) {
			if !s.skipped[left] {
				s.skipped[left] = true
				s.bytes += rowOverhead
			}
			continue
		}
		for stored[at].Position != e.Meta.Position {
			at++
		}
		// At most: a row that changes often does not grow with each event.
		s.bytes += int64(len(stored[at].Data)) * imageTimes
		if t.Row = s.rows[t.Key]; t.Row == nil {
			t.Row = s.view.model.NewRow(t.Key)
			s.rows[t.Key] = t.Row
			s.bytes += rowOverhead + int64(s.view.model.Type.Size())
		}
		own = append(own, t)
	}
	if faults := s.view.set.FoldAll(nil, own, events); len(faults) > 0 {
		return faults[0]
	}
	return nil
}

// leaveBroken leaves out an event whose rows in this view are not known: it is parked, or the
// projector could read what this program cannot.
func (s *slice) leaveBroken(b *projections.Broken, p parked) error {
	for _, view := range b.Views {
		if view != s.view.index {
			continue
		}
		at := touch{place: b.Event.Position.Place()}
		if !p.holds(at) {
			return b.Fault
		}
		s.skipped[at] = true
	}
	return nil
}

// shrink measures the rows, and takes a smaller slice until they fit twice.
func (s *slice) shrink() error {
	for {
		if err := s.measure(); err != nil {
			return err
		}
		if s.bytes <= s.budget/2 || s.last == s.from {
			return nil
		}
		s.last = s.from + (s.last-s.from)/2
		for key := range s.rows {
			if !s.has(key) {
				delete(s.rows, key)
			}
		}
		for t := range s.skipped {
			if t.key != "" && !s.has(t.key) {
				delete(s.skipped, t)
			}
		}
	}
}

// measure computes anew what the rows take.
func (s *slice) measure() error {
	s.most = max(s.most, s.bytes)
	s.bytes = int64(len(s.skipped)) * rowOverhead
	var buf []byte
	for key, row := range s.rows {
		own, err := s.view.layout.AppendOwn(buf[:0], row)
		if err != nil {
			return fmt.Errorf("measure row %q of view %s: %w", key, s.view.model.Name, err)
		}
		buf = own
		s.bytes += rowOverhead + int64(s.view.model.Type.Size()) + int64(len(own))*imageTimes
	}
	return nil
}

// stale returns the rows that cannot be compared: events that were left out of them are
// not parked any more, or the other way round. It returns errMoved where that holds for
// events whose rows are not known.
func (s *slice) stale(now parked) (map[string]bool, error) {
	out := map[string]bool{}
	for t := range s.skipped {
		switch {
		case now.holds(t):
		case t.key == "":
			return nil, errMoved
		default:
			out[t.key] = true
		}
	}
	for t := range now.touches {
		switch {
		case t.key == "":
			if !s.keyless[t.place] {
				return nil, errMoved
			}
		case !s.skipped[t]:
			out[t.key] = true
		}
	}
	return out, nil
}
