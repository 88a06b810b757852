package order

import (
	"context"
	"slices"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/internal/fold"
)

// What waits may be 100,000 events of 1 MiB. A retry folds them part by part, in one
// transaction: each part holds whole groups of what hangs together, so that the event to
// blame is looked for among all that it concerns, and one group is split only where it is
// twice as large as a part.

// partBytes is how much the events of a part have, readAtOnce how many of the log are read
// at once: an event may have 1 MiB.
const (
	partBytes  = batch.MaxBytes / 2
	readAtOnce = 16
)

// part is what is read of the log for a part, with the rows for which each event waits.
type part struct {
	stored []eventlog.Event
	wants  map[int64]map[string]bool
	bytes  int
}

// parts hands out what waits in parts, in the order of the log within each group.
func (o *Order) parts(ctx context.Context, at eventlog.Position, hand func(b *batch.Batch, last bool) error) error {
	p, most := part{}, o.PartBytes
	if most == 0 {
		most = partBytes
	}
	next := func(last bool) error {
		b := &batch.Batch{From: at, Next: at}
		p.decode(o, b)
		p = part{}
		return hand(b, last)
	}
	for _, group := range groups(o.entries) {
		for some := range slices.Chunk(group, readAtOnce) {
			if err := p.read(ctx, o.Log, some); err != nil {
				return err
			}
			if p.bytes >= 2*partBytes {
				if err := next(false); err != nil {
					return err
				}
			}
		}
		if p.bytes >= most || len(p.stored) >= batch.DefaultEvents {
			if err := next(false); err != nil {
				return err
			}
		}
	}
	return next(true)
}

// read reads the events of entries.
func (p *part) read(ctx context.Context, log fold.Log, entries []control.ParkedEvent) error {
	if p.wants == nil {
		p.wants = map[int64]map[string]bool{}
	}
	var places []int64
	for _, e := range entries {
		if e.Eventless() {
			continue
		}
		at := e.Position.Place()
		if p.wants[at] == nil {
			p.wants[at] = map[string]bool{}
			places = append(places, at)
		}
		p.wants[at][e.Key] = true
	}
	stored, err := log.At(ctx, places)
	for i := range stored {
		p.bytes += len(stored[i].Data)
	}
	p.stored = append(p.stored, stored...)
	return err
}

// decode makes a batch of what was read.
func (p *part) decode(o *Order, b *batch.Batch) {
	slices.SortFunc(p.stored, func(a, b eventlog.Event) int { return int(a.Position.Place() - b.Position.Place()) })
	o.add(b, p.stored, p.wants)
}

// groups are the entries that must be folded in their order: those of one row, and those
// of a stream that waits as a whole, with all that hangs on either. The order within a
// group is that of the entries.
func groups(entries []control.ParkedEvent) [][]control.ParkedEvent {
	whole := map[string]bool{}
	for _, e := range entries {
		whole[e.Stream] = whole[e.Stream] || e.Key == ""
	}
	links := newLinks(len(entries))
	byRow, byStream := map[string]int{}, map[string]int{}
	link := func(index map[string]int, name string, i int) {
		if first, ok := index[name]; ok {
			links.join(first, i)
			return
		}
		index[name] = i
	}
	for i, e := range entries {
		if e.Key != "" {
			link(byRow, e.Key, i)
		}
		if whole[e.Stream] {
			link(byStream, e.Stream, i)
		}
	}
	numbers, out := map[int]int{}, [][]control.ParkedEvent{}
	for i, e := range entries {
		n, ok := numbers[links.leader(i)]
		if !ok {
			n = len(out)
			numbers[links.leader(i)] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], e)
	}
	return out
}

// links are sets of numbers that are joined to each other (union-find, with halved paths:
// Tarjan and van Leeuwen 1984).
type links []int

func newLinks(n int) links {
	l := make(links, n)
	for i := range l {
		l[i] = i
	}
	return l
}

func (l links) leader(i int) int {
	for l[i] != i {
		l[i] = l[l[i]]
		i = l[i]
	}
	return i
}

func (l links) join(a, b int) { l[l.leader(b)] = l.leader(a) }
