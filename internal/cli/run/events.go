package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/cloudevents"
	"github.com/readside/readside/eventlog/ingest"
	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
)

// Events is the command of that name.
func Events(p *cli.Program) *cobra.Command {
	return cli.Group("events", "Write the log out, read one in, or watch it",
		&cobra.Command{
			Use: "export [FILE]", Short: "Write every event as a line of CloudEvents JSON, to FILE or standard output",
			Args: cli.Usage(cobra.MaximumNArgs(1)),
			RunE: func(c *cobra.Command, args []string) error { return export(p, c.Context(), args) },
		},
		importCommand(p),
		tailCommand(p),
	)
}

func export(p *cli.Program, ctx context.Context, args []string) (err error) {
	log, _, err := p.OpenLog(ctx, "readside-export")
	if err != nil {
		return err
	}
	defer log.Close()
	to := p.Out
	if len(args) == 1 {
		file, err := os.Create(args[0])
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		to = file
	}
	n, err := cloudevents.Export(ctx, log.Log, to, nil)
	if err == nil {
		fmt.Fprintf(p.Err, "%d events exported\n", n)
	}
	return err
}

func importCommand(p *cli.Program) *cobra.Command {
	var options cloudevents.ImportOptions
	var check bool
	c := &cobra.Command{
		Use: "import [FILE]", Short: "Append the events of FILE or standard input; those that are there are passed over",
		Long: "Append the events of FILE or standard input: CloudEvents 1.0 in JSON, one per line, or one list of them.\nThose that are there are passed over, so that an import can be repeated.",
		Args: cli.Usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return importEvents(p, c.Context(), args, func(ctx context.Context, pool *pgxpool.Pool, from io.Reader) error {
				if check {
					return checkImport(p, ctx, pool, from, options)
				}
				r, err := cloudevents.Import(ctx, pool, from, options)
				fmt.Fprintf(p.Out, "%d events read, %d appended, %d were there already\n", r.Read, r.Imported, r.Known)
				return err
			})
		},
	}
	c.Flags().BoolVar(&check, "check", false, "append nothing, and list all that is wrong, with line numbers")
	c.Flags().BoolVar(&options.AssignVersions, "assign-versions", false, "give events without streamversion their stream's next version, in the order of the file")
	c.Flags().BoolVar(&options.AssignTimes, "assign-times", false, "give events without a time that of the import")
	return c
}

// faultsShown bounds how many faults a check prints.
const faultsShown = 1000

// checkImport lists what an import would refuse.
func checkImport(p *cli.Program, ctx context.Context, pool *pgxpool.Pool, from io.Reader, options cloudevents.ImportOptions) error {
	faulty := 0
	r, err := cloudevents.Check(ctx, pool, from, options, func(fault *ingest.Error) {
		if faulty++; faulty <= faultsShown {
			fmt.Fprintln(p.Out, strings.ReplaceAll(fault.Error(), "\n", "\n  "))
		}
	})
	if faulty > faultsShown {
		fmt.Fprintf(p.Out, "and %d more\n", faulty-faultsShown)
	}
	fmt.Fprintf(p.Out, "%d events would be appended, %d are there already, %d are faulty\n", r.Imported, r.Known, faulty)
	if err == nil && faulty > 0 {
		err = fmt.Errorf("an import would refuse the file: %d of its events are faulty", faulty)
	}
	return err
}

// importEvents opens the file, and connects as the role that imports.
func importEvents(p *cli.Program, ctx context.Context, args []string, do func(context.Context, *pgxpool.Pool, io.Reader) error) error {
	stores, err := p.Stores()
	if err != nil {
		return err
	}
	url, err := stores.Importer()
	if err != nil {
		return err
	}
	pool, err := service.Pool(ctx, stores.Application, url, "readside-import")
	if err != nil {
		return err
	}
	defer pool.Close()
	from := p.In
	if len(args) == 1 {
		file, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer file.Close()
		from = file
	}
	return do(ctx, pool, from)
}

func tailCommand(p *cli.Program) *cobra.Command {
	var from string
	var untilHead bool
	c := &cobra.Command{
		Use:   "tail",
		Short: "Print events as they come, until Ctrl-C",
		Args:  cli.Usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			log, _, err := p.OpenLog(c.Context(), "readside-tail")
			if err != nil {
				return err
			}
			defer log.Close()
			return tail(p, c.Context(), log, from, untilHead)
		},
	}
	c.Flags().StringVar(&from, "from", "", "begin after this position token, or at `start`; default: at the end")
	c.Flags().BoolVar(&untilHead, "until-head", false, "stop at the last event that is there now")
	return c
}

func tail(p *cli.Program, ctx context.Context, log *service.OpenLog, from string, untilHead bool) error {
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	at := head
	switch from {
	case "":
	case "start":
		at, err = log.Kept(ctx)
	default:
		at, err = eventlog.ParsePosition(from)
	}
	if err != nil {
		return err
	}
	query := eventlog.Query{}
	if untilHead {
		if at.Place() >= head.Place() {
			return nil
		}
		query.Until = head
	}
	listening, stop := context.WithCancel(ctx)
	listened := make(chan struct{})
	go func() { defer close(listened); _ = log.Listener.Run(listening) }()
	defer func() { stop(); <-listened }()
	err = log.Follow(ctx, at, query, func(_ context.Context, page eventlog.Page) error { return printEvents(p.Out, page.Events) })
	if ctx.Err() != nil {
		return nil // it was asked to end
	}
	return err
}

func printEvents(w io.Writer, events []eventlog.Event) error {
	for i := range events {
		e := &events[i]
		if _, err := fmt.Fprintf(w, "%d %s %s %s@%d %s\n", e.Position.Place(), e.Time.UTC().Format(time.RFC3339Nano),
			e.Type, e.Stream, e.StreamVersion, e.Data); err != nil {
			return err
		}
	}
	return nil
}
