package reaction_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
)

func TestEachEventHasOneEffectInOrder(t *testing.T) {
	t.Parallel()
	s := newService(t)
	last := s.publish(t, 0, 700)
	r, stop := run(t, s.config(), reaction.On(effect))
	until(t, r, last)
	last = s.publish(t, 700, 10)
	until(t, r, last)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s.wantEffects(t, numbers(0, 710))
}

func TestDeliveredTwiceIsOneEffect(t *testing.T) {
	t.Parallel()
	s := newService(t)
	last := s.publish(t, 0, 100)
	r, stop := run(t, s.config(), reaction.On(effect))
	until(t, r, last)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Pool.Exec(bounded(t), `update svc.reaction_checkpoints set place = 0`); err != nil {
		t.Fatal(err)
	}
	r, _ = run(t, s.config(), reaction.On(effect))
	until(t, r, s.publish(t, 100, 1))
	s.wantEffects(t, numbers(0, 101))
}

func TestKilledBetweenCommitAndAcknowledgement(t *testing.T) {
	t.Parallel()
	s := newService(t)
	last := s.publish(t, 0, 100)
	config := s.config()
	config.RunEventsMax = 8
	ctx, kill := context.WithCancel(bounded(t))
	defer kill()
	committed := 0
	config.Observer.Committed = func(events []eventlog.Event) {
		if committed += len(events); committed >= 40 {
			kill() // committed, and the message is not acknowledged yet
		}
	}
	r, err := reaction.New(config, reaction.On(effect))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := len(s.effects(t)); n != 40 {
		t.Fatalf("%d effects when killed, want 40", n)
	}
	r, _ = run(t, s.config(), reaction.On(effect))
	until(t, r, last)
	s.wantEffects(t, numbers(0, 100))
}

func TestKilledBetweenEffectAndCommit(t *testing.T) {
	t.Parallel()
	s := newService(t)
	last := s.publish(t, 0, 60)
	var kills atomic.Int32
	handler := reaction.On(func(ctx context.Context, tx pgx.Tx, e asked, event eventlog.Event) error {
		if err := effect(ctx, tx, e, event); err != nil {
			return err
		}
		if e.N%10 == 5 && kills.Add(1) <= 9 {
			// As an administrator would, or a crash: the backend is gone, the effect with it.
			_, err := s.db.Pool.Exec(ctx, `select pg_terminate_backend($1)`, int32(tx.Conn().PgConn().PID()))
			return err
		}
		return nil
	})
	r, _ := run(t, s.config(), handler)
	until(t, r, last)
	s.wantEffects(t, numbers(0, 60))
	if kills.Load() < 6 {
		t.Fatalf("%d backends were killed, want some", kills.Load())
	}
}

func TestTwoProcessesOfOneServiceAreSafe(t *testing.T) {
	t.Parallel()
	s := newService(t)
	last := s.publish(t, 0, 400)
	first, _ := run(t, s.config(), reaction.On(effect))
	second, _ := run(t, s.config(), reaction.On(effect))
	until(t, first, last)
	until(t, second, last)
	s.wantEffects(t, numbers(0, 400))
}

func TestAFailingEventBecomesADeadLetterAndOthersGoOn(t *testing.T) {
	t.Parallel()
	s := newService(t)
	last := s.publish(t, 0, 50)
	config := s.config()
	config.RetriesMax = 2
	var attempts, panics atomic.Int32
	handler := reaction.On(func(ctx context.Context, tx pgx.Tx, e asked, event eventlog.Event) error {
		if err := effect(ctx, tx, e, event); err != nil {
			return err
		}
		switch e.N {
		case 20:
			attempts.Add(1)
			return errors.New("twenty is not handled")
		case 30:
			panics.Add(1)
			panic("thirty")
		}
		return nil
	})
	r, _ := run(t, config, handler)
	until(t, r, last)
	var want []int
	for _, n := range numbers(0, 50) {
		if n != 20 && n != 30 {
			want = append(want, n)
		}
	}
	s.wantEffects(t, want)
	rows, err := s.db.Pool.Query(bounded(t), `select error from svc.dead_letters order by place`)
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(reasons) != 2 || !strings.Contains(reasons[0], "twenty is not handled") || !strings.Contains(reasons[1], "thirty") {
		t.Fatalf("dead letters %q, %v", reasons, err)
	}
	// Once in the run, then alone: once and two retries. Run 0..31 broke at 20 already.
	if attempts.Load() != 4 || panics.Load() != 3 {
		t.Fatalf("%d and %d attempts, want 4 and 3", attempts.Load(), panics.Load())
	}
}

