package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/status"
)

// rateOver is the time between the two looks that a rate is made of.
const rateOver = 500 * time.Millisecond

func (p *program) statusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Tell how far every view and every cold table has come, and what stands in the way",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			log, _, err := p.openLog(c.Context(), "readside-status")
			if err != nil {
				return err
			}
			defer log.Close()
			report, err := lookTwice(c.Context(), log)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(p.out).Encode(report)
			}
			return status.Print(p.out, report)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// lookTwice looks again where somebody is behind, since only then there is a rate.
func lookTwice(ctx context.Context, log *service.OpenLog) (*status.Report, error) {
	first, err := status.Read(ctx, log.Pool, log.Log)
	if err != nil || !first.Behind() {
		return first, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(rateOver):
	}
	second, err := status.Read(ctx, log.Pool, log.Log)
	if err == nil {
		second.Since(first)
	}
	return second, err
}

// openLog opens the log as whoever folds, checks and looks; the URL is for those who
// need connections of their own.
func (p *program) openLog(ctx context.Context, name string) (log *service.OpenLog, url string, err error) {
	stores, err := storeSettings()
	if err != nil {
		return nil, "", err
	}
	if url, err = stores.Projector(); err != nil {
		return nil, "", err
	}
	log, err = service.Open(ctx, stores.Application, url, name, p.commandLog())
	return log, url, err
}
