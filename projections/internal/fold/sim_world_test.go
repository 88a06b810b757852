package fold_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/internal/fold"
)

// simulation is one run: a worker folds a story from the log into a model of the
// database, while others act between any two of its statements. All is drawn from the
// seed, in one thread: where the engine has two goroutines, the simulation has two
// coroutines, and chooses at each statement which of them continues.
type simulation struct {
	ctx    context.Context
	r      *rand.Rand
	set    *simSet
	db     *simDB
	log    simLog
	oracle *simOracle
	cfg    fold.Config
	eager  int
	ahead  bool
	batch  int
	// faults is how much may still go wrong.
	faults int
	w      *simWorker
	conns  []*simConn
	procs  []*simProc
	killed bool
	// heard, unless nil, gets the transcript.
	heard func(string)
}

var errSimKilled = errors.New("the process was killed")

// simPlan bounds a run; what it leaves open follows from the seed.
type simPlan struct {
	seed           uint64
	events, faults int
}

func newSimulation(plan simPlan, sets []*simSet) *simulation {
	r := rand.New(rand.NewPCG(plan.seed, 4))
	s := &simulation{ctx: context.Background(), r: r, set: sets[r.IntN(len(sets))], db: newSimDB()}
	events := simStory(r, min(3+r.IntN(14), plan.events), r.IntN(3) > 0)
	story := map[int64]simEvent{}
	place := int64(0)
	for _, e := range events {
		place += 1 + int64(r.IntN(2)) // some places stay empty
		story[place] = e
		s.log = append(s.log, e.stored(place))
	}
	s.oracle = newSimOracle(s.set.name == "deep", story)
	s.batch = 1 + r.IntN(4)
	s.faults = min(r.IntN(5), plan.faults)
	s.eager = max(0, r.IntN(5)-2) // behind any batch, behind those that have events, or more than one
	s.ahead = s.set.name == "flat" && r.IntN(8) > 0
	s.cfg = fold.Config{Projector: "sim", Set: s.set.set, BatchEvents: 100, ParkedMax: 1000, Logger: slog.New(slog.DiscardHandler),
		CacheBytes: []int{-1, 400 + r.IntN(1500), 1 << 20}[r.IntN(3)]}
	return s
}

func (s *simulation) say(format string, args ...any) {
	if s.heard != nil {
		s.heard(fmt.Sprintf(format, args...))
	}
}

func (s *simulation) head() int64 { return s.log[len(s.log)-1].Position.Place() }

// simLog is the log. It implements fold.Log.
type simLog []eventlog.Event

func (l simLog) Follow(ctx context.Context, from eventlog.Position, q eventlog.Query, handle func(context.Context, eventlog.Page) error) error {
	return handle(ctx, eventlog.Page{Events: l.between(from.Place(), q.Until.Place()), Next: q.Until})
}

func (l simLog) between(from, until int64) (out []eventlog.Event) {
	for _, e := range l {
		if at := e.Position.Place(); at > from && at <= until {
			out = append(out, e)
		}
	}
	return out
}

func (l simLog) At(_ context.Context, places []int64) (out []eventlog.Event, err error) {
	for _, e := range l {
		if slices.Contains(places, e.Position.Place()) {
			out = append(out, e)
		}
	}
	return out, nil
}

