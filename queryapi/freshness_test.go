package queryapi_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/refusal"
)

func freshness(t *testing.T, answer *queryapi.Answer) map[string]any {
	t.Helper()
	out := plain(t, answer)
	if out["errors"] != nil {
		t.Fatal(out["errors"])
	}
	return out["extensions"].(map[string]any)["freshness"].(map[string]any)
}

func TestEveryAnswerSaysHowFreshItIs(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{})
	s.appendEvents(10)
	s.checkpoint(4)
	s.exec(`update readside.projectors set state = 'halted'`)
	f := freshness(t, a.Do(context.Background(), queryapi.Request{Query: `{ book(id: "x") { id } authors { nodes { name } } }`}))
	views := f["views"].([]any)
	if len(views) != 2 || f["coherent"] != true || f["reached"] != nil {
		t.Fatalf("freshness is %v", f)
	}
	for _, v := range views {
		v := v.(map[string]any)
		if v["lagEvents"] != 6.0 || v["state"] != "HALTED" || v["position"] != s.position(4) || v["ageMs"].(float64) < 3000 || v["ageMs"].(float64) > 3_600_000 {
			t.Errorf("%v, want a lag of 6, halted, at place 4 and 3 s old, whatever the time of the events says", v)
		}
	}
	s.checkpoint(10)
	list := ask(t, a, `{ books { freshness { lagEvents ageMs } } }`)["books"].(map[string]any)["freshness"].(map[string]any)
	if list["lagEvents"] != 0.0 || list["ageMs"] != 0.0 {
		t.Errorf("caught up, and %v", list)
	}
}

// A projector that nobody works for does not follow the log, caught up or not.
func TestADeadProjectorIsStalled(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{})
	state := func() any {
		list := ask(t, a, `{ books { freshness { state } } }`)["books"].(map[string]any)
		return list["freshness"].(map[string]any)["state"]
	}
	if got := state(); got != "LIVE" {
		t.Errorf("with a worker: %v", got)
	}
	s.exec(`update readside.leases set expires_at = now()`)
	if got := state(); got != "STALLED" {
		t.Errorf("the lease is over: %v", got)
	}
	s.exec(`update readside.leases set expires_at = now() + interval '1 hour'`)
	if got := state(); got != "LIVE" {
		t.Errorf("with a lease again: %v", got)
	}
	if err := s.worker.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.exec(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid = $1`, int(s.worker.PgConn().PID()))
	if got := state(); got != "STALLED" {
		t.Errorf("its server process is gone, its lease is not over: %v", got)
	}
	s.exec(`update readside.projectors set state = 'halted'`)
	if got := state(); got != "HALTED" {
		t.Errorf("halted: %v", got)
	}
}

func TestATokenWaitsForTheSlowestView(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.projector("slow", 3)
	s.exec(`update readside.views set projector = 'slow' where view = 'author'`)
	s.checkpoint(10)
	// The waiter is the seam: it moves the slow projector the first time it is asked.
	var asked atomic.Int32
	w := waiterFunc(func(ctx context.Context, projectors []string, at eventlog.Position) error {
		asked.Add(1)
		s.exec(`update readside.projectors set place = place + 1 where name = 'slow'`)
		return nil
	})
	a := s.api(queryapi.Options{Waiter: w})
	query := `{ book(id: "x") { id } author(id: "y") { name } }`
	f := freshness(t, a.Do(context.Background(), queryapi.Request{Query: query, Extensions: queryapi.Extensions{Position: s.position(5)}}))
	if f["reached"] != true || f["coherent"] != false || asked.Load() != 2 {
		t.Errorf("%v after %d waits, want reached after 2", f, asked.Load())
	}
	f = freshness(t, a.Do(context.Background(), queryapi.Request{Query: `{ book(id: "x") { id } }`, Extensions: queryapi.Extensions{Position: s.position(9)}}))
	if f["reached"] != true || asked.Load() != 2 {
		t.Errorf("%v: a view that is there already needs no wait", f)
	}
}

type waiterFunc func(context.Context, []string, eventlog.Position) error

func (f waiterFunc) Wait(ctx context.Context, names []string, at eventlog.Position) error {
	return f(ctx, names, at)
}

func TestAWaitThatEndsSaysSo(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{})
	ms := 30
	f := freshness(t, a.Do(context.Background(), queryapi.Request{Query: `{ books { nodes { id } } }`,
		Extensions: queryapi.Extensions{Position: s.position(1), WaitMs: &ms}}))
	if f["reached"] != false {
		t.Errorf("%v, want reached false", f)
	}
}

// The real waiter: a projector that moves while somebody waits wakes them.
func TestPollWakesWhenTheProjectorMoves(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{})
	ms := 10_000
	answers := make(chan *queryapi.Answer)
	for range 4 {
		go func() {
			answers <- a.Do(context.Background(), queryapi.Request{Query: `{ books { nodes { id } } }`,
				Extensions: queryapi.Extensions{Position: s.position(5), WaitMs: &ms}})
		}()
	}
	for place := range int64(6) {
		s.checkpoint(place)
	}
	for range 4 {
		if f := freshness(t, <-answers); f["reached"] != true {
			t.Errorf("%v, want reached", f)
		}
	}
}

// incarnations lets the log come from incarnation 5, of which it has two places.
func (s *store) incarnations() {
	s.t.Helper()
	s.exec(`insert into eventlog.incarnations (incarnation, system_identifier, timeline, database, relation, began_after) values (5, 1, 1, 1, 1, 0), (7, 1, 2, 1, 1, 2)`)
	s.appendEvents(4)
}

// A token of before a failover is as good as ever, where its event is still there.
func TestATokenOfAFormerIncarnationIsReached(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{})
	s.incarnations()
	s.checkpoint(3)
	f := freshness(t, a.Do(context.Background(), queryapi.Request{Query: `{ books { nodes { id } } }`,
		Extensions: queryapi.Extensions{Position: eventlog.NewPosition(s.log, 5, 2).String()}}))
	if f["reached"] != true {
		t.Errorf("%v, want reached", f)
	}
}

func TestTokensAreRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{})
	s.incarnations()
	negative, long := -1, 10_001
	for name, c := range map[string]struct {
		extensions queryapi.Extensions
		code       string
	}{
		"made up":             {queryapi.Extensions{Position: "hello"}, refusal.BadPosition},
		"a lost place":        {queryapi.Extensions{Position: eventlog.NewPosition(s.log, 5, 3).String()}, refusal.ForeignPosition},
		"another incarnation": {queryapi.Extensions{Position: eventlog.NewPosition(s.log, 8, 1).String()}, refusal.ForeignPosition},
		"a negative wait":     {queryapi.Extensions{Position: s.position(1), WaitMs: &negative}, refusal.TooLarge},
		"a long wait":         {queryapi.Extensions{Position: s.position(1), WaitMs: &long}, refusal.TooLarge},
	} {
		code, _ := refusalOf(t, a.Do(context.Background(), queryapi.Request{Query: `{ books { nodes { id } } }`, Extensions: c.extensions}))
		if code != c.code {
			t.Errorf("%s: %s, want %s", name, code, c.code)
		}
	}
}

func TestAWaiterThatFailsIsReported(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{Waiter: waiterFunc(func(context.Context, []string, eventlog.Position) error { return errors.New("gone") })})
	code, e := refusalOf(t, a.Do(context.Background(), queryapi.Request{Query: `{ books { nodes { id } } }`, Extensions: queryapi.Extensions{Position: s.position(1)}}))
	if code != refusal.Unavailable || e.Message == "gone" {
		t.Errorf("%s %s", code, e.Message)
	}
}
