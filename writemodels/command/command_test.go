package command_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/writemodels/command"
)

func TestCommandAppendsItsEventsAndAnswersTheirPosition(t *testing.T) {
	t.Parallel()
	s := open(t)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	a := s.send(t, "POST", "/customers", ada, header{"X-Correlation-ID": "desk-7", "traceparent": trace})
	if a.status != http.StatusCreated || a.Answer.ID != "ada" {
		t.Fatalf("answered %+v", a)
	}
	if got := a.header.Get("X-Correlation-ID"); got != "desk-7" {
		t.Errorf("correlation id %q, want desk-7", got)
	}
	events := s.events(t)
	if len(events) != 1 {
		t.Fatalf("%d events, want 1", len(events))
	}
	e := events[0]
	if e.Position.String() != a.Answer.Position {
		t.Errorf("answered position %s, the event is at %s", a.Answer.Position, e.Position)
	}
	got := []string{e.Type, e.Stream, e.Source, e.CorrelationID, e.TraceParent, e.PersonID}
	want := []string{"identity.CustomerRegistered", "customer-ada", "shop_identity", "desk-7", trace, "ada"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if e.CausationID == "" || e.CausationID == e.CorrelationID {
		t.Errorf("causation id %q is not the command's own", e.CausationID)
	}
}

func TestSameKeyGivesTheSameAnswerAndOneEffect(t *testing.T) {
	t.Parallel()
	s := open(t)
	body := strings.Replace(ada, `"id":"ada",`, "", 1) // the id is given by the service
	first := s.send(t, "POST", "/customers", body, header{"Idempotency-Key": "k1"})
	again := s.send(t, "POST", "/customers", body, header{"Idempotency-Key": "k1"})
	if first.status != http.StatusCreated || again.status != first.status {
		t.Fatalf("status %d, then %d", first.status, again.status)
	}
	if diff := cmp.Diff(first.Answer, again.Answer); diff != "" {
		t.Errorf("the second answer differs: %s", diff)
	}
	if n := len(s.events(t)); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestSameKeyWithAnotherRequestIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.send(t, "POST", "/customers", ada, header{"Idempotency-Key": "k1"})
	for _, other := range []answer{
		s.send(t, "POST", "/customers", strings.Replace(ada, "Lovelace", "King", 1), header{"Idempotency-Key": "k1"}),
		s.send(t, "PATCH", "/customers/ada/name", `{"name":"Ada King"}`, header{"Idempotency-Key": "k1"}),
	} {
		if other.status != http.StatusUnprocessableEntity || other.Problem.Type != command.ProblemType("idempotency-key-reused") {
			t.Errorf("answered %+v", other)
		}
	}
	if n := len(s.events(t)); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// A repetition that arrives late must not undo what came between, even if the first
// had nothing to do.
func TestLateRepetitionOfACommandThatChangedNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.send(t, "POST", "/customers", ada, nil)
	for _, name := range []string{"Ada Lovelace", "Ada King", "Ada Lovelace"} {
		key := header{"Idempotency-Key": "to-" + strings.ReplaceAll(name, " ", "-")}
		a := s.send(t, "PATCH", "/customers/ada/name", fmt.Sprintf(`{"name":%q}`, name), key)
		if a.status != http.StatusOK || a.Answer.Position == "" {
			t.Fatalf("answered %+v", a)
		}
	}
	if n := len(s.events(t)); n != 2 {
		t.Errorf("%d events, want the registration and one renaming", n)
	}
}

func TestKeysAreForgottenByAge(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.send(t, "POST", "/customers", ada, header{"Idempotency-Key": "k1"})
	if n, err := s.executor.Forget(t.Context(), testWait); n != 0 || err != nil {
		t.Fatalf("forgot %d young keys, %v", n, err)
	}
	if n, err := s.executor.Forget(t.Context(), 0); n != 1 || err != nil {
		t.Fatalf("forgot %d old keys, %v; want 1", n, err)
	}
	if a := s.send(t, "POST", "/customers", ada, header{"Idempotency-Key": "k1"}); a.status != http.StatusConflict {
		t.Errorf("status %d, want 409: the customer exists", a.status)
	}
}

func TestConcurrentRepetitionsHaveOneEffect(t *testing.T) {
	t.Parallel()
	s := open(t)
	body := strings.Replace(ada, `"id":"ada",`, "", 1)
	answers := make([]answer, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = s.send(t, "POST", "/customers", body, header{"Idempotency-Key": "k1"}) })
	}
	all.Wait()
	for _, a := range answers {
		if diff := cmp.Diff(answers[0].Answer, a.Answer); diff != "" || a.status != http.StatusCreated {
			t.Errorf("status %d: %s", a.status, diff)
		}
	}
	if n := len(s.events(t)); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// Commands on one aggregate at once are decided one after the other: none is lost.