func (l simLog) Before(_ context.Context, stream string, place int64, limit int) (out []eventlog.Event, err error) {
	for _, e := range slices.Backward(l) {
		if e.Stream == stream && e.Position.Place() < place && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

// next is a batch behind a place.
func (s *simulation) next(from int64) *batch.Batch {
	return s.upTo(from, min(s.head(), from+1+int64(s.r.IntN(s.batch))))
}

func (s *simulation) upTo(from, until int64) *batch.Batch {
	return batch.New(s.set.set, simStart.At(from), eventlog.Page{Events: s.log.between(from, until), Next: simStart.At(until), Head: simStart.At(s.head())})
}

// run folds the whole log; an error is a difference.
func (s *simulation) run() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	s.say("%s views, cache of %d bytes, batches of up to %d places, ahead %v behind %d events, %d faults", s.set.name, s.cfg.CacheBytes, s.batch, s.ahead, s.eager, s.faults)
	for _, e := range s.log {
		s.say("event %d: %v", e.Position.Place(), s.oracle.story[e.Position.Place()])
	}
	for s.db.now.place < s.head() {
		if err := s.process(); err != nil {
			return err
		}
	}
	for range s.r.IntN(3) { // an operator has the last word
		if err := s.operate(); err != nil {
			return err
		}
	}
	return s.check()
}

// check compares the database with the oracle, at the checkpoint.
func (s *simulation) check() error {
	s.oracle.goTo(s.db.now.place)
	return s.oracle.differs(s.set, s.db.now)
}

// connect opens a connection of a worker.
func (s *simulation) connect(step func(*simConn, bool) error) (*simConn, *pipeline.Session) {
	c := &simConn{db: s.db, set: s.set, step: step}
	return c, pipeline.NewSessionOver(c)
}

func (s *simulation) newWorker(session *pipeline.Session) *simWorker {
	return &simWorker{cfg: s.cfg, session: session}
}

// simWorker is own.Worker over a session of the model.
type simWorker struct {
	cfg     fold.Config
	session *pipeline.Session
	turn    *fold.Turn
}

// take drops the turn that is over, whole, and begins the next.
func (w *simWorker) take(log fold.Log, f fold.Footing) {
	w.turn = fold.New(w.cfg, log, w.session, f)
}

// footing reads what a turn begins with; between the epoch and the rest others may act.
func (s *simulation) footing(meanwhile func() error) (f fold.Footing, err error) {
	f.Epoch = s.db.now.epoch
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return f, err
		}
	}
	now := s.db.now
	f.At, f.Building, f.Parked = simStart.At(now.place), !now.live, now.entries("")
	for _, l := range s.set.layouts {
		f.Tables = append(f.Tables, hot.NewTable(l, simTable(l.Model.Name)))
	}
	return f, nil
}

// process is one connection of one worker, from its start to an error or to the end.
func (s *simulation) process() error {
	s.db.owner++
	owner := s.db.owner
	s.db.now.epoch++
	s.killed = false
	writer, session := s.connect(s.between)
	s.conns = []*simConn{writer}
	s.w = s.newWorker(session)
	s.say("worker %d begins at place %d, epoch %d", owner, s.db.now.place, s.db.now.epoch)
	for s.db.now.place < s.head() {
		if s.db.owner != owner {
			s.say("worker %d has lost the lease", owner)
			return nil
		}
		f, err := s.footing(s.foreign)
		if err != nil {
			return err
		}
		s.w.take(s.log, f)
		s.w.turn.SetEager(s.eager)
		err = s.follow()
		s.say("the turn at epoch %d ends: %v", f.Epoch, err)
		var wrong *simDifference
		switch {
		case errors.As(err, &wrong):
			return err
		case err == nil, errors.Is(err, control.ErrFenced), errors.Is(err, fold.ErrAgain), errors.Is(err, control.ErrMoved):
			continue // as worker.run does
		case errors.Is(err, errSimLost), errors.Is(err, errSimKilled), errors.Is(err, context.Canceled):
			s.loseAll()
			return nil // as Projector.Run does: another worker begins
		}
		return fmt.Errorf("the worker stopped: %w", err)
	}
	return nil
}

func (s *simulation) loseAll() {
	for _, c := range s.conns {
		c.lose()
	}
}

// simDifference is how a commit differs from the oracle.
type simDifference struct{ err error }

func (d *simDifference) Error() string { return d.err.Error() }

// follow folds until an error or the log's end.
func (s *simulation) follow() error {
	if s.ahead {
		return s.followAhead()
	}
	var err error
	writing := s.start("writer", func(*simProc) {
		for err == nil && s.w.turn.At().Place() < s.head() {
			b := s.next(s.w.turn.At().Place())
			s.say("fold %d to %d", b.From.Place(), b.Next.Place())
			if err = s.w.turn.Fold(s.ctx, b); err == nil {
				err = s.committed()
			}
		}
	})
	s.schedule(writing)
	return s.outcome(err)
}

