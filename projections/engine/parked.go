package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/parking"
)

// Parked is an event that could not be folded into a row, or that waits behind one.
type Parked struct {
	// Projector is the one in which it waits: every set of definitions has its own.
	Projector string `json:"projector"`
	View      string `json:"view"`
	// Key is the row; empty where it could not be read from the event.
	Key      string            `json:"key"`
	Position eventlog.Position `json:"position"`
	Stream   string            `json:"stream"`
	Type     string            `json:"type"`
	// State is parked, queued or discarded.
	State string `json:"state"`
	// Reason, Error and Hint are empty for queued ones.
	Reason   string    `json:"reason,omitempty"`
	Error    string    `json:"error,omitempty"`
	Hint     string    `json:"hint,omitempty"`
	Attempts int       `json:"attempts"`
	ParkedAt time.Time `json:"parked_at"`
}

// eventless reports whether a row's joins failed and no event of its own is to blame. It has
// the place of the checkpoint then, and no stream.
func (e Parked) eventless() bool { return e.Stream == "" }

// Waiting chooses among what is parked in a view: the events of one row, those of one
// stream, or, with both empty, all.
type Waiting struct {
	View, Key, Stream string
}

// Retried is what a retry came to.
type Retried struct {
	// Folded events are in their rows now, Discarded ones given up, Waiting ones wait on.
	Folded    int `json:"folded"`
	Discarded int `json:"discarded"`
	Waiting   int `json:"waiting"`
}

// Parked lists what is parked in every projector of the application, those of other
// definitions too, in the order of the log; view may be empty for all.
func (p *Projector) Parked(ctx context.Context, view string) ([]Parked, error) {
	conn, err := pgx.ConnectConfig(ctx, p.cfg.Postgres)
	if err != nil {
		return nil, fmt.Errorf("list what is parked: %w", err)
	}
	defer closeConn(conn)
	entries, err := p.selectParked(ctx, conn, "", view)
	if err == nil && len(entries) == 0 && view != "" && p.cfg.Set.View(view) == nil {
		return nil, unknownView(p.cfg.Set, view)
	}
	return entries, err
}

func (p *Projector) listParked(ctx context.Context, conn *pgx.Conn, view string) ([]Parked, error) {
	if view != "" && p.cfg.Set.View(view) == nil {
		return nil, unknownView(p.cfg.Set, view)
	}
	return p.selectParked(ctx, conn, p.name, view)
}

// selectParked lists what is parked in a projector, or in all of them without a name.
func (p *Projector) selectParked(ctx context.Context, conn *pgx.Conn, projector, view string) ([]Parked, error) {
	rows, err := conn.Query(ctx, `select w.projector, j.log::text, j.incarnation, w.view, w.key, w.place, w.stream, w.event_type, w.state, w.reason, w.error, w.hint, w.attempts, w.parked_at
from readside.parked w join readside.projectors j on j.name = w.projector
where (w.projector = $1 or $1 = '') and (w.view = $2 or $2 = '') order by w.place, w.view, w.key, w.projector`, projector, view)
	if err != nil {
		return nil, fmt.Errorf("list what is parked: %w", explain(err))
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (e Parked, err error) {
		var log uuid.UUID
		var incarnation int32
		var place int64
		err = r.Scan(&e.Projector, &log, &incarnation, &e.View, &e.Key, &place, &e.Stream, &e.Type, &e.State, &e.Reason, &e.Error, &e.Hint, &e.Attempts, &e.ParkedAt)
		e.ParkedAt = e.ParkedAt.UTC()
		e.Position = eventlog.NewPosition(log, incarnation, place)
		return e, err
	})
}

// Retry folds what waits, in order, with the handlers that this program has: all of
// it that hangs together with what is chosen. What fails again waits on.
func (p *Projector) Retry(ctx context.Context, w Waiting) (Retried, error) {
	return p.mend(ctx, w, false)
}

// Discard gives up the first event that is parked of what is chosen, for ever: no
// rebuild folds it into this view again. What waited behind it is folded.
func (p *Projector) Discard(ctx context.Context, w Waiting) (Retried, error) {
	if w.Key == "" && w.Stream == "" {
		return Retried{}, fmt.Errorf("discard: name a row or a stream of view %s: a discard never takes all of a view", w.View)
	}
	return p.mend(ctx, w, true)
}

func (p *Projector) mend(ctx context.Context, w Waiting, discard bool) (Retried, error) {
	view := viewIndex(p.cfg.Set, w.View)
	if view < 0 {
		return Retried{}, unknownView(p.cfg.Set, w.View)
	}
	conn, err := pgx.ConnectConfig(ctx, p.cfg.Postgres)
	if err != nil {
		return Retried{}, fmt.Errorf("mend what is parked: %w", err)
	}
	defer closeConn(conn) // and what was not committed is undone
	m := &mending{Projector: p, worker: p.newGuest(ctx, conn), view: view, chosen: w, discard: discard}
	return m.run(ctx)
}

