package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/shop"
)

func (p *program) rebuildCommand() *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use:   "rebuild VIEW",
		Short: "Fold a view anew from the log, beside the live one, and switch to it",
		Long: "Folds a view anew from the log into a new generation beside the live one, catches up,\n" +
			"checks it, and switches in one transaction. Readers see the old rows or the new ones.\n" +
			"With --dry-run it only tells in which rows the new generation would differ.",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if dryRun {
				return p.rebuildDry(c, args[0])
			}
			return p.rebuild(c, args[0])
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "fold and compare, change nothing")
	return c
}

func (p *program) rebuild(c *cobra.Command, view string) error {
	log, url, err := p.openLog(c.Context(), "readside-rebuild")
	if err != nil {
		return err
	}
	defer log.Close()
	set, err := shop.Set()
	if err != nil {
		return err
	}
	projector, err := service.Projector(log, url, set, service.Folding{}, p.commandLog(), engine.Observer{})
	if err != nil {
		return err
	}
	r, err := projector.Rebuild(c.Context(), view, engine.RebuildOptions{})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "view %s version %d: generation %d (%s) is live at place %d: %d rows in %s\n",
		r.View, r.Version, r.Generation, r.Table, r.Position.Place(), r.Rows, r.Took.Round(time.Millisecond))
	if r.Repaired.Count > 0 {
		fmt.Fprintf(p.out, "it mends %d rows of the generation before:\n", r.Repaired.Count)
		service.PrintDifferences(p.out, r.Repaired)
	}
	return nil
}

// rebuildDry folds and compares as verify does: a dry run's findings are no failure.
func (p *program) rebuildDry(c *cobra.Command, view string) error {
	stores, err := settings[service.Stores]()
	if err != nil {
		return err
	}
	set, err := shop.Set()
	if err != nil {
		return err
	}
	found, err := service.Verify(c.Context(), stores, set, []string{view}, p.commandLog())
	if err != nil {
		return err
	}
	if len(found.Views) == 0 {
		return fmt.Errorf("%q is a fact: only views are rebuilt by this command", view)
	}
	for _, v := range found.Views {
		fmt.Fprintf(p.out, "dry run: view %s version %d would get generation %d: %d rows of %d events, %d of them other than in generation %d; nothing was changed\n",
			v.View, v.Version, v.Generation+1, v.Rows, v.Events, v.Differences.Count, v.Generation)
		service.PrintDifferences(p.out, v.Differences)
	}
	return nil
}
