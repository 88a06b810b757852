package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
)

// Config says which row to explain.
type Config struct {
	Log *eventlog.Log
	// Postgres is where the views are, as the role readside_projector.
	Postgres *pgx.ConnConfig
	// Set are the definitions to fold with, and Projector the one that folds them.
	Set       *projections.Set
	Projector string
	View, Key string
	// Progress, unless nil, is called as the log is read; pass counts from 1.
	Progress func(pass int, at, until eventlog.Position)
}

// ErrUnknown is returned when there is no such view or row.
var ErrUnknown = errors.New("there is nothing to explain")

// The bounds of a story.
const (
	// rowsMax is how many rows of other views a row may depend on.
	rowsMax = 10_000
	// stepsMax is how many steps are told: the last ones.
	stepsMax = 10_000
	// pageEvents is how many events are read at a time.
	pageEvents = 2_000
)

// Row tells the story of one row, up to the projector's checkpoint.
func Row(ctx context.Context, cfg Config) (*Story, error) {
	m := cfg.Set.View(cfg.View)
	if m == nil {
		return nil, fmt.Errorf("%w: no view %q; there are %s", ErrUnknown, cfg.View, names(cfg.Set))
	}
	f, err := newFold(cfg.Set.With(m), m, cfg.Key)
	if err != nil {
		return nil, err
	}
	stored, err := readStored(ctx, cfg, f)
	if err != nil {
		return nil, err
	}
	f.held = stored.held
	if err := f.run(ctx, cfg, stored.at); err != nil {
		return nil, fmt.Errorf("explain view %s, key %q: %w", cfg.View, cfg.Key, err)
	}
	return f.story(cfg, stored)
}

func names(set *projections.Set) string {
	var out []string
	for _, m := range set.Views() {
		out = append(out, m.Name)
	}
	return strings.Join(out, ", ")
}

// run passes over the log until a pass follows every row that it names.
func (f *fold) run(ctx context.Context, cfg Config, until eventlog.Position) error {
	for n := 1; ; n++ {
		if n > len(f.set.Views())+1 {
			return fmt.Errorf("after %d passes over the log its joins still name new rows: their key functions do not always answer the same", n-1)
		}
		followed := len(f.via)
		f.begin()
		if err := f.pass(ctx, cfg, n, until); err != nil {
			return err
		}
		if len(f.via) == followed {
			return nil
		}
	}
}

func (f *fold) pass(ctx context.Context, cfg Config, n int, until eventlog.Position) error {
	if until.Place() == 0 {
		return nil
	}
	q := eventlog.Query{Types: f.types(), Limit: pageEvents, Until: until}
	return cfg.Log.Follow(ctx, cfg.Log.Start(), q, func(_ context.Context, page eventlog.Page) error {
		if err := f.page(page.Events); err != nil {
			return err
		}
		if cfg.Progress != nil {
			cfg.Progress(n, page.Next, until)
		}
		return nil
	})
}

// story ends the telling: with the row as it is at the end, beside the stored one.
func (f *fold) story(cfg Config, stored *stored) (*Story, error) {
	steps, omitted := f.told()
	if len(steps) == 0 && stored.image.IsZero() {
		return nil, fmt.Errorf("%w: view %s has no row with the key %q: no event up to place %d touches it",
			ErrUnknown, cfg.View, cfg.Key, stored.at.Place())
	}
	s := &Story{
		View: f.model.Name, Version: f.model.Version, Generation: stored.generation, Table: hot.Schema + "." + stored.table,
		Projector: cfg.Projector, Key: cfg.Key, Position: stored.at, Steps: steps, Omitted: omitted,
		State: f.last.row.State.String(), Row: Values{},
	}
	for i := range f.model.Columns {
		c := &f.model.Columns[i]
		s.Row[c.Name] = text(c.Value(f.model.Base(f.last.row.Value)))
	}
	var err error
	s.Differences, err = f.differences(stored)
	s.Equal = len(s.Differences) == 0
	return s, err
}
