// Package demo shows the whole idea at work in one process: five services take
// commands over HTTP and publish events, projectors fold them into views and facts, one
// query answers a screen that needs data of four services, and a check proves that
// every view is the fold of the log.
//
//	stores ─▶ services ─▶ load over HTTP, watched ─▶ shop stops ─▶ all caught up ─▶
//	a screen, a report, the proof, the summary
package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/shopload"
	"github.com/readside/readside/internal/stack"
	"github.com/readside/readside/projections"
)

// Run runs the demo until cfg.For is over or ctx ends, and then proves and sums up what
// has happened; the end of ctx is a normal end. Before the load has begun it is the end
// of everything. Nothing is left behind: no process, no folder, no goroutine.
func Run(ctx context.Context, cfg Config) (summary Summary, err error) {
	d := &demo{cfg: cfg, set: cfg.Stack.Set, display: display{out: cfg.Out, terminal: cfg.Terminal}}
	if err := d.open(ctx); err != nil {
		return summary, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.load(ctx); err != nil {
		return summary, err
	}
	// What has begun is brought to its end, whatever ended the load.
	finishing, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWait)
	defer cancel()
	return d.finish(finishing)
}

// demo is a running demo.
type demo struct {
	cfg      Config
	set      *projections.Set
	display  display
	stack    *stack.Stack
	log      *service.OpenLog
	watching *watcher
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.cfg.Out, format+"\n", args...) }

// open starts everything and waits until commands are taken.
func (d *demo) open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	if starting := d.cfg.Stack.Starting(); starting != "" {
		d.say("Starting %s …", starting)
	}
	d.cfg.Stack.Say = func(message string) { d.say("%s", message) }
	if d.stack, err = stack.Start(ctx, d.cfg.Stack); err != nil {
		return err
	}
	stores := d.stack.Stores()
	url, err := stores.Projector()
	if err != nil {
		return err
	}
	if d.log, err = service.Open(ctx, stores.Application, url, "readside-demo", d.cfg.Stack.Logger); err != nil {
		return err
	}
	for _, a := range d.stack.Addresses() {
		d.say("%-12s%s", a[0], a[1])
	}
	return nil
}

// close ends what runs, the stores last.
func (d *demo) close() error {
	var errs []error
	if d.log != nil {
		d.log.Close()
	}
	if d.stack != nil {
		errs = append(errs, d.stack.Stop())
	}
	return errors.Join(errs...)
}

// load sends commands and shows what they do, until the time is up, ctx ends or a
// service fails.
func (d *demo) load(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.watching = &watcher{
		log: d.log, accepted: d.cfg.Accepted, began: time.Now(), of: d.cfg.For, addresses: d.stack.Addresses(), notes: d.cfg.Notes,
	}
	ended := make(chan error, 1)
	go func() {
		_, err := shopload.Run(ctx, d.loadConfig(), shopload.Observer{})
		ended <- err
	}()
	tick := time.NewTicker(d.display.every())
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if ctx.Err() != nil { // it was told to end
				err = nil
			}
			return errors.Join(err, d.stack.Err())
		case <-d.stack.Ended():
			cancel()
		case <-tick.C:
			if err := d.draw(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// endless is the time of a load that only ctx ends.
const endless = 10 * 365 * 24 * time.Hour

// shortly is a demo that has no time for many customers.
const shortly = 10 * time.Second

func (d *demo) loadConfig() shopload.Config {
	c := shopload.Config{BaseURL: "http://" + d.stack.CommandsAddress(), Seed: d.cfg.Seed, Duration: d.cfg.For}
	switch {
	case c.Duration == 0:
		c.Duration = endless
	case c.Duration < shortly: // a small shop, or opening it would take all the time
		c.Customers, c.Products = 100, 200
	}
	return c
}

func (d *demo) draw(ctx context.Context) error {
	f, err := d.watching.frame(ctx)
	if err == nil {
		d.display.show(f)
	}
	return err
}
