package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
)

// An event that cannot be folded into a row is parked, and the later events of that
// row queue behind it, in order; all others flow. Where the row cannot be read from
// the event, the event's stream waits in that view, with the rows that its later
// events name. Nothing is dropped: the row stays as it was right before, its joined
// columns follow their sources, readers are told that it is degraded, and an operator
// retries or discards (Retry, Discard).

const hintMend = "mend and retry, or discard, what is parked"

// maxQueued bounds the events that wait behind parked ones; over it the projector
// halts, since a retry holds them in one transaction.
const maxQueued = 100_000

// row names a row of a set.
type row struct {
	view int
	key  string
}

// stream names a stream that waits in a view.
type stream struct {
	view int
	name string
}

// event names an event and a row that it concerns; the key is empty where it could
// not be read.
type event struct {
	view  int
	key   string
	place int64
}

// parking is what waits: which rows, and in which views which streams.
type parking struct {
	rows    map[row]bool
	streams map[stream]bool
	// given are the events that were given up, waiting those that wait.
	given, waiting map[event]bool
	parked, queued int
}

func newParking() *parking {
	return &parking{rows: map[row]bool{}, streams: map[stream]bool{}, given: map[event]bool{}, waiting: map[event]bool{}}
}

// empty reports whether every event can be folded.
func (p *parking) empty() bool { return len(p.rows) == 0 && len(p.streams) == 0 && len(p.given) == 0 }

// parkingOf is what waits of a projector's entries, and what was given up for good.
func parkingOf(set *projections.Set, entries []Parked) *parking {
	p := newParking()
	for _, e := range entries {
		p.add(viewIndex(set, e.View), e)
	}
	return p
}

func (p *parking) add(view int, e Parked) {
	if e.State == stateDiscarded {
		p.given[event{view, e.Key, e.Position.Place()}] = true
		return
	}
	if !e.eventless() {
		p.waiting[event{view, e.Key, e.Position.Place()}] = true
	}
	p.wait(view, e.Key, e.Stream)
	p.count(e.State == stateParked)
}

// wasGivenUp reports whether an event is not to be folded into a row.
func (p *parking) wasGivenUp(view int, key string, place int64) bool {
	return len(p.given) > 0 && (p.given[event{view, key, place}] || p.given[event{view, "", place}])
}

// holds reports whether an event is not in a row: it waits, or was given up.
func (p *parking) holds(view int, key string, place int64) bool {
	return p.wasGivenUp(view, key, place) || p.waiting[event{view, key, place}] || p.waiting[event{view, "", place}]
}

func viewIndex(set *projections.Set, name string) int {
	for i, m := range set.Views() {
		if m.Name == name {
			return i
		}
	}
	return -1
}

func (p *parking) wait(view int, key, name string) {
	if key == "" {
		p.streams[stream{view, name}] = true
		return
	}
	p.rows[row{view, key}] = true
}

func (p *parking) count(faulty bool) {
	if faulty {
		p.parked++
	} else {
		p.queued++
	}
}

// free takes an entry out of what waits.
func (p *parking) free(view int, e Parked) {
	delete(p.rows, row{view, e.Key})
	delete(p.streams, stream{view, e.Stream})
	if !e.eventless() {
		delete(p.waiting, event{view, e.Key, e.Position.Place()})
	}
	if e.State == stateParked {
		p.parked--
	} else {
		p.queued--
	}
}

// over returns the fault that halts the projector where too much would wait.
func (p *parking) over(held []held, most int) *projections.FoldError {
	parked, queued := p.parked, p.queued
	for _, h := range held {
		if h.fault == nil {
			queued++
			continue
		}
		if parked++; parked > most {
			return overBound(h.fault, fmt.Errorf("%w; it would be number %d of the parked events, and %d are allowed", h.fault.Err, parked, most))
		}
	}
	if queued > maxQueued {
		last := held[len(held)-1]
		return &projections.FoldError{View: last.viewName, Key: last.key, Position: last.position, Type: last.eventType, Stream: last.stream,
			Err: fmt.Errorf("%d events wait behind parked ones, and %d are allowed", queued, maxQueued), Hint: hintMend}
	}
	return nil
}

func overBound(fault *projections.FoldError, err error) *projections.FoldError {
	f := *fault
	f.Err = err
	return &f
}

// held is an event that a batch does not fold into a row.
type held struct {
	view      int
	viewName  string
	key       string
	stream    string
	eventType string
	position  eventlog.Position
	// fault is why; nil for an event that waits behind another.
	fault *projections.FoldError
	// degraded are rows to mark where the key is not known.
	degraded []string
}

