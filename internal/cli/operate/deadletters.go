package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/table"
)

// DeadLetters is the command of that name.
func DeadLetters(p *cli.Program) *cobra.Command {
	c := cli.Group("deadletters", "Events that a service's reaction could not handle",
		deadListCommand(p), deadShowCommand(p),
		deadMendCommand(p, "retry SERVICE [EVENT]", "Handle dead letters again, with the handlers of this program", "handled",
			"Handles a dead letter again, or all of a service, in the order of the log; each has its\neffect once. What fails again stays, with the new reason.", cobra.RangeArgs(1, 2), (*reaction.Desk).Retry),
		deadMendCommand(p, "discard SERVICE EVENT", "Give a dead letter up for good", "discarded",
			"Gives a dead letter up. It stays in the list and is never handled.", cobra.ExactArgs(2), (*reaction.Desk).Discard))
	c.Long = "An event that a service's reaction could not handle, also when it was tried again, is a dead\n" +
		"letter: it waits for an operator, and the reaction goes on with the events behind it."
	return c
}

// withDesk gives the desk of all services' reactions to work; none of them is run.
func withDesk(p *cli.Program, ctx context.Context, work func(*reaction.Desk) error) error {
	services, err := p.OpenServices(ctx, p.CommandLog())
	if err != nil {
		return err
	}
	defer services.Close()
	return work(service.Desk(services))
}

func deadListCommand(p *cli.Program) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list [SERVICE]",
		Short: "List the dead letters of a service, or of all, those that were discarded too",
		Args:  cli.Usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return withDesk(p, c.Context(), func(desk *reaction.Desk) error {
				letters, err := desk.List(c.Context(), first(args))
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(p.Out).Encode(letters)
				}
				return printDead(p, letters)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return c
}

func printDead(p *cli.Program, letters []reaction.DeadLetter) error {
	if len(letters) == 0 {
		_, err := fmt.Fprintln(p.Out, "there are no dead letters")
		return err
	}
	rows := [][]string{{"SERVICE", "EVENT", "PLACE", "TYPE", "STATE", "ERROR"}}
	for _, d := range letters {
		rows = append(rows, []string{d.Reaction, d.EventID, strconv.FormatInt(d.Position.Place(), 10), d.Type, deadState(d), short(d.Error)})
	}
	return table.Print(p.Out, rows, "PLACE")
}

func deadState(d reaction.DeadLetter) string {
	if d.DiscardedAt != nil {
		return "discarded"
	}
	return "waits"
}

func deadShowCommand(p *cli.Program) *cobra.Command {
	return &cobra.Command{
		Use:   "show SERVICE EVENT",
		Short: "Show what is known of a dead letter",
		Args:  cli.Needs("SERVICE", "EVENT"),
		RunE: func(c *cobra.Command, args []string) error {
			return withDesk(p, c.Context(), func(desk *reaction.Desk) error {
				letters, err := chosenDead(p, c.Context(), desk, args, true)
				if err != nil {
					return err
				}
				for _, d := range letters {
					discarded := ""
					if d.DiscardedAt != nil {
						discarded = d.DiscardedAt.UTC().Format(cli.TimeFormat)
					}
					for _, line := range [][2]string{
						{"service", d.Reaction}, {"event", d.EventID}, {"source", d.Source}, {"type", d.Type}, {"stream", d.Stream},
						{"place", strconv.FormatInt(d.Position.Place(), 10)}, {"state", deadState(d)}, {"error", d.Error},
						{"since", d.DiedAt.UTC().Format(cli.TimeFormat)}, {"discarded", discarded},
					} {
						if line[1] != "" {
							fmt.Fprintf(p.Out, "%-9s %s\n", line[0], line[1])
						}
					}
				}
				return nil
			})
		},
	}
}

// chosenDead are the dead letters that a command line names: those of a service, or the
// one of an event. Those that were discarded are left out unless all are wanted.
func chosenDead(p *cli.Program, ctx context.Context, desk *reaction.Desk, args []string, all bool) (chosen []reaction.DeadLetter, err error) {
	letters, err := desk.List(ctx, args[0])
	if err != nil {
		return nil, err
	}
	for _, d := range letters {
		if (len(args) < 2 || d.EventID == args[1]) && (all || d.DiscardedAt == nil) {
			chosen = append(chosen, d)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no dead letter of service %s fits: `%s deadletters list` shows what waits", args[0], p.App.Name)
	}
	return chosen, nil
}

func deadMendCommand(p *cli.Program, use, short, done, long string, args cobra.PositionalArgs, do func(*reaction.Desk, context.Context, reaction.DeadLetter) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Args: cli.Usage(args),
		RunE: func(c *cobra.Command, args []string) error {
			return withDesk(p, c.Context(), func(desk *reaction.Desk) error {
				letters, err := chosenDead(p, c.Context(), desk, args, false)
				if err != nil {
					return err
				}
				var failed []error
				for _, d := range letters {
					if err := do(desk, c.Context(), d); err != nil {
						failed = append(failed, err)
					}
				}
				fmt.Fprintf(p.Out, "service %s: %s %s, %d failed\n", args[0], service.Count(len(letters)-len(failed), "dead letter"), done, len(failed))
				return errors.Join(failed...)
			})
		},
	}
}
