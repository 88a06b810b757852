package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
	"github.com/readside/readside/projections/operate/rebuild"
	"github.com/readside/readside/projections/operate/verify"
)

// A program of another application, whose definitions are others too, neither makes nor
// drops anything: every way into the engine is refused.
func TestAnotherApplicationIsRefusedByTheEngine(t *testing.T) {
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 10, f.append(streamed{"p1", personRegistered{"p1", "Ada"}}))
	other := engine.Config{
		Application: "conference", Log: f.log, Postgres: f.config, Set: suffixed(t, "x"), RollbackWindow: engine.NoRollback, Logger: slog.New(slog.DiscardHandler),
	}
	p, err := newDesk(other)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, listed := p.Parked(t.Context(), "")
	_, retried := p.Retry(t.Context(), parked.Waiting{View: other.Set.Views()[0].Name})
	_, rebuilt := p.Rebuild(t.Context(), other.Set.Views()[0].Name, rebuild.Options{})
	_, planned := p.PlanRebuild(t.Context(), other.Set.Views()[0].Name, rebuild.Options{})
	_, mended := p.RebuildKey(t.Context(), other.Set.Views()[0].Name, "p1")
	_, verified := verify.Views(t.Context(), verify.Config{Application: "conference", Projector: "main", Log: f.log, Postgres: f.config, Set: set})
	for what, err := range map[string]error{
		"Run": p.Run(ctx), "Parked": listed, "Retry": retried, "Rebuild": rebuilt, "PlanRebuild": planned, "RebuildKey": mended, "Verify": verified,
	} {
		var refused *application.OtherError
		if !errors.As(err, &refused) || refused.Owner != dbtest.Application || refused.Asks != "conference" {
			t.Errorf("%s: %v", what, err)
		}
	}
	var projectors int
	if err := f.db.Pool.QueryRow(t.Context(), `select count(*) from readside.projectors`).Scan(&projectors); err != nil || projectors != 1 {
		t.Errorf("there are %d projectors, %v", projectors, err)
	}
	f.mustVerify(set)
	if _, err := newDesk(engine.Config{Log: f.log, Postgres: f.config, Set: set}); err == nil {
		t.Error("a projector without an application was made")
	}
}
