package cold

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// block is the rows of one table and partition in one batch: what one INSERT carries.
type block struct {
	fact      int
	model     *projections.FactModel
	partition int
	columns   []vector
	positions values[uint64]
	numbers   values[uint32]
	hash      uint64

	// Of the ledger, once it is planned.
	batch   int64
	attempt int
}

func (b *block) rows() int { return len(b.positions) }

func newBlock(fact int, m *projections.FactModel, partition int) *block {
	b := &block{fact: fact, model: m, partition: partition, columns: make([]vector, len(m.Columns))}
	for i := range m.Columns {
		b.columns[i] = newVector(m.Columns[i].Kind)
	}
	return b
}

// batch is the rows of a range of the log, as blocks.
type batch struct {
	set      *projections.Set
	from, to eventlog.Position
	blocks   []*block
	index    map[blockKey]*block
	rows     int
	// last is when the last event with rows happened.
	last time.Time
	// caughtUp says that the log went no further when the batch was read.
	caughtUp bool
	// fault stands right behind the batch.
	fault *projections.FoldError

	made    []madeRow
	scratch []byte
}

type blockKey struct{ fact, partition int }

// madeRow is a row of the event under way: an event is added whole or not at all.
type madeRow struct {
	fact, number int
	row          any
}

func newBatch(set *projections.Set, from eventlog.Position) *batch {
	return &batch{set: set, from: from, to: from, index: map[blockKey]*block{}}
}

// Bounds of one batch.
const (
	// blockRowsMax keeps a block below the size at which ClickHouse would cut it.
	blockRowsMax = 200_000
	// batchBlocksMax bounds the INSERTs of a batch, where an import brings years at once.
	batchBlocksMax = 64
	// eventRowsMax is how many rows one event may make.
	eventRowsMax = 10_000
)

// errFull says that the event has no room in this batch.
var errFull = errors.New("the batch is full")

// add puts an event's rows into the blocks. The error is errFull or a *FoldError; the
// batch then ends right before the event.
func (b *batch) add(e *eventlog.Event, rowsMax int) error {
	if r := b.set.Route(e.Type); r != nil && len(r.Facts) > 0 {
		if err := b.make(e, r); err != nil {
			return err
		}
		if b.rows > 0 && (b.rows+len(b.made) > rowsMax || len(b.index)+b.newBlocks() > batchBlocksMax) {
			return errFull
		}
		b.keep(e)
	}
	b.to = e.Position
	return nil
}

// make calls the handlers of an event.
func (b *batch) make(e *eventlog.Event, r *projections.Route) (err error) {
	b.made = b.made[:0]
	at := r.Facts[0].Fact
	defer func() {
		if p := recover(); p != nil {
			err = b.faultOf(at, e, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), hintHandler)
		}
	}()
	value, err := r.Decode(e.SchemaVersion, e.Data)
	if err != nil {
		return b.faultOf(at, e, err, hintDecode)
	}
	meta := projections.MetaOf(e)
	for _, f := range r.Facts {
		at = f.Fact
		n := 0
		err := f.Handling.Rows(value, meta, func(row any) {
			b.made = append(b.made, madeRow{at, n, row})
			n++
		})
		if err == nil && n > eventRowsMax {
			err = fmt.Errorf("it makes %d rows of one event; the most are %d", n, eventRowsMax)
		}
		if err != nil {
			return b.faultOf(at, e, err, hintHandler)
		}
	}
	return b.check(e)
}

func (b *batch) check(e *eventlog.Event) error {
	for _, made := range b.made {
		m := b.set.Facts()[made.fact]
		if err := storable(m, m.Base(made.row)); err != nil {
			return b.faultOf(made.fact, e, err, hintStore)
		}
	}
	return nil
}

func (b *batch) keyOf(made madeRow) blockKey {
	m := b.set.Facts()[made.fact]
	at := *(*time.Time)(m.Columns[m.Time].At(m.Base(made.row)))
	return blockKey{made.fact, at.Year()*100 + int(at.Month())}
}

func (b *batch) newBlocks() int {
	fresh := map[blockKey]bool{}
	for _, made := range b.made {
		if key := b.keyOf(made); b.index[key] == nil {
			fresh[key] = true
		}
	}
	return len(fresh)
}

// keep moves the rows made into their blocks.
func (b *batch) keep(e *eventlog.Event) {
	place := e.Position.Place()
	for _, made := range b.made {
		key := b.keyOf(made)
		into := b.index[key]
		if into == nil {
			into = newBlock(key.fact, b.set.Facts()[key.fact], key.partition)
			b.index[key] = into
			b.blocks = append(b.blocks, into)
		}
		b.scratch = into.add(made.row, place, made.number, b.scratch)
	}
	if len(b.made) > 0 {
		b.last = e.Time
	}
	b.rows += len(b.made)
}

func (b *block) add(row any, place int64, number int, scratch []byte) []byte {
	base := b.model.Base(row)
	for i := range b.columns {
		b.columns[i].add(b.model.Columns[i].At(base))
	}
	b.positions = append(b.positions, uint64(place))
	b.numbers = append(b.numbers, uint32(number))
	sum, used := rowHash(b.model, base, place, number, scratch)
	b.hash += sum
	return used
}

const (
	hintHandler = "mend the handler, raise the fact's Version if its meaning changes, and start the projector again"
	hintDecode  = "register an upcaster for this version of the event type, or mend the producer, and start the projector again"
	hintStore   = "mend the handler so that the value can be stored: times from 1900 to 2261, in UTC and whole microseconds"
)

func (b *batch) faultOf(fact int, e *eventlog.Event, err error, hint string) *projections.FoldError {
	return &projections.FoldError{
		View: b.set.Facts()[fact].Name, Position: e.Position, Type: e.Type, Stream: e.Stream, Err: err, Hint: hint,
	}
}
