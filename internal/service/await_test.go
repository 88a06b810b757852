package service

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/readside/readside/internal/dbtest"
)

// changed is an address with a change made to it.
func changed(t *testing.T, address string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

// A program waits for a Postgres that is away, says once why, and takes it when it comes;
// what does not pass by itself ends it at once, with a hint.
func TestAProgramWaitsForPostgresAndNotForWhatDoesNotPass(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	address := func(change func(*url.URL)) string { return changed(t, db.URL, change) }
	away := address(func(u *url.URL) { u.Host = "127.0.0.1:1" })
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, nil))
	var s starting
	tries := 0
	log, err := awaitPostgres(t.Context(), &s, logger, func(ctx context.Context) (*OpenLog, error) {
		if tries++; tries < 4 {
			return Open(ctx, dbtest.Application, away, "test", logger)
		}
		if reason := s.reason(); reason == nil || !strings.Contains(reason.Error(), "refused") {
			t.Errorf("meanwhile it says %v", reason)
		}
		return Open(ctx, dbtest.Application, db.URL, "test", logger)
	})
	if err != nil {
		t.Fatal(err)
	}
	log.Close()
	if n := strings.Count(logged.String(), "waiting for it"); n != 1 {
		t.Errorf("it said %d times that it waits:\n%s", n, logged.String())
	}
	for name, c := range map[string]struct{ address, application, hint string }{
		"another application": {db.URL, "other", "belongs to application"},
		"no such role":        {address(func(u *url.URL) { u.RawQuery += "&role=nobody_has_this" }), dbtest.Application, "conference migrate up"},
		"no such database":    {address(func(u *url.URL) { u.Path = "/no_such_database" }), dbtest.Application, "create the database"},
	} {
		tries := 0
		_, err := awaitPostgres(t.Context(), &starting{}, logger, func(ctx context.Context) (*OpenLog, error) {
			tries++
			return Open(ctx, c.application, c.address, "test", logger)
		})
		if err == nil || tries != 1 || !strings.Contains(Hinted("conference", err).Error(), c.hint) {
			t.Errorf("%s: %v after %d tries, want one and %q", name, err, tries, c.hint)
		}
	}
}
