package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/status"
)

// A rate is counted from one move of a checkpoint to another. It is looked for at least
// for rateOver, so that what comes in meanwhile says something too, and at most for
// rateWait: a batch may take longer, and then there is no rate.
const (
	rateOver  = time.Second
	rateWait  = 6 * time.Second
	rateEvery = 250 * time.Millisecond
)

// statusWait bounds one look at the status: a server that cannot be reached never answers.
const statusWait = 5 * time.Second

// storeError says in one word, too, what is wrong with Postgres.
func storeError(err error) error {
	if errors.Is(err, service.ErrNoPostgres) {
		return err
	}
	return fmt.Errorf("%s: %w", status.Postgres(err).Cause, err)
}

// Status is the command of that name.
func Status(p *cli.Program) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Tell how far every view and every cold table has come, and what stands in the way",
		Args:  cli.Usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			opening, cancel := context.WithTimeout(c.Context(), statusWait)
			defer cancel()
			log, _, err := p.OpenLog(opening, "readside-status")
			if err != nil {
				return storeError(err)
			}
			defer log.Close()
			stores, err := p.Stores()
			if err != nil {
				return err
			}
			asked := service.StatusProbes(stores)
			report, err := lookTwice(c.Context(), func(ctx context.Context) (*status.Report, error) {
				ctx, cancel := context.WithTimeout(ctx, statusWait)
				defer cancel()
				return status.Read(ctx, log.Pool, log.Log, asked...)
			})
			if err != nil {
				return storeError(err)
			}
			if asJSON {
				return json.NewEncoder(p.Out).Encode(report)
			}
			return status.Print(p.Out, p.App.Name, report)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// lookTwice looks again where somebody is behind, since only then there is a rate.
func lookTwice(ctx context.Context, look func(context.Context) (*status.Report, error)) (*status.Report, error) {
	first, err := look(ctx)
	if err != nil || !first.Behind() {
		return first, err
	}
	tick := time.NewTicker(rateEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		again, err := look(ctx)
		if err != nil {
			return nil, err
		}
		again.Since(first)
		if took := again.At.Sub(first.At); took >= rateWait || took >= rateOver && again.RatesKnown() {
			return again, nil
		}
	}
}