// mending folds what waits, in one transaction that locks the projector's row first:
// so what is parked and where the projector stands cannot change under it, and no busy
// worker can be in its way. The worker waits meanwhile, for no longer than it takes to
// fold what waits at most: ParkedMax events and parking.QueuedMax.
type mending struct {
	*Projector
	worker  *worker
	view    int
	chosen  Waiting
	discard bool

	entries []Parked
	given   *Parked
	// tries are how often each entry was tried, this time included.
	tries map[parking.Event]int
	// partBytes is how much the events of a part have; 0 for the default.
	partBytes int
}

func (m *mending) run(ctx context.Context) (out Retried, err error) {
	if err := m.worker.lockAsGuest(ctx); err != nil {
		return out, fmt.Errorf("mend what is parked: %w", err)
	}
	all, err := m.listParked(ctx, m.worker.conn, m.chosen.View)
	if err != nil {
		return out, err
	}
	return m.change(ctx, all)
}

// ErrNothingWaits is returned where nothing is parked of what an operator has chosen.
var ErrNothingWaits = errors.New("nothing waits")

// change retries or discards what is chosen of all that is parked in the view.
func (m *mending) change(ctx context.Context, all []Parked) (out Retried, err error) {
	all = slices.DeleteFunc(all, func(e Parked) bool { return e.State == parking.Discarded })
	if m.entries = together(all, m.chosen); len(m.entries) == 0 {
		return out, fmt.Errorf("%w in view %s for %s", ErrNothingWaits, m.chosen.View, m.chosen)
	}
	tried := len(m.entries)
	if m.discard {
		if err := m.giveUp(); err != nil {
			return out, err
		}
		out.Discarded = tried - len(m.entries)
	}
	m.free(m.worker.parking)
	if out.Waiting, err = m.worker.foldParked(ctx, m); err != nil {
		return out, err
	}
	out.Folded = len(m.entries) - out.Waiting
	return out, nil
}

func (w Waiting) String() string {
	switch {
	case w.Key != "":
		return fmt.Sprintf("the row %q", w.Key)
	case w.Stream != "":
		return fmt.Sprintf("the stream %q", w.Stream)
	}
	return "any row"
}

// together are the entries that must be folded in one go: those chosen, and all that
// share a row with them, or a stream that waits as a whole, and so on.
func together(all []Parked, chosen Waiting) []Parked {
	whole := map[string]bool{}
	for _, e := range all {
		whole[e.Stream] = whole[e.Stream] || e.Key == ""
	}
	everything := chosen.Key == "" && chosen.Stream == ""
	// Each entry is looked at once for its row and once for its stream: there may be 100,000.
	byRow, byStream := map[string][]int{}, map[string][]int{}
	for i, e := range all {
		if e.Key != "" {
			byRow[e.Key] = append(byRow[e.Key], i)
		}
		byStream[e.Stream] = append(byStream[e.Stream], i)
	}
	taken := make([]bool, len(all))
	var next []int
	take := func(index map[string][]int, name string) {
		next = append(next, index[name]...)
		delete(index, name)
	}
	for i := range all {
		if everything {
			next = append(next, i)
		}
	}
	take(byRow, chosen.Key)
	if chosen.Stream != "" {
		take(byStream, chosen.Stream)
	}
	for len(next) > 0 {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		if taken[i] {
			continue
		}
		taken[i] = true
		take(byRow, all[i].Key)
		if whole[all[i].Stream] {
			take(byStream, all[i].Stream)
		}
	}
	out := make([]Parked, 0, len(all))
	for i, e := range all {
		if taken[i] {
			out = append(out, e)
		}
	}
	return out
}

// giveUp takes the first event that failed out of the entries.
func (m *mending) giveUp() error {
	i := slices.IndexFunc(m.entries, func(e Parked) bool { return e.State == parking.Parked })
	if i < 0 {
		return nil
	}
	e := m.entries[i]
	if e.eventless() {
		return fmt.Errorf("discard: the joins of row %q of view %s failed (%s), and no event of it is to blame that could be given up: mend the join and retry",
			e.Key, e.View, e.Error)
	}
	m.given = &e
	m.entries = slices.Delete(m.entries, i, i+1)
	return nil
}

// free lets what is to be folded pass by what it waited for. What fails again counts
// again.
func (m *mending) free(w *parking.Waiting) {
	for _, e := range m.entries {
		w.Free(e.entry(m.cfg.Set))
	}
	if m.given != nil {
		given := m.given.entry(m.cfg.Set)
		w.Free(given)
		w.Discard(given.Event)
	}
}

// Folding goes back to here from a fault, and keeps the lock.
const (
	markSQL   = `savepoint folding`
	unmarkSQL = `rollback to savepoint folding`
)

