package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/identity"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// testWait bounds whatever a test waits for.
const testWait = 60 * time.Second

// shop is the identity service over a database of its own: the kit's tests need one
// real service, and identity has no reactions.
type shop struct {
	*httptest.Server
	db       *dbtest.DB
	log      *eventlog.Log
	executor *command.Executor
	counters *command.Counters
}

func open(t *testing.T) *shop {
	t.Helper()
	db := dbtest.Postgres(t)
	pool := db.Role(t, "shop_identity")
	ctx, cancel := context.WithTimeout(context.Background(), testWait)
	t.Cleanup(cancel)
	log, err := eventlog.Open(ctx, pool)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{db: db, log: log, counters: command.NewCounters()}
	s.executor = command.NewExecutor(command.Config{Log: log, Pool: pool, Schema: "shop_identity"})
	api := command.NewAPI(identity.Name, s.executor, s.counters, slog.New(slog.DiscardHandler))
	identity.Mount(api)
	s.Server = httptest.NewServer(api)
	t.Cleanup(s.Close)
	return s
}

// answer is a response with its body, of a success or of a problem.
type answer struct {
	status int
	header http.Header
	command.Answer
	command.Problem
}

type header map[string]string

func (s *shop) send(t *testing.T, method, path, body string, h header) answer {
	t.Helper()
	request, err := http.NewRequest(method, s.URL+"/v1/identity"+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range h {
		request.Header.Set(name, value)
	}
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header}
	into := any(&a.Answer)
	if response.StatusCode >= 400 {
		into = &a.Problem
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s %s: %d %s: %v", method, path, response.StatusCode, raw, err)
	}
	return a
}

func (s *shop) events(t *testing.T) []eventlog.Event {
	t.Helper()
	page, err := s.log.Read(t.Context(), s.log.Start(), eventlog.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Events
}

const ada = `{"id":"ada","name":"Ada Lovelace","email":"ada@example.com",
	"address":{"street":"St James's Square 12","city":"London","postalCode":"SW1Y","country":"GB"}}`
