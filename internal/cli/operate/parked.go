package operate

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/table"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
)

// Parked is the command of that name.
func Parked(p *cli.Program) *cobra.Command {
	c := cli.Group("parked", "Events that could not be folded, and those that wait behind them",
		parkedListCommand(p), parkedShowCommand(p),
		parkedMendCommand(p, "retry VIEW [KEY]", "Fold what waits, in order, with the handlers of this program",
			"Folds what waits of a row, of a stream, or of the whole view, in the order of the log.\nWhat fails again waits on. For a fact, KEY is the event's place, and the projector that runs\ntries again, with its handlers.", parked.Retry, retryFacts),
		parkedMendCommand(p, "discard VIEW KEY", "Give up the first parked event of a row or stream, and fold what waited behind it",
			"Gives up the first parked event of a row (or, with --stream, of a stream) for ever: no\nrebuild folds it into this view again. What waited behind it is folded. For a fact, KEY is\nthe event's place.", parked.Discard, discardFact))
	c.Long = "An event that cannot be folded into a row is parked, and later events of the same row queue\n" +
		"behind it, in order; all others flow. Readers are told that the row is degraded. An event that\n" +
		"a fact cannot write is parked for that fact; nothing waits behind it."
	return c
}

func parkedListCommand(p *cli.Program) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list [VIEW]",
		Short: "List what is parked, in every projector of the application",
		Args:  cli.Usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return withParkedDesk(p, c.Context(), func(d *desk) error {
				entries, err := d.parked(c.Context(), first(args))
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(p.Out).Encode(placed(entries))
				}
				return printParked(p, entries)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return c
}

// placedParked is a parked event with its place, which `parked show` takes.
type placedParked struct {
	control.ParkedEvent
	Place int64 `json:"place"`
	// Of is "view" or "fact".
	Of string `json:"of"`
}

func placed(entries []parkedEvent) []placedParked {
	out := make([]placedParked, 0, len(entries))
	for _, e := range entries {
		of := "view"
		if e.fact {
			of = "fact"
		}
		out = append(out, placedParked{e.ParkedEvent, e.Position.Place(), of})
	}
	return out
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func printParked(p *cli.Program, entries []parkedEvent) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintln(p.Out, "nothing is parked")
		return err
	}
	rows := [][]string{{"PROJECTOR", "VIEW", "KEY", "PLACE", "TYPE", "STATE", "REASON", "TRIES", "ERROR"}}
	for _, e := range entries {
		key := e.Key
		if key == "" && e.fact {
			key = unknownKey
		} else if key == "" {
			key = "stream " + e.Stream
		}
		rows = append(rows, []string{e.Projector, e.View, key, strconv.FormatInt(e.Position.Place(), 10), e.Type, e.State, e.Reason, strconv.Itoa(e.Attempts), short(e.Error)})
	}
	return table.Print(p.Out, rows, "PLACE", "TRIES")
}

// short is an error that fits into a table.
func short(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

func parkedShowCommand(p *cli.Program) *cobra.Command {
	return &cobra.Command{
		Use:   "show VIEW PLACE",
		Short: "Show what is known of a parked event, and what to do",
		Args:  cli.Needs("VIEW", "PLACE"),
		RunE: func(c *cobra.Command, args []string) error {
			place, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return fmt.Errorf("%w%q is no place: `%s parked list` shows them", cli.ErrUsage, args[1], p.App.Name)
			}
			return withParkedDesk(p, c.Context(), func(d *desk) error {
				entries, err := d.parked(c.Context(), args[0])
				if err != nil {
					return err
				}
				found := false
				for _, e := range entries {
					if e.Position.Place() == place {
						found = true
						printOneParked(p, e)
					}
				}
				if !found {
					return fmt.Errorf("nothing is parked at place %d of view %s: `%s parked list` shows what is", place, args[0], p.App.Name)
				}
				return nil
			})
		},
	}
}

func printOneParked(p *cli.Program, e parkedEvent) {
	for _, line := range [][2]string{
		{"projector", e.Projector}, {"view", e.View}, {"key", e.Key}, {"place", strconv.FormatInt(e.Position.Place(), 10)}, {"stream", e.Stream}, {"type", e.Type},
		{"state", e.State}, {"reason", e.Reason}, {"error", e.Error}, {"hint", e.Hint},
		{"tries", strconv.Itoa(e.Attempts)}, {"since", e.ParkedAt.UTC().Format("2006-01-02 15:04:05 MST")},
	} {
		if line[1] != "" {
			fmt.Fprintf(p.Out, "%-9s %s\n", line[0], line[1])
		}
	}
}

// mending is Retry or Discard.
type mending func(context.Context, engine.Config, parked.Waiting) (parked.Retried, error)

func parkedMendCommand(p *cli.Program, use, short, long string, do mending, facts mendingFacts) *cobra.Command {
	var stream string
	c := &cobra.Command{
		Use: use, Short: short, Long: long,
		Args: cli.Usage(cobra.RangeArgs(1, 2)),
		RunE: func(c *cobra.Command, args []string) error {
			return withParkedDesk(p, c.Context(), func(d *desk) error {
				if d.isFact(args[0]) {
					return facts(p, c.Context(), d, args[0], first(args[1:]), stream)
				}
				r, err := do(c.Context(), d.views, parked.Waiting{View: args[0], Key: first(args[1:]), Stream: stream})
				if err != nil {
					return err
				}
				fmt.Fprintf(p.Out, "view %s: %s folded, %d discarded, %d wait on\n", args[0], service.Count(r.Folded, "event"), r.Discarded, r.Waiting)
				if r.Waiting > 0 {
					fmt.Fprintf(p.Out, "`%s parked list` shows why\n", p.App.Name)
					return cli.ErrNo
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&stream, "stream", "", "what waits of a stream, where the row could not be read")
	return c
}

// withProjector calls work with the configuration of the application's projector.
func withProjector(p *cli.Program, ctx context.Context, work func(engine.Config) error) error {
	return withParkedDesk(p, ctx, func(d *desk) error { return work(d.views) })
}
