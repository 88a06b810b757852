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

// empty reports whether the batch has nothing for ClickHouse.
func (b *batch) empty() bool { return len(b.blocks) == 0 }

func (b *block) rows() int { return len(b.positions) }

func newBlock(fact int, m *projections.FactModel, partition int) *block {
	b := &block{fact: fact, model: m, partition: partition, columns: make([]vector, len(m.Columns))}
	for i := range m.Columns {
		b.columns[i] = newVector(&m.Columns[i])
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
	// bytes are about those of the rows; events are those that made some.
	bytes, events int
	// last is the last event with rows, without its data.
	last eventlog.Event
	// caughtUp reports whether the log went no further when the batch was read.
	caughtUp bool
	// behind reports whether more of the log was settled when the last page was read.
	behind bool
	// fault stands right behind the batch: one that is not to be parked.
	fault *projections.FoldError
	// parked are the faults within it.
	parked []*projections.FoldError
	// leave says what is left out, retries the place of the parked event that the batch
	// tries again, 0 where it is a stretch of the log.
	leave   leftOut
	retries int64

	made    []madeRow
	failed  []*projections.FoldError
	scratch []byte
}

// leftOut says which events make no rows of a fact.
type leftOut struct {
	// skip are events that are not to be tried.
	skip map[factPlace]bool
	// refused are events that ClickHouse did not take.
	refused map[factPlace]*projections.FoldError
	// room is how many events may be parked.
	room int
	// events bounds those with rows of one batch, while one that is refused is looked for.
	events int
}

// factPlace is one event of one fact.
type factPlace struct {
	fact  int
	place int64
}

type blockKey struct{ fact, partition int }

// madeRow is a row of the event under way: an event is added whole or not at all.
type madeRow struct {
	fact, number int
	row          any
	// lists is the memory that its lists take.
	lists int
}

func newBatch(set *projections.Set, from eventlog.Position, leave leftOut) *batch {
	return &batch{set: set, from: from, to: from, index: map[blockKey]*block{}, leave: leave}
}

// Bounds of one batch.
const (
	// blockRowsMax keeps a block below the size at which ClickHouse would cut it.
	blockRowsMax = 200_000
	// batchBlocksMax bounds the INSERTs of a batch, where an import brings decades at once.
	// It is wide: a batch that is cut at few partitions has few rows for each.
	batchBlocksMax = 2_048
	// batchBytesMax bounds the memory of a batch's rows.
	batchBytesMax = 64 << 20
	// eventRowsMax is how many rows one event may make.
	eventRowsMax = 10_000
)

// errFull is returned when the event has no room in this batch.
var errFull = errors.New("the batch is full")

// add puts an event's rows into the blocks, and its faults to those that are parked. The
// error is errFull, or a *FoldError where there is no room to park it; the batch then ends
// right before the event.
func (b *batch) add(e *eventlog.Event, rowsMax int) error {
	if r := b.set.Route(e.Type); r != nil && len(r.Facts) > 0 {
		b.make(e, r)
		if len(b.failed) > 0 && len(b.parked)+len(b.failed) > b.leave.room {
			return b.failed[0]
		}
		if b.full(rowsMax) {
			return errFull
		}
		b.parked = append(b.parked, b.failed...)
		b.keep(e)
	}
	b.to = e.Position
	return nil
}

// full reports whether the rows of the event under way have no room any more.
func (b *batch) full(rowsMax int) bool {
	if b.rows == 0 || len(b.made) == 0 {
		return false
	}
	return b.rows+len(b.made) > rowsMax || b.bytes > batchBytesMax ||
		len(b.index)+b.newBlocks() > batchBlocksMax || b.leave.events > 0 && b.events >= b.leave.events
}

// make calls the handlers of an event. A fault of one fact leaves the rows of others.
func (b *batch) make(e *eventlog.Event, r *projections.Route) {
	b.made, b.failed = b.made[:0], b.failed[:0]
	value, undecodable := decode(e, r)
	meta := projections.MetaOf(e)
	for _, f := range r.Facts {
		at := factPlace{f.Fact, e.Position.Place()}
		if b.leave.skip[at] {
			continue
		}
		fault, from := b.leave.refused[at], len(b.made)
		switch {
		case undecodable != nil:
			fault = b.faultOf(f.Fact, e, projections.ReasonUndecodable, undecodable, hintDecode)
		case fault == nil:
			fault = b.rowsOf(f, value, meta, e)
		}
		if fault != nil {
			b.made = b.made[:from]
			b.failed = append(b.failed, fault)
		}
	}
}

func decode(e *eventlog.Event, r *projections.Route) (value any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return r.Decode(e.SchemaVersion, e.Data)
}

// rowsOf adds the rows of one fact to those made.
func (b *batch) rowsOf(f projections.FactRoute, value any, meta projections.Meta, e *eventlog.Event) (fault *projections.FoldError) {
	defer func() {
		if p := recover(); p != nil {
			fault = b.faultOf(f.Fact, e, projections.ReasonPanic, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), hintHandler)
		}
	}()
	from := len(b.made)
	err := f.Handling.Rows(value, meta, func(row any) {
		b.made = append(b.made, madeRow{fact: f.Fact, number: len(b.made) - from, row: row})
	})
	if n := len(b.made) - from; err == nil && n > eventRowsMax {
		err = fmt.Errorf("it makes %d rows of one event; the most are %d", n, eventRowsMax)
	}
	if err != nil {
		return b.faultOf(f.Fact, e, projections.ReasonHandler, err, hintHandler)
	}
	if err := storableRows(b.set.Facts()[f.Fact], b.made[from:]); err != nil {
		return b.faultOf(f.Fact, e, projections.ReasonUnstorable, err, hintStore)
	}
	return nil
}

// storableRows checks the rows of one event and notes the memory of their lists.
func storableRows(m *projections.FactModel, rows []madeRow) (err error) {
	all := 0
	for i := range rows {
		if rows[i].lists, err = storable(m, m.Base(rows[i].row)); err != nil {
			return err
		}
		all += rows[i].lists
	}
	if all > eventListBytesMax {
		return fmt.Errorf("the lists of its %d rows hold %d bytes; the most of one event are %d", len(rows), all, eventListBytesMax)
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
		b.bytes += len(b.scratch) + made.lists // what is hashed is about what is sent; small items of lists take more
	}
	if len(b.made) > 0 {
		b.last = *e
		b.last.Data = nil
		b.events++
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
	hintHandler = "mend the handler, raise the fact's Version if its meaning changes" + projections.ThenRetry
	hintDecode  = "register an upcaster for this version of the event type, or mend the producer" + projections.ThenRetry
	hintStore   = "mend the handler so that the value can be stored: times from 1900 to 2261, in UTC and whole microseconds; decimals within the digits of their column; declared values; lists within their bounds" + projections.ThenRetry
)

func (b *batch) faultOf(fact int, e *eventlog.Event, reason string, err error, hint string) *projections.FoldError {
	return &projections.FoldError{
		View: b.set.Facts()[fact].Name, Position: e.Position, Type: e.Type, Stream: e.Stream, Reason: reason, Err: err, Hint: hint,
	}
}
