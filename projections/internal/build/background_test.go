package build

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
)

var errJob = errors.New("the job failed")

// besideNothing needs no server: its jobs look at no connection.
func besideNothing(t *testing.T) *background {
	b := newBackground(t.Context(), func(context.Context) (*pgx.Conn, error) { return nil, nil })
	t.Cleanup(b.close)
	return b
}

// One job runs at a time, and none behind one that failed: the caller that waits gets its error.
func TestJobsBesideABuildComeOneByOne(t *testing.T) {
	t.Parallel()
	b := besideNothing(t)
	gate, second := make(chan struct{}), false
	first := func(context.Context, *pgx.Conn) error { <-gate; return errJob }
	if err := b.begin(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if b.idle() {
		t.Error("it is idle while a job runs")
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.wait(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that may not wait for a running job gets %v", err)
	}
	close(gate)
	err := b.begin(t.Context(), func(context.Context, *pgx.Conn) error { second = true; return nil })
	if !errors.Is(err, errJob) || second || !errors.Is(b.wait(t.Context()), errJob) {
		t.Errorf("behind a failed job: %v, the next one ran: %v", err, second)
	}
}

// Who ends a build cancels what is under way background it, and waits for it.
func TestAJobBesideABuildEndsWithIt(t *testing.T) {
	t.Parallel()
	b := besideNothing(t)
	var ended error
	if err := b.begin(t.Context(), func(ctx context.Context, _ *pgx.Conn) error { <-ctx.Done(); ended = ctx.Err(); return nil }); err != nil {
		t.Fatal(err)
	}
	b.close()
	if ended == nil {
		t.Error("the build ended before what was under way")
	}
}

// A connection that cannot be made is an error of the first job.
func TestABuildWithoutItsSecondConnection(t *testing.T) {
	t.Parallel()
	b := newBackground(t.Context(), func(context.Context) (*pgx.Conn, error) { return nil, errJob })
	defer b.close()
	if err := b.begin(t.Context(), func(context.Context, *pgx.Conn) error { t.Error("a job ran without a connection"); return nil }); !errors.Is(err, errJob) {
		t.Errorf("without its connection a job answers %v", err)
	}
}

// Sources are looked up in tables that have their keys, or not at all.
func TestSourcesWaitForTheirKeys(t *testing.T) {
	t.Parallel()
	model := &projections.Model{Name: "person"}
	s := &builtSources{tables: []*hot.Table{{Layout: &hot.Layout{Model: model}}}, indexed: func(context.Context) error { return errJob }}
	defer s.close()
	if _, err := s.Load(t.Context(), model, []string{"p1"}); !errors.Is(err, errJob) {
		t.Errorf("without keys a look-up answers %v", err)
	}
}
