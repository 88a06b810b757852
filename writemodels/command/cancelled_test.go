package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/identity"
)

// A request that ended before its answer is no error of this side; a store that fails
// is one, whether somebody waits for the answer or not.
func TestACancelledRequestIsNoError(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		request       context.Context
		damage, level string
		says          string
	}{
		"the client is gone":                     {gone, "", "DEBUG", "read the log's head"},
		"the log fails":                          {t.Context(), "alter table eventlog.events rename to moved", "ERROR", "read the log's head"},
		"the client is gone and the state fails": {gone, "drop schema shop_identity cascade", "ERROR", "load the state"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			s.send(t, "POST", "/customers", ada, nil)
			if _, err := s.db.Pool.Exec(t.Context(), c.damage); err != nil {
				t.Fatal(err)
			}
			var logged bytes.Buffer
			api := command.NewAPI(identity.Name, s.executor, s.counters, slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
			identity.Mount(api)
			// A renaming that changes nothing looks for the log's head as long as its client waits.
			request := httptest.NewRequestWithContext(c.request, "PATCH", "/v1/identity/customers/ada/name", strings.NewReader(`{"name":"Ada Lovelace"}`))
			request.Header.Set("Content-Type", "application/json")
			answer := httptest.NewRecorder()
			api.ServeHTTP(answer, request)
			if answer.Code != http.StatusServiceUnavailable {
				t.Errorf("answered %d: %s", answer.Code, answer.Body)
			}
			var line struct{ Level, Error string }
			if err := json.Unmarshal(logged.Bytes(), &line); err != nil {
				t.Fatalf("it logged %q: %v", &logged, err)
			}
			if line.Level != c.level || strings.Count(line.Error, c.says) != 1 {
				t.Errorf("it logged %s, want level %s, and once %q", &logged, c.level, c.says)
			}
		})
	}
}

// A wait of this side that was cancelled is its fault while somebody waits for the answer.
func TestACancelledWaitOfThisSideIsAnError(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	api := command.NewAPI(identity.Name, nil, nil, slog.New(slog.NewJSONHandler(&logged, nil)))
	api.Read("/state", func(context.Context, *http.Request) (any, error) {
		return nil, fmt.Errorf("wait for a connection: %w", context.Canceled)
	})
	api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/v1/identity/state", http.NoBody))
	if got := logged.String(); !strings.Contains(got, `"level":"ERROR"`) || !strings.Contains(got, "wait for a connection") {
		t.Errorf("it logged %q", got)
	}
}