func TestAFaultThatPassesIsRetried(t *testing.T) {
	t.Parallel()
	s := newService(t)
	last := s.publish(t, 0, 20)
	var failed atomic.Int32
	handler := reaction.On(func(ctx context.Context, tx pgx.Tx, e asked, event eventlog.Event) error {
		if e.N == 7 && failed.Add(1) <= 12 { // more than the retries: a conflict never becomes a dead letter
			return &eventlog.VersionConflictError{Stream: "s", Actual: -1}
		}
		return effect(ctx, tx, e, event)
	})
	r, _ := run(t, s.config(), handler)
	until(t, r, last)
	s.wantEffects(t, numbers(0, 20))
}

func TestReactingAppendsUnderTheServicesName(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.publish(t, 0, 5)
	handler := reaction.On(func(ctx context.Context, tx pgx.Tx, e asked, event eventlog.Event) error {
		answer, err := eventlog.NewEvent(other{}, eventlog.CausedBy(&event))
		if err != nil {
			return err
		}
		_, err = s.log.Append(ctx, tx, eventlog.Append{Stream: fmt.Sprint("answer-", e.N), Events: []eventlog.Event{answer}})
		return err
	})
	config := s.config()
	r, _ := run(t, config, handler)
	until(t, r, s.publish(t, 5, 1))
	var n int
	err := s.db.Pool.QueryRow(bounded(t), `
		select count(*) from eventlog.events a join eventlog.events q on q.id = a.causation_id
		 where a.stream like 'answer-%' and a.correlation_id = 'c' and a.source = 'readside_appender'`).Scan(&n)
	if err != nil || n != 6 {
		t.Fatalf("%d answers, %v; want 6 that name their cause", n, err)
	}
}

func TestANewIncarnationReadsAgainAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	s := newService(t)
	r, stop := run(t, s.config(), reaction.On(effect))
	until(t, r, s.publish(t, 0, 50))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// What a restore does: the log finds itself somewhere else.
	if _, err := s.db.Pool.Exec(bounded(t), `update eventlog.incarnations set system_identifier = 1`); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.log, err = eventlog.Open(bounded(t), s.pool); err != nil {
		t.Fatal(err)
	}
	r, _ = run(t, s.config(), reaction.On(effect))
	until(t, r, s.publish(t, 50, 3))
	s.wantEffects(t, numbers(0, 53))
}

func TestEveryFaultOfAConfigIsNamed(t *testing.T) {
	t.Parallel()
	_, err := reaction.New(reaction.Config{}, reaction.On(effect), reaction.On(effect), reaction.Handler{})
	for _, want := range []string{"Log is missing", "Pool is missing", "Schema is missing", "Name is missing", "two handlers for test.Asked", "empty Handler"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// BenchmarkReaction is a handler with one insert, behind by b.N events.
func BenchmarkReaction(b *testing.B) {
	s := newService(b)
	last := s.publish(b, 0, b.N)
	b.ResetTimer()
	r, stop := run(b, s.config(), reaction.On(effect))
	until(b, r, last)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.StopTimer()
	if err := stop(); err != nil {
		b.Fatal(err)
	}
}

func TestNothingRunsAfterRunEnded(t *testing.T) {
	s := newService(t)
	last := s.publish(t, 0, 10)
	ignore := goleak.IgnoreCurrent()
	r, stop := run(t, s.config(), reaction.On(effect))
	until(t, r, last)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, ignore, goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgxpool.(*Pool).backgroundHealthCheck"))
}
