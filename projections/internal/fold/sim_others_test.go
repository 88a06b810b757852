package fold_test

import (
	"fmt"

	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/order"
	"github.com/readside/readside/projections/parking"
)

// foreign lets somebody else change rows, where nobody has the projector's row locked.
func (s *simulation) foreign() error {
	if s.faults == 0 || s.db.holder != nil || s.r.IntN(2) == 0 {
		return nil
	}
	s.faults--
	switch s.r.IntN(5) {
	case 0:
		s.db.now.epoch++
		s.say("somebody raises the epoch to %d", s.db.now.epoch)
		return nil
	case 1, 2:
		return s.takeOver()
	}
	return s.operate()
}

// takeOver lets another worker fold a batch or two. The former owner's connections are
// ended, or not yet.
func (s *simulation) takeOver() error {
	if s.r.IntN(2) == 0 {
		s.loseAll()
	}
	s.db.owner++
	s.db.now.epoch++
	s.say("worker %d takes over at place %d, epoch %d", s.db.owner, s.db.now.place, s.db.now.epoch)
	_, session := s.connect(nil)
	w := s.newWorker(session)
	f, err := s.footing(nil)
	if err != nil {
		return err
	}
	w.take(s.log, f)
	for range 1 + s.r.IntN(2) {
		if w.turn.At().Place() == s.head() {
			break
		}
		if err := w.turn.Fold(s.ctx, s.next(w.turn.At().Place())); err != nil {
			return &simDifference{fmt.Errorf("the worker that took over cannot fold: %w", err)}
		}
		if err := s.committed(); err != nil {
			return err
		}
	}
	s.say("worker %d ends at place %d", s.db.owner, w.turn.At().Place())
	return nil
}

// operate lets an operator retry or discard something that is parked.
func (s *simulation) operate() error {
	var waiting []control.ParkedEvent
	for _, e := range s.db.now.entries("") {
		if e.State != parking.Discarded {
			waiting = append(waiting, e)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	e := waiting[s.r.IntN(len(waiting))]
	discard, mended := s.r.IntN(3) == 0, s.r.IntN(2) == 0
	chosen := order.Choice{View: e.View, Key: e.Key}
	switch {
	case !discard && s.r.IntN(3) == 0: // all of the view
		chosen.Key = ""
	case e.Key == "":
		chosen.Stream = e.Stream
	}
	s.say("an operator mends %+v at place %d (discard %v, the handlers are mended %v)", chosen, s.db.now.place, discard, mended)
	if err := s.repair(chosen, discard, mended); err != nil {
		return &simDifference{fmt.Errorf("an operator cannot mend %+v: %w", chosen, err)}
	}
	s.oracle.goTo(s.db.now.place)
	s.oracle.repair(chosen, e, discard, mended)
	return s.committed()
}

// repair is parked.Retry or parked.Discard with the model's transaction.
func (s *simulation) repair(chosen order.Choice, discard, mended bool) error {
	conn, session := s.connect(nil)
	conn.begin()
	s.db.holder = conn
	defer conn.lose()
	s.set.mended = mended
	defer func() { s.set.mended = false }()
	w := s.newWorker(session)
	f, err := s.footing(nil)
	if err != nil {
		return err
	}
	w.take(s.log, f)
	o := order.Order{Projector: "sim", Set: s.set.set, Log: s.log, Choice: chosen, Discard: discard, PartBytes: s.r.IntN(2)}
	_, err = o.Carry(s.ctx, w.turn, s.db.now.entries(chosen.View))
	return err
}

var _ pipeline.Connection = (*simConn)(nil)
