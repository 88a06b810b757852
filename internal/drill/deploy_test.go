package drill_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/refusal"
)

// pair is what a deployment of one version runs: a worker and a query API, which one
// reader asks all the time.
type pair struct {
	s          *shop
	set        *projections.Set
	api        *queryapi.API
	reader     *reader
	stopWorker func()
	stopReader func()
}

func (s *shop) newPair(set *projections.Set) *pair {
	s.t.Helper()
	api := s.newAPI(set)
	return &pair{s: s, set: set, api: api, reader: newReader(api, set, s.load)}
}

// work starts the pair's worker. Of what it has built it may show nothing before open
// is closed, where open is not nil.
func (p *pair) work(open <-chan struct{}) {
	p.s.t.Helper()
	first := true
	p.stopWorker = p.s.startWorker(p.set, max(1, *history/4), func(eventlog.Position) {
		if first && open != nil {
			<-open
		}
		first = false
	})
}

func (p *pair) read() {
	p.stopReader = p.s.background("a reader", func(ctx context.Context) error { return p.reader.every(ctx, readOnce) })
}

func (p *pair) ready() bool { return len(p.api.Ready(p.s.t.Context())) == 0 }

// reaches waits until the reader has seen what was committed at a place.
func (p *pair) reaches(place int64) {
	p.s.t.Helper()
	p.s.until("a reader sees what was committed", func() bool {
		at, _ := p.reader.seen()
		return at >= place
	})
}

// ask returns a query's data.
func (p *pair) ask(query string) (data map[string]any, code string) {
	p.s.t.Helper()
	answer := p.api.Do(p.s.t.Context(), queryapi.Request{Query: query})
	if len(answer.Errors) > 0 {
		return nil, answer.Errors[0].Code()
	}
	return answer.Data.(map[string]any), ""
}

const (
	askBoth  = `{ fulfilment(id: "anchor") { orderId status buyerName } }`
	askOld   = `{ fulfilment(id: "anchor") { pieces city } }`
	askNew   = `{ fulfilment(id: "anchor") { totalMinor } }`
	newTotal = 1
)

// Version 2 of a view, with a column more, is deployed while version 1 serves. Each
// pair of worker and API answers its own columns, neither is disturbed by the other,
// and a deployment that rolls back finds the old pair where it was: at work, or behind, with the
// lag that it truly has.
func TestDeployAndRollBack(t *testing.T) {
	s := newShop(t)
	old := s.newPair(version1(t))
	old.work(nil)
	s.until("the old pair is ready", old.ready)
	old.read()
	stopLoad := s.startLoad()

	young := s.deploy(old)
	s.rollBackAtOnce(old, young)
	s.rollBackToAStoppedWorker(old, young)

	stopLoad()
	for _, p := range []*pair{old, young} {
		p.reaches(s.load.committed.Load())
		if _, lag := p.reader.seen(); lag != 0 {
			t.Errorf("all was folded, and a reader is told a lag of %d", lag)
		}
		p.stopReader()
		p.stopWorker()
		s.mustVerify(p.set)
		t.Logf("a reader of fulfilment version %d: %s: no error, no empty view, no position that went back, no lag kept back", p.set.View("fulfilment").Version, p.reader.times())
	}
}

// deploy starts the new pair beside the old one; it is not ready before it has caught up.
func (s *shop) deploy(old *pair) (young *pair) {
	s.t.Helper()
	young = s.newPair(version2(s.t))
	s.notReady(young, "has version 1")
	open := make(chan struct{})
	young.work(open)
	s.until("the new worker builds", func() bool {
		return s.int(`select count(*) from readside.views where view = 'fulfilment' and version = 2 and state = 'building'`) == 1
	})
	began := time.Now()
	if !s.heldBack(young) {
		s.t.Log("the new pair had caught up within its first batch")
	}
	close(open)
	s.until("the new pair is ready", young.ready)
	s.t.Logf("deployed: the new pair was ready after %s", time.Since(began).Round(time.Millisecond))
	young.read()
	s.bothAnswer(old, young)
	return young
}