// followAhead is follow with batches that are folded ahead. The folder hands one batch
// at a time to the writer, like the engine's unbuffered channel.
func (s *simulation) followAhead() error {
	var handed *fold.Folding
	var err error
	turn := s.w.turn
	reader, loader := s.connect(s.between)
	s.conns = append(s.conns[:1], reader)
	folding := s.start("folder", func(p *simProc) {
		for from := turn.At().Place(); from < s.head(); {
			b := s.next(from)
			from = b.Next.Place()
			s.say("fold %d to %d ahead; %d batches are committed", b.From.Place(), from, turn.Committed())
			f := turn.FoldAhead(s.ctx, b, loader)
			handed = f
			if !p.wait(func() bool { return handed == nil }) || f.Failed() != nil {
				return
			}
			if turn.WaitsFor(f) && !p.wait(func() bool { return turn.Committed() >= f.Number() }) {
				return
			}
		}
	})
	writing := s.start("writer", func(p *simProc) {
		for err == nil && turn.At().Place() < s.head() {
			if !p.wait(func() bool { return handed != nil }) {
				return
			}
			f := handed
			handed = nil
			s.say("write %d to %d", f.Batch().From.Place(), f.Batch().Next.Place())
			if err = turn.Advance(s.ctx, f); err == nil {
				err = s.committed()
			}
		}
	})
	s.schedule(writing, folding)
	reader.lose()
	return s.outcome(err)
}

// committed checks the tables after a batch; others may have gone on already.
func (s *simulation) committed() error {
	if err := s.check(); err != nil {
		return &simDifference{err}
	}
	return nil
}

func (s *simulation) outcome(err error) error {
	if err == nil && s.killed {
		err = errSimKilled
	}
	return err
}

// simProc is a coroutine: a goroutine of the engine that continues when the schedule lets it.
type simProc struct {
	name   string
	yield  func(struct{}) bool
	resume func() (struct{}, bool)
	stop   func()
	// blocked, unless nil, reports whether it cannot continue.
	blocked func() bool
	done    bool
}

func (s *simulation) start(name string, run func(p *simProc)) *simProc {
	p := &simProc{name: name}
	p.resume, p.stop = iter.Pull(func(yield func(struct{}) bool) {
		p.yield = yield
		if p.pause() {
			run(p)
		}
	})
	return p
}

// pause lets others continue; false ends the coroutine.
func (p *simProc) pause() bool { return p.yield(struct{}{}) }

// wait pauses until a condition holds.
func (p *simProc) wait(holds func() bool) bool {
	p.blocked = func() bool { return !holds() }
	ok := p.pause()
	p.blocked = nil
	return ok
}

// schedule runs coroutines until the first has ended, or all are killed.
func (s *simulation) schedule(procs ...*simProc) {
	s.procs = procs
	for !procs[0].done && !s.killed {
		var ready []*simProc
		for _, p := range procs {
			if !p.done && (p.blocked == nil || !p.blocked()) {
				ready = append(ready, p)
			}
		}
		if len(ready) == 0 {
			panic("nobody can go on")
		}
		p := ready[s.r.IntN(len(ready))]
		s.procs = []*simProc{p}
		_, more := p.resume()
		p.done = !more
	}
	if s.killed {
		s.loseAll()
	}
	for _, p := range slices.Backward(procs) {
		p.stop()
	}
}

// between is called before and after every round trip of the worker at work.
func (s *simulation) between(c *simConn, after bool) error {
	p := s.procs[0]
	if !p.pause() {
		return context.Canceled
	}
	if c.dead || s.killed {
		return errSimLost
	}
	if s.faults == 0 {
		return nil
	}
	switch k := s.r.IntN(40); {
	case k == 0:
		s.faults--
		s.say("%s: the connection is lost (after the statements: %v)", p.name, after)
		return errSimLost
	case k == 1:
		s.faults--
		s.killed = true
		s.say("%s: the process is killed (after the statements: %v)", p.name, after)
		return errSimLost
	case k < 6:
		return s.foreign()
	}
	return nil
}
