package demo

import (
	"context"
	"fmt"
	"io"
	"strings"

	"errors"
	"time"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections"

	"github.com/readside/readside/internal/status"
)

// finish stops the shop, waits until everything has caught up, shows, proves and sums up.
// Where something lags behind for good there is a summary too, beside the error.
func (d *demo) finish(ctx context.Context) (Summary, error) {
	d.say("\nThe shop closes; waiting until views and facts have caught up …")
	if err := d.stack.StopServices(); err != nil {
		return Summary{}, err
	}
	late := d.catchUp(ctx)
	s, err := d.conclude(ctx)
	return s, errors.Join(late, err)
}

func (d *demo) conclude(ctx context.Context) (Summary, error) {
	if err := d.draw(ctx); err != nil {
		return Summary{}, err
	}
	if err := d.answer(ctx); err != nil {
		return Summary{}, err
	}
	verified, err := prove(ctx, d.cfg.Out, d.stack.Stores(), d.set, d.cfg)
	if err != nil {
		return Summary{}, err
	}
	s, err := summarize(ctx, d.log, d.cfg.Accepted())
	s.Verified, s.GraphQL = verified, d.stack.QueryURL()
	return s, err
}

// answer asks the query service for a composite screen and for reports.
func (d *demo) answer(ctx context.Context) error {
	url := d.stack.QueryURL()
	if err := showHome(ctx, d.cfg.Out, url); err != nil {
		return err
	}
	return showReports(ctx, d.cfg.Out, url, time.Now())
}

// lookAgain is how often the lag is looked at while it is waited for.
const lookAgain = 50 * time.Millisecond

// catchUp waits until nothing lags behind the log, or answers who does.
func (d *demo) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, caughtWait)
	defer cancel()
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		report, err := status.Read(ctx, d.log.Pool, d.log.Log)
		if err != nil {
			return err
		}
		if d.complete(report) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("views or facts did not catch up within %s: %s", caughtWait, laggards(report))
		case <-d.stack.Ended():
			return d.stack.Err()
		case <-tick.C:
		}
	}
}

// complete reports whether every view and every fact has its table and lags behind in nothing.
func (d *demo) complete(r *status.Report) bool {
	return len(r.Views) == len(d.set.Views()) && len(r.Cold) == len(d.set.Facts()) && r.CaughtUp()
}

func laggards(r *status.Report) (text string) {
	for _, p := range r.Projectors {
		text += fmt.Sprintf("projector %s is %s at place %d, %d events behind; ", p.Name, p.State, p.Position.Place(), p.LagEvents)
	}
	return text + fmt.Sprintf("%d views and %d facts have tables", len(r.Views), len(r.Cold))
}

// prove compares every view and every fact with the fold of the log, and tells.
func prove(ctx context.Context, out io.Writer, given service.Stores, set *projections.Set, cfg Config) (bool, error) {
	found, err := service.Verify(ctx, given, set, nil, service.VerifyOptions{}, cfg.Stack.Logger)
	if err != nil {
		return false, err
	}
	var parts []string
	for _, v := range found.Views {
		parts = append(parts, fmt.Sprintf("%s %s rows", v.View, thousands(int64(v.Rows))))
	}
	for _, t := range found.Cold.Tables {
		parts = append(parts, fmt.Sprintf("%s %s rows", t.Fact, thousands(int64(t.Rows))))
	}
	if found.OK() {
		fmt.Fprintf(out, "\nVerified against the log, row for row: %s.\n", strings.Join(parts, ", "))
		return true, nil
	}
	fmt.Fprintln(out, "\nNOT what the log says:")
	found.Print(out)
	return false, nil
}
