package queryapi_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/queryapi"
)

// Somebody waits for a token, and the projector that is read stands still. Another one
// gets there: the wait is over, and is not spent on the first.
func TestAWaitGoesOverToAnotherProjector(t *testing.T) {
	t.Parallel()
	s := twoProjectors(t, 4, 3)
	a := s.api(queryapi.Options{})
	if name, _ := readsFrom(t, s, a); name != testProjector {
		t.Fatalf("reads %s", name)
	}
	s.exec(`update readside.leases set expires_at = now() where projector = $1`, testProjector)
	s.move("second", 9)
	began, ms := time.Now(), 10_000
	answer := a.Do(context.Background(), queryapi.Request{Query: `{ author(id: "a") { name } }`,
		Extensions: queryapi.Extensions{Position: s.position(9), WaitMs: &ms}})
	if f, took := freshness(t, answer), time.Since(began); f["reached"] != true || took > 10*time.Second {
		t.Errorf("%v after %v, want reached before the wait is over", f, took)
	}
}

// The very read that finds the other projector was still made from the first one: its
// answer is not the last word.
func TestWhatALookFindsIsRead(t *testing.T) {
	t.Parallel()
	s := twoProjectors(t, 4, 3)
	a := s.api(queryapi.Options{})
	readsFrom(t, s, a)
	s.exec(`update readside.leases set expires_at = now() where projector = $1`, testProjector)
	s.move("second", 9)
	a.LookNow()
	ms := 0
	answer := a.Do(context.Background(), queryapi.Request{Query: `{ author(id: "a") { name } }`,
		Extensions: queryapi.Extensions{Position: s.position(9), WaitMs: &ms}})
	if f := freshness(t, answer); f["reached"] != true {
		t.Errorf("%v, want reached", f)
	}
}

// A request has less time than its wait: it gets what there is, and that the token
// was not reached.
func TestAWaitEndsBeforeTheRequestDoes(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{})
	ask(t, a, `{ books { nodes { id } } }`) // connects
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	ms := 10_000
	answer := a.Do(ctx, queryapi.Request{Query: `{ books { nodes { id } } }`, Extensions: queryapi.Extensions{Position: s.position(9), WaitMs: &ms}})
	if f := freshness(t, answer); f["reached"] != false {
		t.Errorf("%v, want reached false", f)
	}
}

// Those who wait for a projector that stands still leave room: one more is answered at
// once, and there is a place again when a wait is over.
func TestNotEverybodyWaits(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var waiting, most atomic.Int32
	waits, over := make(chan struct{}, 100), make(chan struct{})
	a := s.api(queryapi.Options{WaitingMax: 1, Waiter: waiterFunc(func(ctx context.Context, _ []string, _ eventlog.Position) error {
		most.Store(max(most.Load(), waiting.Add(1)))
		defer waiting.Add(-1)
		waits <- struct{}{}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			s.checkpoint(9)
			return nil
		}
	})})
	reached := func(ms int) any {
		return freshness(t, a.Do(context.Background(), queryapi.Request{Query: `{ books { nodes { id } } }`,
			Extensions: queryapi.Extensions{Position: s.position(9), WaitMs: &ms}}))["reached"]
	}
	first := make(chan any, 1)
	go func() { first <- reached(10_000) }()
	<-waits
	if got := reached(50); got != false || most.Load() != 1 {
		t.Errorf("the second: reached is %v, want false; %d waited", got, most.Load())
	}
	close(over)
	if got := <-first; got != true {
		t.Errorf("the first: reached is %v, want true", got)
	}
	s.checkpoint(0)
	if got := reached(10_000); got != true {
		t.Errorf("after the first: reached is %v, want true", got)
	}
}

// What was read is answered as a whole, also if the client has gone: no work goes on
// behind an answer that was given already.
func TestShapingIsNotCutOff(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	answer := newStore(t).api(queryapi.Options{}).Do(ctx, queryapi.Request{Query: `{ __schema { types { name fields { name args { name } } } } }`})
	if len(answer.Errors) > 0 || answer.Data == nil {
		t.Errorf("answers %v, %v", answer.Data, answer.Errors)
	}
}