// attempt is a batch without the touches that wait, and what waits.
type attempt struct {
	touches []projections.Touch
	held    []held
	parking *parking
	// here is what waits since this batch.
	here *parking
	// failing are the faults that former attempts met, by row.
	failing map[row]*projections.FoldError
	// last is the place of the last event held of each row.
	last map[row]int64
	// mending, unless nil, is the operator's order that this is an attempt at.
	mending *mending
	// queued is how many of held are written down; ended says that all parts were taken.
	queued int
	ended  bool
}

// newAttempt takes out of a batch what waits: behind what is parked already, behind
// its broken events, and from the faults of former attempts on.
func (p *parking) newAttempt(set *projections.Set, b *batch, failing map[row]*projections.FoldError) *attempt {
	a := &attempt{parking: p, here: newParking(), failing: failing}
	a.take(set, b)
	a.end(b)
	return a
}

// take takes out of a batch, or of the next part of one, what waits.
func (a *attempt) take(set *projections.Set, b *batch) {
	if a.parking.empty() && a.here.empty() && len(b.broken) == 0 && len(a.failing) == 0 {
		a.touches = b.touches
		return
	}
	broken := b.broken
	if a.last == nil {
		a.last = map[row]int64{}
	}
	a.touches = make([]projections.Touch, 0, len(b.touches))
	for _, t := range b.touches {
		e := &b.events[t.Event]
		for len(broken) > 0 && broken[0].Event.Position.Place() <= e.Meta.Position.Place() {
			a.park(set, broken[0])
			broken = broken[1:]
		}
		a.add(set, t, e)
	}
	for _, br := range broken {
		a.park(set, br)
	}
}

// end reports whether no part of the batch follows.
func (a *attempt) end(b *batch) {
	a.ended = true
	a.parkJoins(b)
}

// parkJoins holds rows that the batch did not touch and whose joins failed: no event
// is theirs, so they stand at the batch's end.
func (a *attempt) parkJoins(b *batch) {
	for r, fault := range a.failing {
		if fault.Position.IsZero() {
			a.here.rows[r] = true
			a.held = append(a.held, held{view: r.view, viewName: fault.View, key: r.key, eventType: fault.Type, position: b.next, fault: fault})
		}
	}
}

// park holds an event that touches nobody knows which rows.
func (a *attempt) park(set *projections.Set, b projections.Broken) {
	for _, v := range b.Views {
		if a.parking.wasGivenUp(v, "", b.Event.Position.Place()) {
			continue
		}
		a.here.wait(v, "", b.Event.Stream)
		a.held = append(a.held, held{
			view: v, viewName: set.Views()[v].Name, stream: b.Event.Stream, eventType: b.Event.Type,
			position: b.Event.Position, fault: b.Fault,
		})
	}
}

// add folds a touch, or holds it: it is the one that failed, or waits.
func (a *attempt) add(set *projections.Set, t projections.Touch, e *projections.Event) {
	r, place := row{t.View, t.Key}, e.Meta.Position.Place()
	if a.parking.wasGivenUp(t.View, t.Key, place) {
		return
	}
	fault := a.failing[r]
	if fault != nil && (e.Meta.Position != fault.Position || a.here.rows[r]) {
		fault = nil // it is another event of the row that failed
	}
	if fault == nil && !a.waits(r, stream{t.View, e.Meta.Stream}) {
		a.touches = append(a.touches, t)
		return
	}
	a.here.rows[r] = true
	if a.last[r] == place {
		return // two handlers of one event: it waits as a whole
	}
	a.last[r] = place
	a.held = append(a.held, held{
		view: t.View, viewName: set.Views()[t.View].Name, key: t.Key, stream: e.Meta.Stream, eventType: e.Route.EventType,
		position: e.Meta.Position, fault: fault,
	})
}

func (a *attempt) waits(r row, s stream) bool {
	return a.parking.rows[r] || a.here.rows[r] || a.parking.streams[s] || a.here.streams[s]
}

// rowWaits reports whether a row has events that wait: its joins may fail, too.
func (a *attempt) rowWaits(view int, key string) bool {
	r := row{view, key}
	return a.parking.rows[r] || a.here.rows[r]
}

// rejoin are the rows of a view whose joins failed and are tried again.
func (a *attempt) rejoin(view int) []string {
	if a.mending == nil || !a.ended {
		return nil
	}
	return a.mending.rejoin(view)
}

