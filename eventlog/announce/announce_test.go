package announce_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/logtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestAnnouncementsWakeEveryWaiter(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	config := db.Pool.Config().ConnConfig
	listener := announce.NewListener(config, slog.New(slog.DiscardHandler))
	notifier := announce.NewNotifier(config, slog.New(slog.DiscardHandler), announce.Events)
	logtest.InBackground(t, listener.Run)
	logtest.InBackground(t, notifier.Run)
	logtest.Connected(t, listener)
	first, second := listener.Announced(announce.Events), listener.Announced(announce.Events)
	for range 100 {
		notifier.Announce()
	}
	for _, announced := range []<-chan struct{}{first, second} {
		select {
		case <-announced:
		case <-time.After(logtest.Bound):
			t.Fatal("no announcement came")
		}
	}
	if listener.Announced("another") != nil {
		t.Fatal("a channel that nobody listens to")
	}
}

func TestNothingRunsAfterRunEnded(t *testing.T) {
	db := dbtest.Postgres(t)
	ignore := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(logtest.Bounded(t))
	listener := announce.NewListener(db.Pool.Config().ConnConfig, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- listener.Run(ctx) }()
	logtest.Connected(t, listener)
	cancel()
	<-done
	goleak.VerifyNone(t, ignore)
}