// foldParked folds what waits, and returns how much waits on.
func (w *worker) foldParked(ctx context.Context, m *mending) (waiting int, err error) {
	failing := map[parking.Row]*projections.FoldError{}
	for {
		a := &attempt{Attempt: w.parking.Begin(failing), mending: m}
		err := w.writeParked(ctx, a, m)
		var faults foldErrors
		if err == nil {
			w.tell(ctx, a)
			return len(a.Held), nil
		}
		if !errors.As(err, &faults) {
			return 0, err
		}
		if err := w.note(failing, faults); err != nil {
			return 0, err
		}
		if err := w.backToMark(ctx); err != nil {
			return 0, err
		}
	}
}

// writeParked makes one attempt at what waits, part by part in one transaction.
func (w *worker) writeParked(ctx context.Context, a *attempt, m *mending) error {
	w.session.Queue(markSQL)
	m.queueBefore(w.session)
	err := m.parts(ctx, w, func(b *batch, last bool) error {
		a.Take(w.cfg.Set, b.choice())
		if last {
			a.End(b.next)
		}
		f := newFolding(w.cfg.Set, w.cache, w.session, w.session, b, a)
		f.again = w.log.At
		if err := w.foldAttempt(ctx, f); err != nil {
			return err
		}
		a.queue(w.session, w.name)
		if last {
			return nil
		}
		// What is written is read again from here on: rows need not be kept.
		if err := w.session.Flush(ctx); err != nil {
			return err
		}
		w.cache.trim(f.number)
		return nil
	})
	if err != nil {
		return err
	}
	m.queueAfter(w.session, w.epoch)
	return w.session.Commit(ctx)
}

func (w *worker) backToMark(ctx context.Context) error {
	w.session.Discard()
	w.cache.drop()
	return w.session.Exec(ctx, unmarkSQL)
}

// add decodes stored events into a batch, with those of their touches that wait.
func (m *mending) add(b *batch, stored []eventlog.Event, wants map[int64]map[string]bool) {
	events, touches, broken := m.cfg.Set.Prepare(stored)
	for _, t := range touches {
		keys := wants[events[t.Event].Meta.Position.Place()]
		if t.View == m.view && (keys[t.Key] || keys[""]) {
			t.Event += len(b.events)
			b.touches = append(b.touches, t)
		}
	}
	for _, br := range broken {
		if slices.Contains(br.Views, m.view) {
			br.Views = []int{m.view}
			b.broken = append(b.broken, br)
		}
	}
	b.events = append(b.events, events...)
}

const (
	unparkSQL    = `delete from readside.parked where projector = $1::text and view = $2::text and place = $3::bigint and key = $4::text`
	discardSQL   = `update readside.parked set state = 'discarded' where projector = $1::text and view = $2::text and place = $3::bigint and key = $4::text`
	undegradeSQL = `delete from readside.degraded d where projector = $1::text and view = $2::text and not exists (
  select from readside.parked p where p.projector = d.projector and p.view = d.view and p.state <> 'discarded'
    and (d.stream = '' and p.key = d.key or d.stream <> '' and p.key = '' and p.stream = d.stream))`
)

// queueBefore takes the entries out of what waits; those that fail again come back.
func (m *mending) queueBefore(s *hot.Session) {
	view := []byte(m.chosen.View)
	for _, e := range m.entries {
		s.Add(hot.Op{SQL: unparkSQL, Rows: 1, Params: [][]byte{[]byte(m.name), view, hot.Int64(e.Position.Place()), []byte(e.Key)}})
	}
	if g := m.given; g != nil {
		s.Add(hot.Op{SQL: discardSQL, Rows: 1, Params: [][]byte{[]byte(m.name), view, hot.Int64(g.Position.Place()), []byte(g.Key)}})
	}
}

// queueAfter clears the marks of rows that wait no more, and makes the owner forget
// what it knows.
func (m *mending) queueAfter(s *hot.Session, epoch int64) {
	s.Queue(undegradeSQL, []byte(m.name), []byte(m.chosen.View))
	s.Add(hot.Op{SQL: raiseEpochSQL, Rows: 1, Params: [][]byte{[]byte(m.name), hot.Int64(epoch)}})
}

// attempts is how often an entry was tried, this time included.
func (m *mending) attempts(place int64, key string) int {
	if m.tries == nil {
		m.tries = make(map[parking.Event]int, len(m.entries))
		for _, e := range m.entries {
			m.tries[parking.Event{View: m.view, Key: e.Key, Place: e.Position.Place()}] = e.Attempts + 1
		}
	}
	if tries, ok := m.tries[parking.Event{View: m.view, Key: key, Place: place}]; ok {
		return tries
	}
	return m.tries[parking.Event{View: m.view, Place: place}]
}

// rejoin are the rows that waited: while they did, their joins may have failed.
func (m *mending) rejoin(view int) (keys []string) {
	if view != m.view {
		return nil
	}
	entries := m.entries
	if m.given != nil {
		entries = append(slices.Clone(entries), *m.given)
	}
	for _, e := range entries {
		if e.Key != "" {
			keys = append(keys, e.Key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
