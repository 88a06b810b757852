package service

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/replay"
)

// VerifyOptions say how views are compared. Facts are compared by their partitions'
// sums, whatever they say.
type VerifyOptions struct {
	// Sample, if above 0, is the share of the keys to compare.
	Sample float64
	// Checksum compares sums instead of rows.
	Checksum bool
	// Budget is the memory for rows in bytes; 0 is the default.
	Budget int64
	// Progress, unless nil, is told how far the views are.
	Progress func(replay.Progress)
}

// VerifyWith is Verify with options.
func VerifyWith(ctx context.Context, stores Stores, set *projections.Set, names []string, o VerifyOptions, logger *slog.Logger) (*Verified, error) {
	url, err := stores.Projector()
	if err != nil {
		return nil, err
	}
	views, facts, err := split(set, names)
	if err != nil {
		return nil, err
	}
	log, err := Open(ctx, url, "readside-verify", logger)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	found := &Verified{}
	if len(views) > 0 {
		config, err := ConnConfig(url, "readside-verify")
		if err != nil {
			return nil, err
		}
		found.Views, err = engine.Verify(ctx, engine.VerifyConfig{
			Projector: HotName, Log: log.Log, Postgres: config, Set: set, Views: views,
			Sample: o.Sample, Checksum: o.Checksum, Budget: o.Budget, Progress: o.Progress,
		})
		if err != nil {
			return nil, err
		}
	}
	if facts {
		found.Cold, err = verifyFacts(ctx, log, stores, set, logger)
	}
	return found, err
}

// PrintCompared is Print for views that were compared by a sample or by sums.
func (v *Verified) PrintCompared(w io.Writer) {
	for _, view := range v.Views {
		how, answer := "", "equals the fold of"
		if view.Share > 0 {
			how = fmt.Sprintf(" of a share of %g of the keys", view.Share)
		}
		switch {
		case view.Checksum == nil && !view.OK():
			answer = fmt.Sprintf("DIFFERS in %d rows from the fold of", view.Differences.Count)
		case view.Checksum != nil && !view.OK():
			answer = fmt.Sprintf("DIFFERS by its checksum (%s) from the fold of", view.Checksum)
		case view.Checksum != nil:
			answer = "equals by its checksum the fold of"
		}
		fmt.Fprintf(w, "view %s version %d generation %d: %d rows%s, %s %d events up to place %d\n",
			view.View, view.Version, view.Generation, view.Rows, how, answer, view.Events, view.Position.Place())
		PrintDifferences(w, view.Differences)
	}
	if v.Cold != nil {
		printCold(w, v.Cold)
	}
}