// heldBack sees that a pair whose worker is still building is not ready, and says why.
func (s *shop) heldBack(young *pair) bool {
	s.t.Helper()
	if s.int(`select count(*) from readside.views where version = 2 and state = 'building'`) == 0 {
		return false
	}
	s.notReady(young, "building")
	return true
}

func (s *shop) notReady(p *pair, why string) {
	s.t.Helper()
	if reasons := strings.Join(p.api.Ready(s.t.Context()), "; "); !strings.Contains(reasons, why) {
		s.t.Errorf("a pair whose views are not there says %q, not that one %s", reasons, why)
	}
	if _, code := p.ask(askNew); code != refusal.NotReady {
		s.t.Errorf("a query for what is not there is answered %q, not %q", code, refusal.NotReady)
	}
}

// bothAnswer sees that each pair returns its own columns, and the same in those that
// both have.
func (s *shop) bothAnswer(old, young *pair) {
	s.t.Helper()
	for _, p := range []*pair{old, young} {
		p.reaches(s.load.committed.Load())
		data, code := p.ask(askBoth)
		if code != "" || data["fulfilment"].(map[string]any)["buyerName"] != "Ada" {
			s.t.Errorf("version %d answers %v %s", p.set.View("fulfilment").Version, data, code)
		}
	}
	if data, code := young.ask(askNew); code != "" || data["fulfilment"].(map[string]any)["totalMinor"] != int64(newTotal) {
		s.t.Errorf("the new column: %v %s", data, code)
	}
	if _, code := old.ask(askNew); code == "" {
		s.t.Error("the old API answers a column that it does not know")
	}
	if _, code := young.ask(askOld); code == "" {
		s.t.Error("the new API answers columns that it does not have any more")
	}
}

// rollBackAtOnce ends the new pair's worker while the old one works: there is nothing
// to wait for. Then the new pair comes back, as if it was deployed once more.
func (s *shop) rollBackAtOnce(old, young *pair) {
	s.t.Helper()
	young.stopWorker()
	began := time.Now()
	again := s.newPair(old.set) // as a program of the old version that starts now
	if !again.ready() {
		s.t.Errorf("the old version is not ready at once: %v", again.api.Ready(s.t.Context()))
	}
	place := s.load.committed.Load()
	s.until("the old version shows what is new", func() bool {
		if err := again.reader.once(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		at, _ := again.reader.seen()
		return at >= place
	})
	s.t.Logf("rolled back beside a running worker: the old version answered, up to date, after %s", time.Since(began).Round(time.Millisecond))
	young.work(nil)
	young.reaches(s.load.committed.Load())
}

// rollBackToAStoppedWorker ends the old worker for a while. The old API goes on
// answering from the old generation, and says how far behind it is, until the old
// worker has caught up.
func (s *shop) rollBackToAStoppedWorker(old, young *pair) {
	s.t.Helper()
	old.stopWorker()
	stopped := s.int(`select place from readside.projectors p join readside.views v on v.projector = p.name where v.view = 'fulfilment' and v.version = 1 and v.state = 'live'`)
	young.reaches(s.load.committed.Load() + int64(*perSec))

	again := s.newPair(old.set)
	for _, p := range []*pair{old, again} {
		committed := s.load.committed.Load()
		if err := p.reader.once(s.t.Context()); err != nil {
			s.t.Error(err)
		}
		at, lag := p.reader.seen()
		if at != stopped || lag < committed-stopped || lag <= 0 {
			s.t.Errorf("the old worker stopped at place %d, place %d is committed, and a reader is told place %d and a lag of %d", stopped, committed, at, lag)
		}
		s.bothColumns(p)
	}
	_, behind := again.reader.seen()
	began := time.Now()
	old.work(nil)
	old.reaches(s.load.committed.Load())
	s.t.Logf("rolled back to a stopped worker: the old generation was served with its lag of %d events, and was up to date %s after the worker's start", behind, time.Since(began).Round(time.Millisecond))
}

func (s *shop) bothColumns(p *pair) {
	s.t.Helper()
	if data, code := p.ask(askOld); code != "" || data["fulfilment"] == nil {
		s.t.Errorf("the old generation: %v %s", data, code)
	}
}
