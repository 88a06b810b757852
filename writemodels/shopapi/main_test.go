package shopapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/shopapi"
	"github.com/readside/readside/writemodels/upcasters"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// testWait bounds whatever a test waits for.
const testWait = 60 * time.Second

// shop is a running shop over a database of its own.
type shop struct {
	*httptest.Server
	*shopapi.Shop
	db  *dbtest.DB
	log *eventlog.Log
	// stop ends Run and waits for it.
	stop func()
}

func configOf(db *dbtest.DB) shopapi.Config {
	return shopapi.Config{
		IdentityURL: db.RoleURL("shop_identity"), CatalogURL: db.RoleURL("shop_catalog"),
		BasketURL: db.RoleURL("shop_basket"), OrderingURL: db.RoleURL("shop_ordering"),
		PaymentURL: db.RoleURL("shop_payment"),
		Grace:      0, CardLimit: 500_000, KeyAge: time.Hour, ConnsMax: 4,
	}
}

// open makes and runs a shop. The change, if any, is made to its configuration.
func open(t *testing.T, db *dbtest.DB, change func(*shopapi.Config)) *shop {
	t.Helper()
	config := configOf(db)
	if change != nil {
		change(&config)
	}
	made, err := shopapi.New(t.Context(), config, slog.New(slog.NewJSONHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(t.Context(), db.Pool)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{Server: httptest.NewServer(made.Handler()), Shop: made, db: db, log: log}
	t.Cleanup(made.Close)
	t.Cleanup(s.Server.Close)
	s.run(t)
	return s
}

func (s *shop) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Shop.Run(ctx) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the shop ended with %v", err)
			}
		case <-time.After(testWait):
			t.Errorf("the shop did not stop within %s", testWait)
		}
	}
	t.Cleanup(s.stop)
}

// answer is a response's status and body, of a success or of a problem.
type answer struct {
	status int
	raw    string
	command.Answer
	problem command.Problem
}

// send sends one command or question; body is JSON, or nil for none.
func (s *shop) send(t *testing.T, method, path string, body any) answer {
	t.Helper()
	var encoded bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&encoded).Encode(body); err != nil {
			t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/v1"+path, &encoded)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode, raw: string(raw)}
	into := any(&a.Answer)
	if a.status >= 400 {
		into = &a.problem
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s %s: %d %s: %v", method, path, a.status, raw, err)
	}
	return a
}

// must is send for what has to succeed.
func (s *shop) must(t *testing.T, method, path string, body any) answer {
	t.Helper()
	a := s.send(t, method, path, body)
	if a.status >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, a.status, a.raw)
	}
	return a
}

var errSeen = errors.New("seen")

// await waits for the first event of a type in a stream.
func (s *shop) await(t *testing.T, eventType, stream string) eventlog.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testWait)
	defer cancel()
	var found eventlog.Event
	err := s.log.Follow(ctx, s.log.Start(), eventlog.Query{Types: []string{eventType}, Limit: 500}, func(_ context.Context, page eventlog.Page) error {
		for _, e := range page.Events {
			if e.Stream == stream {
				found = e
				return errSeen
			}
		}
		return nil
	})
	if !errors.Is(err, errSeen) {
		t.Fatalf("no %s in %s: %v; the log has %v", eventType, stream, err, s.types(t))
	}
	return found
}

// events are all events of a stream, or of all streams for "".
func (s *shop) events(t *testing.T, stream string) (events []eventlog.Event) {
	t.Helper()
	page, err := s.log.Read(t.Context(), s.log.Start(), eventlog.Query{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		if stream == "" || e.Stream == stream {
			events = append(events, e)
		}
	}
	return events
}

func (s *shop) types(t *testing.T) (types []string) {
	t.Helper()
	for _, e := range s.events(t, "") {
		types = append(types, fmt.Sprintf("%s %s", e.Stream, e.Type))
	}
	return types
}

// typesOf are the event types of a stream, in order.
func (s *shop) typesOf(t *testing.T, stream string) (types []string) {
	t.Helper()
	for _, e := range s.events(t, stream) {
		types = append(types, e.Type)
	}
	return types
}

// decode is an event's data as a Go value.
func decode[E eventlog.Typed](t *testing.T, e eventlog.Event) E {
	t.Helper()
	lift, err := upcasters.New()
	if err != nil {
		t.Fatal(err)
	}
	value, err := eventlog.DecoderFor[E](lift)(e.SchemaVersion, e.Data)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// one reads one value as the database's owner.
func one[T any](t *testing.T, s *shop, sql string, args ...any) (value T) {
	t.Helper()
	if err := s.db.Pool.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}
