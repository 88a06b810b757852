package engine

import (
	"fmt"

	"github.com/readside/readside/projections/hot"
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
		if w.at.Place() == s.head() {
			break
		}
		if err := w.turn.fold(s.ctx, s.next(w.at.Place())); err != nil {
			return &simDifference{fmt.Errorf("the worker that took over cannot fold: %w", err)}
		}
		if err := s.committed(); err != nil {
			return err
		}
	}
	s.say("worker %d ends at place %d", s.db.owner, w.at.Place())
	return nil
}

// operate lets an operator retry or discard something that is parked.
func (s *simulation) operate() error {
	var waiting []Parked
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
	chosen := Waiting{View: e.View, Key: e.Key}
	switch {
	case !discard && s.r.IntN(3) == 0: // all of the view
		chosen.Key = ""
	case e.Key == "":
		chosen.Stream = e.Stream
	}
	s.say("an operator mends %+v at place %d (discard %v, the handlers are mended %v)", chosen, s.db.now.place, discard, mended)
	if err := s.mend(chosen, discard, mended); err != nil {
		return &simDifference{fmt.Errorf("an operator cannot mend %+v: %w", chosen, err)}
	}
	s.oracle.goTo(s.db.now.place)
	s.oracle.mend(chosen, e, discard, mended)
	return s.committed()
}

// mend is mending.run with the model's transaction.
func (s *simulation) mend(chosen Waiting, discard, mended bool) error {
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
	m := &mending{Projector: w.Projector, worker: w, view: viewIndex(s.set.set, chosen.View), chosen: chosen, discard: discard, partBytes: s.r.IntN(2)}
	_, err = m.change(s.ctx, s.db.now.entries(chosen.View))
	return err
}

var _ hot.Connection = (*simConn)(nil)