// commit adds what the batch parked to what waits.
func (a *attempt) commit() {
	for r := range a.here.rows {
		a.parking.rows[r] = true
	}
	for s := range a.here.streams {
		a.parking.streams[s] = true
	}
	for _, h := range a.held {
		if h.stream != "" {
			a.parking.waiting[event{h.view, h.key, h.position.Place()}] = true
		}
		a.parking.count(h.fault != nil)
	}
}

// The states of an event that is not folded.
const (
	stateParked    = "parked"
	stateQueued    = "queued"
	stateDiscarded = "discarded"
)

const (
	// A build that goes on meets again what it wrote down.
	parkSQL = `insert into readside.parked (projector, view, place, key, stream, event_type, state, reason, error, hint, attempts)
values ($1::text, $2::text, $3::bigint, $4::text, $5::text, $6::text, $7::text, $8::text, $9::text, $10::text, $11::int)
on conflict do nothing`
	degradeSQL = `insert into readside.degraded (projector, view, key, stream) values ($1::text, $2::text, $3::text, $4::text) on conflict do nothing`
)

// queue adds to a session what writes down what the batch holds and is not written down yet.
func (a *attempt) queue(s *hot.Session, projector string) {
	for _, h := range a.fresh() {
		attempts := 0
		if a.mending != nil {
			attempts = a.mending.attempts(h.position.Place(), h.key)
		}
		state, reason, message, hint := h.text()
		s.Queue(parkSQL, []byte(projector), []byte(h.viewName), hot.Int64(h.position.Place()), []byte(h.key), []byte(h.stream), []byte(h.eventType),
			[]byte(state), []byte(reason), []byte(message), []byte(hint), hot.Int32(int32(attempts)))
		for _, d := range h.marks() {
			s.Queue(degradeSQL, []byte(projector), []byte(h.viewName), []byte(d[0]), []byte(d[1]))
		}
	}
	a.queued = len(a.held)
}

// fresh are the events held since the last were written down.
func (a *attempt) fresh() []held { return a.held[a.queued:] }

// insert writes down one held event.
func (h *held) insert(ctx context.Context, tx pgx.Tx, projector string) error {
	state, reason, message, hint := h.text()
	if _, err := tx.Exec(ctx, parkSQL, projector, h.viewName, h.position.Place(), h.key, h.stream, h.eventType, state, reason, message, hint, 0); err != nil {
		return err
	}
	for _, d := range h.marks() {
		if _, err := tx.Exec(ctx, degradeSQL, projector, h.viewName, d[0], d[1]); err != nil {
			return err
		}
	}
	return nil
}

// text is what is stored of why an event is held. No field is nil: that would be NULL.
func (h *held) text() (state, reason, message, hint string) {
	if h.fault == nil {
		return stateQueued, "", "", ""
	}
	return stateParked, h.fault.Reason, storable(h.fault.Err.Error()), h.fault.Hint
}

// marks are the rows, with the stream where that is why, that readers are told of.
func (h *held) marks() (marks [][2]string) {
	if h.key != "" {
		return [][2]string{{h.key, ""}}
	}
	for _, key := range h.degraded {
		marks = append(marks, [2]string{key, h.stream})
	}
	return marks
}

// suspects is how many former events of a stream are asked whose rows they touched.
const suspects = 20

// mark finds the rows that an event whose own cannot be read most likely concerns:
// those that the former events of its stream touched. Readers are told of them.
func (h *held) mark(ctx context.Context, log history, set *projections.Set) error {
	if h.key != "" || h.fault == nil {
		return nil
	}
	former, err := log.Before(ctx, h.stream, h.position.Place(), suspects)
	if err != nil {
		return err
	}
	_, touches, _ := set.Prepare(former)
	for _, t := range touches {
		if set.Views()[t.View].Name == h.viewName {
			h.degraded = append(h.degraded, t.Key)
		}
	}
	slices.Sort(h.degraded)
	h.degraded = slices.Compact(h.degraded)
	return nil
}

// maxErrorBytes bounds what is stored of an error's text.
const maxErrorBytes = 2_000

// storable is an error's first line as Postgres takes it.
func storable(message string) string {
	line := strings.ToValidUTF8(strings.ReplaceAll(firstLine(message), "\x00", "\uFFFD"), "\uFFFD")
	if len(line) > maxErrorBytes {
		line = strings.ToValidUTF8(line[:maxErrorBytes], "") + "…"
	}
	return line
}
