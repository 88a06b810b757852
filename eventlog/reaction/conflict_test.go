package reaction_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
)

// answered is what the service of these tests says to what it was asked.
type answered struct {
	N int `json:"n"`
}

func (answered) EventType() (string, int) { return "test.Answered", 1 }

// answering appends to a stream that it takes to be empty: the state of a service
// whose tables were lost.
func (s *service) answering(stream func(event eventlog.Event) string) reaction.Handler {
	return reaction.On(func(ctx context.Context, tx pgx.Tx, e asked, event eventlog.Event) error {
		if err := effect(ctx, tx, e, event); err != nil {
			return err
		}
		answer, err := eventlog.NewEvent(answered{e.N}, eventlog.Meta{CausationID: event.ID})
		if err != nil {
			return err
		}
		_, err = s.log.Append(ctx, tx, eventlog.Append{Stream: stream(event), Events: []eventlog.Event{answer}})
		return err
	})
}

func ofItsOwn(event eventlog.Event) string { return "answer-" + event.ID }

// However many streams differ from what the service knows of them, none holds up others.
func TestAConflictThatDoesNotPassBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	s := newService(t)
	taken := func(event eventlog.Event) string {
		if strings.HasSuffix(event.Stream, "x") {
			return "taken"
		}
		return ofItsOwn(event)
	}
	s.appendTo(t, "taken", answered{})
	for i := range 12 {
		s.appendTo(t, "ask-"+strings.Repeat("y", i)+"x", asked{N: i})
	}
	last := s.publish(t, 100, 3)
	config := s.config()
	config.DeadInRowMax, config.RetriesMax = 3, 2
	r, _ := run(t, config, s.answering(taken))
	until(t, r, last)
	s.wantEffects(t, numbers(100, 3))
	letters, err := reaction.NewDesk(r).List(bounded(t), "svc")
	if err != nil || len(letters) != 12 {
		t.Fatalf("%d dead letters, want 12: %v", len(letters), err)
	}
	if why := letters[0].Error; !strings.Contains(why, "stream taken is at version 1, not 0") || !strings.Contains(why, "after 3 tries") {
		t.Errorf("the reason: %s", why)
	}
}

// After an import the inbox is empty and the log holds what the service did: that is
// passed over, and what is new is handled.
func TestWhatTheLogShowsAsDoneIsPassedOver(t *testing.T) {
	t.Parallel()
	s := newService(t)
	config := s.config()
	r, stop := run(t, config, s.answering(ofItsOwn))
	until(t, r, s.publish(t, 0, 40))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Pool.Exec(bounded(t), `delete from svc.inbox; delete from svc.reaction_checkpoints`); err != nil {
		t.Fatal(err)
	}
	last := s.publish(t, 40, 5)
	r, _ = run(t, config, s.answering(ofItsOwn))
	until(t, r, last)
	s.wantEffects(t, numbers(0, 45))
	if n := s.deadLetters(t); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	var answers, seen int
	err := s.db.Pool.QueryRow(bounded(t), `select (select count(*) from eventlog.events where type = 'test.Answered'), (select count(*) from svc.inbox)`).Scan(&answers, &seen)
	if err != nil || answers != 45 || seen != 45 {
		t.Errorf("%d answers and %d events in the inbox, want 45 each: %v", answers, seen, err)
	}
}

// appendTo appends one event to a stream that is empty.
func (s *service) appendTo(t testing.TB, stream string, e eventlog.Typed) {
	t.Helper()
	event, err := eventlog.NewEvent(e, eventlog.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	err = pgx.BeginFunc(bounded(t), s.pool, func(tx pgx.Tx) error {
		_, err := s.log.Append(bounded(t), tx, eventlog.Append{Stream: stream, Events: []eventlog.Event{event}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
