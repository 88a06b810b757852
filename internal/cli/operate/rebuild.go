package operate

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/table"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/rebuild"
	"github.com/readside/readside/projections/operate/verify"
)

// rebuildFlags are the flags of rebuild.
type rebuildFlags struct {
	dryRun, fullSpeed bool
	maxRate           int
	key               string
}

// Rebuild is the command of that name.
func Rebuild(p *cli.Program) *cobra.Command {
	var f rebuildFlags
	c := &cobra.Command{
		Use:   "rebuild VIEW",
		Short: "Fold a view, or the facts, anew from the log, beside the live ones, and switch",
		Long: "Folds a view anew from the log into a new generation beside the live one, catches up,\n" +
			"compares both at the same position, and switches in one transaction. Readers see the old\n" +
			"rows or the new ones. Interrupted, it goes on when it is ordered rebuild. It is throttled,\n" +
			"so that live traffic keeps its latency.\n" +
			"With --key it mends one row; with --dry-run it only tells what it would read, take and need.\n" +
			"`rebuild facts` orders new tables for all facts, which the running projector fills; it takes\n" +
			"no flags.",
		Args: cli.Needs("VIEW"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(p); err != nil {
				return err
			}
			if args[0] == allFacts {
				if err := noFlags(p, c); err != nil {
					return err
				}
				return rebuildFacts(p, c)
			}
			return withProjector(p, c.Context(), func(projector engine.Config) error {
				switch {
				case f.dryRun:
					return rebuildDry(p, c, projector, args[0], f)
				case f.key != "":
					return rebuildKey(p, c, projector, args[0], f.key)
				}
				return rebuildView(p, c, projector, args[0], f)
			})
		},
	}
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "tell what it would read, take and need, and change nothing")
	c.Flags().StringVar(&f.key, "key", "", "mend only the row of this `key`")
	c.Flags().IntVar(&f.maxRate, "max-rate", 20_000, "`events` read per second at most")
	c.Flags().BoolVar(&f.fullSpeed, "full-speed", false, "no bound on what is read per second")
	return c
}

func (f *rebuildFlags) check(p *cli.Program) error {
	switch {
	case f.maxRate < 1:
		return fmt.Errorf("%w--max-rate %d: at least 1 event per second, or --full-speed", cli.ErrUsage, f.maxRate)
	case f.key != "" && f.dryRun:
		return fmt.Errorf("%w--key and --dry-run do not go together: `%s explain` shows what a row would be", cli.ErrUsage, p.App.Name)
	}
	return nil
}

// noFlags refuses flags that ordering new facts would pass over: who asks what a rebuild
// would do must not get one.
func noFlags(p *cli.Program, c *cobra.Command) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		err = fmt.Errorf("%w--%s is for views: `%s rebuild facts` writes the order at once, and the running projector carries it out", cli.ErrUsage, f.Name, p.App.Name)
	})
	return err
}

func (f *rebuildFlags) options() rebuild.Options {
	if f.fullSpeed {
		return rebuild.Options{MaxRate: -1}
	}
	return rebuild.Options{MaxRate: f.maxRate}
}

func rebuildView(p *cli.Program, c *cobra.Command, projector engine.Config, view string, f rebuildFlags) error {
	options := f.options()
	bar := cli.NewProgressBar(p.Err)
	options.Progress = bar.Rebuilt
	r, err := rebuild.View(c.Context(), projector, view, options)
	bar.End()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "view %s version %d: generation %d (%s) is live at place %d: %s in %s\n",
		r.View, r.Version, r.Generation, r.Table, r.Position.Place(), service.Count(r.Rows, "row"), r.Took.Round(time.Millisecond))
	if r.Repaired.Count > 0 {
		fmt.Fprintf(p.Out, "it mends %s of the generation before:\n", service.Count(r.Repaired.Count, "row"))
		service.PrintDifferences(p.Out, r.Repaired)
	}
	return nil
}

func rebuildKey(p *cli.Program, c *cobra.Command, projector engine.Config, view, key string) error {
	r, err := rebuild.Row(c.Context(), projector, view, key)
	if err != nil {
		return err
	}
	if r.Unknown {
		return fmt.Errorf("there is nothing to mend: view %s has no row with the key %q: no event up to place %d touches it", view, key, r.Position.Place())
	}
	if r.Repaired == nil {
		fmt.Fprintf(p.Out, "view %s, row %q: it is what the log says at place %d; nothing was changed\n", view, key, r.Position.Place())
		return nil
	}
	fmt.Fprintf(p.Out, "view %s, row %q: mended at place %d: %s\n", view, key, r.Position.Place(), repaired(r.Repaired))
	return nil
}

// repaired says what was wrong with a row that is mended now.
func repaired(d *verify.Difference) string {
	if d.Kind != "differs" {
		return "it was " + d.Kind
	}
	text := fmt.Sprintf("%s was %q and is %q", d.Columns[0], d.Stored, d.Folded)
	if more := len(d.Columns) - 1; more > 0 {
		text += ", and so for " + strings.Join(d.Columns[1:], ", ")
	}
	return text
}

// allFacts is what rebuild calls the facts, which share a checkpoint.
const allFacts = "facts"

func rebuildFacts(p *cli.Program, c *cobra.Command) error {
	return orderFacts(p, c, service.RebuildFacts, "new tables for all facts are ordered: the running projector fills them, and the mart shows the old ones until then; `"+p.App.Name+" status` tells how far they are")
}

func rebuildDry(p *cli.Program, c *cobra.Command, projector engine.Config, view string, f rebuildFlags) error {
	plan, err := rebuild.Plan(c.Context(), projector, view, f.options())
	if err != nil {
		return err
	}
	rows := [][]string{{"EVENT TYPE", "EVENTS"}}
	for _, t := range plan.Types {
		rows = append(rows, []string{t.Type, strconv.FormatInt(t.Events, 10)})
	}
	rows = append(rows, []string{"all", strconv.FormatInt(plan.Events, 10)})
	if err := table.Print(p.Out, rows, "EVENTS"); err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "\na rebuild of view %s version %d would take about %s, %.1f MB until the switch, and %d connections to Postgres; nothing was changed\n",
		plan.View, plan.Version, plan.Estimated.Round(100*time.Millisecond), float64(plan.Bytes)/1e6, plan.Connections)
	return nil
}
