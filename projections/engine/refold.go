package engine

import (
	"context"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
)

// refold folds a set in memory, from the log's first event on: the truth that
// tables are compared with. It reads nothing that another checkpoint moves.
type refold struct {
	log    *eventlog.Log
	set    *projections.Set
	memory *projections.Memory
	at     eventlog.Position
	events int
}

func newRefold(log *eventlog.Log, set *projections.Set) *refold {
	return &refold{log: log, set: set, memory: projections.NewMemory(set), at: log.Start()}
}

// advance folds up to and with the event at until, which must be settled.
func (r *refold) advance(ctx context.Context, until eventlog.Position, progress func(eventlog.Position)) error {
	if r.at.Place() >= until.Place() {
		return nil
	}
	q := eventlog.Query{Types: r.set.ViewTypes(), Limit: defaultBatchEvents, Until: until}
	return r.log.Follow(ctx, r.at, q, func(ctx context.Context, page eventlog.Page) error {
		b, err := decode(r.set, r.at, page)
		if err != nil {
			return err
		}
		if err := r.memory.Apply(b.events); err != nil {
			return err
		}
		if b.fault != nil {
			return b.fault
		}
		r.at = page.Next
		r.events += len(b.events)
		if progress != nil {
			progress(r.at)
		}
		return nil
	})
}

// image is a row that a table should hold.
type image struct {
	key   string
	image hot.Image
}

// images are the rows of every view, joined and encoded, sorted by key.
func (r *refold) images(layouts []*hot.Layout) ([][]image, error) {
	rows, err := r.memory.Joined()
	if err != nil {
		return nil, err
	}
	out := make([][]image, len(rows))
	for i, l := range layouts {
		out[i] = make([]image, 0, len(rows[i]))
		for _, row := range rows[i] {
			if row.State == projections.Absent {
				continue
			}
			img, err := l.Encode(row)
			if err != nil {
				return nil, projections.Unstorable(l.Model.Name, row.Key, projections.Meta{Position: r.at}, "", err)
			}
			out[i] = append(out[i], image{row.Key, img})
		}
	}
	return out, nil
}
