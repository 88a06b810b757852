package operate

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
)

// verifyFlags are the flags of verify.
type verifyFlags struct {
	json, checksum bool
	sample         float64
	memoryMB       int64
}

// Verify is the command of that name.
func Verify(p *cli.Program) *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify [VIEW]",
		Short: "Compare views and facts with the fold of the log, row for row",
		Long: "Folds the log anew and compares every row of the views in Postgres and of the facts in\n" +
			"ClickHouse with it: of VIEW, or of all. It names the rows that differ and ends with exit\n" +
			"code 1 then. It is right while a projector runs. Its memory is bounded: what does not fit\n" +
			"goes to a file in the folder for temporary files (TMPDIR), readable by its owner only.",
		Args: cli.Usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, names []string) error { return verifyAll(p, c, names, f) },
	}
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	c.Flags().Float64Var(&f.sample, "sample", 0, "compare only this share of each view's keys, chosen by hash, as 0.01")
	c.Flags().BoolVar(&f.checksum, "checksum", false, "compare sums over all rows of a view: says whether, not where they differ")
	c.Flags().Int64Var(&f.memoryMB, "memory", 0, "`megabytes` for rows, more of them wait on disk; default: a quarter of GOMEMLIMIT, at most 1024")
	return c
}

func (f *verifyFlags) check() error {
	if f.sample < 0 || f.sample > 1 {
		return fmt.Errorf("%w--sample %g: a share is above 0 and at most 1", cli.ErrUsage, f.sample)
	}
	const memoryMBMax = 1 << 20
	if f.memoryMB < 0 || f.memoryMB > memoryMBMax {
		return fmt.Errorf("%w--memory %d: at least 1 megabyte, at most %d; 0 is the default", cli.ErrUsage, f.memoryMB, memoryMBMax)
	}
	return nil
}

func verifyAll(p *cli.Program, c *cobra.Command, names []string, f verifyFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	stores, err := p.Stores()
	if err != nil {
		return err
	}
	set, err := p.App.Set()
	if err != nil {
		return err
	}
	bar := cli.NewProgressBar(p.Err)
	found, err := service.Verify(c.Context(), stores, set, names, service.VerifyOptions{
		Sample: f.sample, Checksum: f.checksum, Budget: f.memoryMB << 20, Progress: bar.Replayed,
	}, p.CommandLog())
	bar.End()
	if errors.Is(err, service.ErrNoClickHouse) && len(names) == 0 {
		return fmt.Errorf("%w; `%s verify VIEW` compares one view and needs none", err, p.App.Name)
	}
	if err != nil {
		return err
	}
	if f.json {
		err = json.NewEncoder(p.Out).Encode(struct {
			Answer bool `json:"verified"`
			*service.Verified
		}{found.OK(), found})
	} else {
		found.Print(p.Out)
	}
	if err == nil && !found.OK() {
		return cli.ErrNo
	}
	return err
}
