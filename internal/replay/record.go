package replay

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// What is written down of a slice: rows as they were when it went to disk, then the
// events that touch it, each once, with the rows that it touches.
const (
	recordRow   byte = 0
	recordEvent byte = 1
)

// writeDown writes down touches of slices that are on disk.
func (r *replay) writeDown(p *page, down []placed) error {
	// Those of one event and one slice together, in their order.
	slices.SortStableFunc(down, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.Event, b.Event), cmp.Compare(a.part, b.part))
	})
	for len(down) > 0 {
		n := 1
		for n < len(down) && down[n].Event == down[0].Event && down[n].part == down[0].part {
			n++
		}
		event, touches := &p.raw[p.of[down[0].Event]], down[:n]
		err := r.spill.Append(int(down[0].part), func(buf []byte) ([]byte, error) {
			return r.appendEvent(buf, event, touches), nil
		})
		if err != nil {
			return err
		}
		down = down[n:]
	}
	return nil
}

func (r *replay) appendEvent(buf []byte, e *eventlog.Event, touches []placed) []byte {
	buf = append(buf, recordEvent)
	buf = binary.AppendUvarint(buf, uint64(e.Position.Place()))
	buf = binary.AppendUvarint(buf, uint64(e.StreamVersion))
	buf = binary.AppendVarint(buf, e.Time.UnixMicro())
	buf = binary.AppendUvarint(buf, uint64(e.SchemaVersion))
	buf = binary.AppendUvarint(buf, uint64(r.typeNumbers[e.Type]))
	buf = binary.AppendUvarint(buf, uint64(len(e.ID)))
	buf = binary.AppendUvarint(buf, uint64(len(e.Stream)))
	buf = binary.AppendUvarint(buf, uint64(len(e.CorrelationID)))
	buf = append(append(append(buf, e.ID...), e.Stream...), e.CorrelationID...)
	buf = append(binary.AppendUvarint(buf, uint64(len(e.Data))), e.Data...)
	buf = binary.AppendUvarint(buf, uint64(len(touches)))
	for i := range touches {
		t := &touches[i]
		buf = binary.AppendUvarint(buf, uint64(slices.Index(r.views[t.View].model.Handlings, t.Handling)))
		buf = append(binary.AppendUvarint(buf, uint64(len(t.Key))), t.Key...)
	}
	return buf
}

var errRecord = errors.New("a record on disk is damaged")

// recordReader reads what appendEvent wrote.
type recordReader struct {
	data []byte
	err  error
}

func (r *recordReader) uvarint() int64 {
	v, n := binary.Uvarint(r.data)
	return int64(r.advanced(v, n))
}

func (r *recordReader) varint() int64 {
	v, n := binary.Varint(r.data)
	return int64(r.advanced(uint64(v), n))
}

func (r *recordReader) advanced(v uint64, n int) uint64 {
	if n <= 0 {
		r.err, r.data = errRecord, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *recordReader) bytes(n int64) []byte {
	if n < 0 || n > int64(len(r.data)) {
		r.err, r.data = errRecord, nil
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

// event reads an event and hands out what it touches: handlings of the view and keys.
func (r *replay) readEvent(record []byte, touch func(handling int, key string)) (eventlog.Event, error) {
	in := recordReader{data: record}
	e := eventlog.Event{
		Position:      r.cfg.Until.At(in.uvarint()),
		StreamVersion: in.uvarint(),
		Time:          time.UnixMicro(in.varint()).UTC(),
		SchemaVersion: int(in.uvarint()),
	}
	number := in.uvarint()
	id, stream, correlation := in.uvarint(), in.uvarint(), in.uvarint()
	if in.err != nil || number < 0 || int(number) >= len(r.types) {
		return e, errRecord
	}
	e.Type = r.types[number]
	texts := string(in.bytes(id + stream + correlation))
	e.Data = in.bytes(in.uvarint())
	if in.err != nil {
		return e, in.err
	}
	e.ID, e.Stream, e.CorrelationID = texts[:id], texts[id:id+stream], texts[id+stream:]
	for range in.uvarint() {
		handling := int(in.uvarint())
		touch(handling, string(in.bytes(in.uvarint())))
	}
	return e, in.err
}

// turn folds one slice that is on disk.
type turn struct {
	*replay
	view    int
	rows    rowTable
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
	hash := Hash(key)
	row := t.rows.get(hash, key)
	if row == nil {
		v := &t.views[t.view]
		row = v.model.NewRow(key)
		t.rows.put(hash, row)
		t.bytes += v.rowBytes + int64(len(key))
	}
	return row
}

// takeTurn folds what was written down of a slice, beside those rows that stayed in
// memory. Where rows fail it folds once more, up to their faults.
func (r *replay) takeTurn(at int) (rows rowTable, bytes int64, err error) {
	for again := false; ; again = true {
		p := &r.all[at]
		t := &turn{replay: r, view: p.view, bytes: p.bytes, silent: again}
		for hash, row := range p.rows.all() {
			t.rows.put(hash, row)
		}
		err = r.spill.Each(at, t.record)
		if err == nil {
			err = t.fold()
		}
		if err != nil || !t.failed {
			return t.rows, t.bytes, err
		}
	}
}

func (t *turn) record(record []byte) error {
	if len(record) == 0 {
		return errRecord
	}
	if record[0] == recordRow {
		v := &t.views[t.view]
		row, err := v.layout.ReadOwn(record[1:])
		if err != nil {
			return err
		}
		// It came before all events that touch it.
		t.rows.put(Hash(row.Key), row)
		t.bytes += v.rowBytes + int64(len(row.Key)+2*len(record))
		return nil
	}
	handlings := t.views[t.view].model.Handlings
	first := len(t.touches)
	damaged := false
	e, err := t.readEvent(record[1:], func(handling int, key string) {
		if handling < 0 || handling >= len(handlings) {
			damaged = true
			return
		}
		t.touches = append(t.touches, projections.Touch{View: t.view, Handling: handlings[handling], Key: key, Event: len(t.events)})
	})
	if err != nil || damaged {
		return errRecord
	}
	t.bytes += int64(len(e.Data)+len(e.Stream)) * int64(len(t.touches)-first)
	decoded, _, err := t.cfg.Set.Decode(&e)
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
