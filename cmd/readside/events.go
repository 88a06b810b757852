package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/service"
)

func (p *program) eventsCommand() *cobra.Command {
	return group("events", "Write the log out, read one in, or watch it",
		&cobra.Command{
			Use: "export [FILE]", Short: "Write every event as a line of CloudEvents JSON, to FILE or standard output",
			Args: usage(cobra.MaximumNArgs(1)),
			RunE: func(c *cobra.Command, args []string) error { return p.export(c.Context(), args) },
		},
		&cobra.Command{
			Use: "import [FILE]", Short: "Append the events of FILE or standard input; those that are there are passed over",
			Args: usage(cobra.MaximumNArgs(1)),
			RunE: func(c *cobra.Command, args []string) error { return p.importEvents(c.Context(), args) },
		},
		p.tailCommand(),
	)
}

func (p *program) export(ctx context.Context, args []string) (err error) {
	log, _, err := p.openLog(ctx, "readside-export")
	if err != nil {
		return err
	}
	defer log.Close()
	to := p.out
	if len(args) == 1 {
		file, err := os.Create(args[0])
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		to = file
	}
	n, err := eventlog.Export(ctx, log.Log, to, nil)
	if err == nil {
		fmt.Fprintf(p.err, "%d events exported\n", n)
	}
	return err
}

func (p *program) importEvents(ctx context.Context, args []string) error {
	stores, err := storeSettings()
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
	from := p.in
	if len(args) == 1 {
		file, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer file.Close()
		from = file
	}
	r, err := eventlog.Import(ctx, pool, from, eventlog.ImportOptions{})
	fmt.Fprintf(p.out, "%d events read, %d appended, %d were there already\n", r.Lines, r.Imported, r.Known)
	return err
}

func (p *program) tailCommand() *cobra.Command {
	var from string
	var untilHead bool
	c := &cobra.Command{
		Use:   "tail",
		Short: "Print events as they come, until Ctrl-C",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			log, _, err := p.openLog(c.Context(), "readside-tail")
			if err != nil {
				return err
			}
			defer log.Close()
			return p.tail(c.Context(), log, from, untilHead)
		},
	}
	c.Flags().StringVar(&from, "from", "", "begin after this position token, or at `start`; default: at the end")
	c.Flags().BoolVar(&untilHead, "until-head", false, "stop at the last event that is there now")
	return c
}

func (p *program) tail(ctx context.Context, log *service.OpenLog, from string, untilHead bool) error {
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
	err = log.Follow(ctx, at, query, func(_ context.Context, page eventlog.Page) error { return printEvents(p.out, page.Events) })
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