func TestConcurrentCommandsOnOneAggregate(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.send(t, "POST", "/customers", ada, nil)
	const writers = 12
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			if a := s.send(t, "PATCH", "/customers/ada/name", fmt.Sprintf(`{"name":"Ada %d"}`, i), nil); a.status != http.StatusOK {
				t.Errorf("answered %+v", a)
			}
		})
	}
	all.Wait()
	events := s.events(t)
	if len(events) != 1+writers {
		t.Fatalf("%d events, want %d", len(events), 1+writers)
	}
	for i, e := range events {
		if e.StreamVersion != int64(i+1) {
			t.Fatalf("event %d has version %d", i, e.StreamVersion)
		}
	}
	var version int64
	if err := s.db.Pool.QueryRow(t.Context(), `select version from shop_identity.customers`).Scan(&version); err != nil || version != 1+writers {
		t.Errorf("the state is at version %d, %v; want %d", version, err, 1+writers)
	}
}

// State, events and remembered answer stand or fall together.
func TestFailureToStoreStateLeavesNoEvent(t *testing.T) {
	t.Parallel()
	s := open(t)
	if _, err := s.db.Pool.Exec(t.Context(), `alter table shop_identity.customers add check (name <> 'Ada Lovelace')`); err != nil {
		t.Fatal(err)
	}
	a := s.send(t, "POST", "/customers", ada, header{"Idempotency-Key": "k1"})
	if a.status != http.StatusServiceUnavailable {
		t.Fatalf("answered %+v", a)
	}
	if strings.Contains(a.Problem.Detail, "check") {
		t.Errorf("the problem tells the inner works: %q", a.Problem.Detail)
	}
	var rows int
	err := s.db.Pool.QueryRow(t.Context(), `select (select count(*) from eventlog.events)
		+ (select count(*) from shop_identity.customers) + (select count(*) from shop_identity.idempotency)`).Scan(&rows)
	if err != nil || rows != 0 {
		t.Errorf("%d rows are left, %v", rows, err)
	}
}

// Another writer of the stream wins every time: the command gives up with a conflict.
func TestConflictsAreTriedAgainABoundedNumberOfTimes(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.send(t, "POST", "/customers", ada, nil)
	foreign, err := eventlog.NewEvent(renamed{}, eventlog.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := s.db.Role(t, "shop_identity").Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.log.Append(t.Context(), tx, eventlog.Append{Stream: "customer-ada", Expected: 1, Events: []eventlog.Event{foreign}}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := s.send(t, "PATCH", "/customers/ada/name", `{"name":"Ada King"}`, nil)
	if a.status != http.StatusConflict || a.Problem.Type != command.ProblemType("conflict") {
		t.Errorf("answered %+v", a)
	}
}

type renamed struct{}

func (renamed) EventType() (string, int) { return "identity.CustomerRenamed", 1 }

func TestCountersCountByOutcome(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.send(t, "POST", "/customers", ada, nil)
	s.send(t, "POST", "/customers", ada, nil)
	if diff := cmp.Diff(map[string]int64{"identity": 1}, s.counters.Accepted()); diff != "" {
		t.Error(diff)
	}
}
