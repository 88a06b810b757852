// Package record is the form in which a private fold writes an event down, with the rows of
// one slice that it touches.
package record

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/readside/readside/eventlog"
)

// What is written down of a slice, by a record's first byte: rows as they were when it went to
// disk, then the events that touch it, each once, with the rows that it touches.
const (
	Row   byte = 0
	Event byte = 1
)

// Touch is a row that an event touches: the number of the handling in its view, and the key.
type Touch struct {
	Handling int
	Key      string
}

// Codec writes events of some types and reads them again.
type Codec struct {
	types   []string
	numbers map[string]int
}

// NewCodec returns a codec for events of the types.
func NewCodec(types []string) *Codec {
	c := &Codec{types: types, numbers: make(map[string]int, len(types))}
	for i, name := range types {
		c.numbers[name] = i
	}
	return c
}

// Append appends an event with the rows that it touches.
func (c *Codec) Append(buf []byte, e *eventlog.Event, touches []Touch) []byte {
	buf = binary.AppendUvarint(buf, uint64(e.Position.Place()))
	buf = binary.AppendUvarint(buf, uint64(e.StreamVersion))
	buf = binary.AppendVarint(buf, e.Time.UnixMicro())
	buf = binary.AppendUvarint(buf, uint64(e.SchemaVersion))
	buf = binary.AppendUvarint(buf, uint64(c.numbers[e.Type]))
	buf = binary.AppendUvarint(buf, uint64(len(e.ID)))
	buf = binary.AppendUvarint(buf, uint64(len(e.Stream)))
	buf = binary.AppendUvarint(buf, uint64(len(e.CorrelationID)))
	buf = append(append(append(buf, e.ID...), e.Stream...), e.CorrelationID...)
	buf = append(binary.AppendUvarint(buf, uint64(len(e.Data))), e.Data...)
	buf = binary.AppendUvarint(buf, uint64(len(touches)))
	for _, t := range touches {
		buf = binary.AppendUvarint(buf, uint64(t.Handling))
		buf = append(binary.AppendUvarint(buf, uint64(len(t.Key))), t.Key...)
	}
	return buf
}

// ErrDamaged is returned when a record is not one that Append wrote.
var ErrDamaged = errors.New("a record on disk is damaged")

// Read reads an event, whose place is one of the log of until, and calls touch with each row
// that it touches.
func (c *Codec) Read(data []byte, until eventlog.Position, touch func(Touch)) (eventlog.Event, error) {
	in := reader{data: data}
	e := eventlog.Event{
		Position:      until.At(in.uvarint()),
		StreamVersion: in.uvarint(),
		Time:          time.UnixMicro(in.varint()).UTC(),
		SchemaVersion: int(in.uvarint()),
	}
	number := in.uvarint()
	id, stream, correlation := in.uvarint(), in.uvarint(), in.uvarint()
	if in.err != nil || number < 0 || int(number) >= len(c.types) {
		return e, ErrDamaged
	}
	e.Type = c.types[number]
	texts := string(in.bytes(id + stream + correlation))
	e.Data = in.bytes(in.uvarint())
	if in.err != nil {
		return e, in.err
	}
	e.ID, e.Stream, e.CorrelationID = texts[:id], texts[id:id+stream], texts[id+stream:]
	for range in.uvarint() {
		handling := int(in.uvarint())
		touch(Touch{Handling: handling, Key: string(in.bytes(in.uvarint()))})
	}
	return e, in.err
}

// reader reads the parts of a record, until one is damaged.
type reader struct {
	data []byte
	err  error
}

func (r *reader) uvarint() int64 {
	v, n := binary.Uvarint(r.data)
	return int64(r.advanced(v, n))
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data)
	return int64(r.advanced(uint64(v), n))
}

func (r *reader) advanced(v uint64, n int) uint64 {
	if n <= 0 {
		r.err, r.data = ErrDamaged, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) bytes(n int64) []byte {
	if n < 0 || n > int64(len(r.data)) {
		r.err, r.data = ErrDamaged, nil
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}
