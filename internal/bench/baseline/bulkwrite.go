package baseline

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/internal/inmemory"
	"github.com/readside/readside/projections"
)

// BulkWrite writes the rows that the engine writes, in the same batches and the same
// ways, ready-made: nothing is read, decoded, folded, loaded or compared while it runs.
type BulkWrite struct {
	tables  []*hot.Table
	batches []readyBatch
}

// readyBatch is what one transaction writes.
type readyBatch struct {
	next    int64
	changes [][]hot.Change
	sources [][]hot.Source
}

// NewBulkWrite prepares the batches up to last.
func NewBulkWrite(ctx context.Context, log *eventlog.Log, set *projections.Set, tables []*hot.Table, batchEvents int, last eventlog.Position) (*BulkWrite, error) {
	w := &BulkWrite{tables: tables}
	p := &preparing{set: set, tables: tables, memory: inmemory.New(set), images: make([]map[string]hot.Image, len(tables))}
	for i := range p.images {
		p.images[i] = map[string]hot.Image{}
	}
	q := eventlog.Query{Types: set.ViewTypes(), Limit: batchEvents, Until: last}
	err := log.Follow(ctx, log.Start(), q, func(_ context.Context, page eventlog.Page) error {
		b, err := p.batch(page)
		w.batches = append(w.batches, b)
		return err
	})
	return w, err
}

// preparing folds in memory and keeps the images of all rows.
type preparing struct {
	set    *projections.Set
	tables []*hot.Table
	memory *inmemory.Rows
	images []map[string]hot.Image
}

func (p *preparing) batch(page eventlog.Page) (readyBatch, error) {
	b := readyBatch{next: page.Next.Place(), changes: make([][]hot.Change, len(p.tables)), sources: make([][]hot.Source, len(p.tables))}
	events, err := p.set.DecodeAll(page.Events)
	if err != nil {
		return b, err
	}
	touches, err := p.set.Touches(nil, events)
	if err != nil {
		return b, err
	}
	if err := p.set.Fold(p.memory, touches, events); err != nil {
		return b, err
	}
	for view := range p.tables {
		seen := map[string]bool{}
		for _, t := range touches {
			if t.View == view && !seen[t.Key] {
				seen[t.Key] = true
				if err := p.change(&b, view, t.Key); err != nil {
					return b, err
				}
			}
		}
	}
	return b, nil
}

// change notes how a row changes. The joined column is one copy from the first view.
func (p *preparing) change(b *readyBatch, view int, key string) error {
	m, t := p.set.Views()[view], p.tables[view]
	r := *p.memory.Row(view, key)
	own := r.Value
	r.Value = m.Clone(own)
	if err := m.Join(&r, func(j *projections.JoinModel, key string) any {
		if s := p.memory.Row(0, key); s.State == projections.Live {
			return s.Value
		}
		return nil
	}); err != nil {
		return err
	}
	img, err := t.Encode(&r)
	if err != nil {
		return err
	}
	c := hot.Change{Old: p.images[view][key], New: img}
	p.images[view][key] = img
	if c.Changed() {
		b.changes[view] = append(b.changes[view], c)
		if source, visible := t.Source(&r, c); visible {
			b.sources[view] = append(b.sources[view], source)
		}
	}
	return nil
}

// Run writes all batches.
func (w *BulkWrite) Run(ctx context.Context, conn *pgconn.PgConn) error {
	s, err := pipeline.NewSession(ctx, conn)
	if err != nil {
		return err
	}
	place := int64(0)
	for _, b := range w.batches {
		s.Queue("begin")
		for view, t := range w.tables {
			t.Write(s, b.changes[view])
			for _, j := range t.Model.Joins {
				if changed := hot.ConcernedBy(j, b.sources[0]); len(changed) > 0 {
					t.FanCopy(s, j, w.tables[0].Layout, changed, nil, nil)
				}
			}
		}
		if err := w.finish(ctx, s, b, place); err != nil {
			return err
		}
		place = b.next
	}
	return nil
}

// Copy copies the rows of all batches, every version of them, into tables without keys.
func (w *BulkWrite) Copy(ctx context.Context, conn *pgconn.PgConn) error {
	s, err := pipeline.NewSession(ctx, conn)
	if err != nil {
		return err
	}
	place := int64(0)
	for _, b := range w.batches {
		if err := s.Exec(ctx, "begin"); err != nil {
			return err
		}
		for view, t := range w.tables {
			rows := make([]hot.Image, len(b.changes[view]))
			for i, c := range b.changes[view] {
				rows[i] = c.New
			}
			if err := t.CopyAll(ctx, conn, rows); err != nil {
				return err
			}
		}
		if err := w.finish(ctx, s, b, place); err != nil {
			return err
		}
		place = b.next
	}
	return nil
}

// finish moves the checkpoint of a batch and commits.
func (w *BulkWrite) finish(ctx context.Context, s *pipeline.Session, b readyBatch, place int64) error {
	s.Add(pipeline.Op{SQL: `update views.checkpoint set place = $1::bigint where place = $2::bigint`, Params: [][]byte{pipeline.Int64(b.next), pipeline.Int64(place)}, Rows: 1})
	s.Queue("commit")
	return s.Flush(ctx)
}
