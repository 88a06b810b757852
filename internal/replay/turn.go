package replay

import (
	"cmp"
	"slices"

	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/internal/replay/reading"
	"github.com/readside/readside/internal/replay/record"
	"github.com/readside/readside/internal/replay/rowtable"
	"github.com/readside/readside/projections"
)

// writeDown writes down touches of slices that are on disk.
func (r *replay) writeDown(p *reading.Page, down []placed) error {
	// Those of one event and one slice together, in their order.
	slices.SortStableFunc(down, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.Event, b.Event), cmp.Compare(a.part, b.part))
	})
	var touched []record.Touch
	for len(down) > 0 {
		n := 1
		for n < len(down) && down[n].Event == down[0].Event && down[n].part == down[0].part {
			n++
		}
		touched = touched[:0]
		for i := range down[:n] {
			t := &down[i]
			touched = append(touched, record.Touch{Handling: slices.Index(r.views[t.View].model.Handlings, t.Handling), Key: t.Key})
		}
		event := &p.Raw[p.Of[down[0].Event]]
		err := r.spilled.Append(int(down[0].part), func(buf []byte) ([]byte, error) {
			return r.codec.Append(append(buf, record.Event), event, touched), nil
		})
		if err != nil {
			return err
		}
		down = down[n:]
	}
	return nil
}

// turn folds one slice that is on disk.
type turn struct {
	r       *replay
	view    int
	rows    rowtable.Table
	events  []projections.Event
	touches []projections.Touch
	bytes   int64
	// failed reports whether rows are half folded; silent that what waits was reported.
	failed, silent bool
}

// turnEvents is how many events of a slice are folded at a time.
const turnEvents = 500

// Row is the row of a key.
func (t *turn) Row(_ int, key string) *projections.Row {
	hash := keyhash.Of(key)
	row := t.rows.Get(hash, key)
	if row == nil {
		v := &t.r.views[t.view]
		row = v.model.NewRow(key)
		t.rows.Put(hash, row)
		t.bytes += v.rowBytes + int64(len(key))
	}
	return row
}

// takeTurn folds what was written down of a slice, beside those rows that stayed in
// memory. Where rows fail it folds once more, up to their faults.
func (r *replay) takeTurn(at int) (rows rowtable.Table, bytes int64, err error) {
	for again := false; ; again = true {
		p := r.all.At(at)
		t := &turn{r: r, view: p.View, bytes: p.Bytes(), silent: again}
		for hash, row := range p.Rows.All() {
			t.rows.Put(hash, row)
		}
		err = r.spilled.Each(at, t.take)
		if err == nil {
			err = t.fold()
		}
		if err != nil || !t.failed {
			return t.rows, t.bytes, err
		}
	}
}

func (t *turn) take(written []byte) error {
	if len(written) == 0 {
		return record.ErrDamaged
	}
	if written[0] == record.Row {
		v := &t.r.views[t.view]
		row, err := v.layout.ReadOwn(written[1:])
		if err != nil {
			return err
		}
		// It came before all events that touch it.
		t.rows.Put(keyhash.Of(row.Key), row)
		t.bytes += v.rowBytes + int64(len(row.Key)+2*len(written))
		return nil
	}
	handlings := t.r.views[t.view].model.Handlings
	first := len(t.touches)
	damaged := false
	e, err := t.r.codec.Read(written[1:], t.r.cfg.Until, func(touched record.Touch) {
		if touched.Handling < 0 || touched.Handling >= len(handlings) {
			damaged = true
			return
		}
		t.touches = append(t.touches, projections.Touch{View: t.view, Handling: handlings[touched.Handling], Key: touched.Key, Event: len(t.events)})
	})
	if err != nil || damaged {
		return record.ErrDamaged
	}
	t.bytes += int64(len(e.Data)+len(e.Stream)) * int64(len(t.touches)-first)
	decoded, _, err := t.r.cfg.Set.Decode(&e)
	if err != nil {
		return err
	}
	t.events = append(t.events, decoded)
	if len(t.events) >= turnEvents {
		return t.fold()
	}
	return nil
}

func (t *turn) fold() error {
	err := t.foldTurn()
	clear(t.events)
	t.events, t.touches = t.events[:0], t.touches[:0]
	return err
}
