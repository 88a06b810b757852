package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/shopload"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/shop"
)

// Run runs the demo until cfg.For is over or ctx ends, and then proves and sums up what
// has happened; the end of ctx is a normal end. Before the load has begun it is the end
// of everything. Nothing is left behind: no process, no folder, no goroutine.
func Run(ctx context.Context, cfg Config) (summary Summary, err error) {
	set, err := shop.Set()
	if err != nil {
		return summary, err
	}
	d := &demo{cfg: cfg, set: set, display: display{out: cfg.Out, terminal: cfg.Terminal}}
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
	stores   *stores
	running  *running
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
	if starting := d.starting(); starting != "" {
		d.say("Starting %s …", starting)
	}
	if d.stores, err = openStores(ctx, d.cfg.Stores, d.cfg.PostgresVersion, d.set); err != nil {
		return err
	}
	if d.running, err = d.start(ctx); err != nil {
		return err
	}
	url, err := d.stores.Projector()
	if err != nil {
		return err
	}
	if d.log, err = service.Open(ctx, d.stores.Application, url, "readside-demo", d.cfg.Logger); err != nil {
		return err
	}
	for _, a := range d.addresses() {
		d.say("%-12s%s", a[0], a[1])
	}
	return nil
}

// starting names the stores that are the demo's own.
func (d *demo) starting() string {
	var own []string
	if d.cfg.Stores.PostgresURL == "" {
		own = append(own, "Postgres")
	}
	if d.cfg.Stores.ClickHouseURL == "" {
		own = append(own, "ClickHouse")
	}
	return strings.Join(own, " and ")
}

// close ends what runs, the stores last.
func (d *demo) close() error {
	var errs []error
	if d.log != nil {
		d.log.Close()
	}
	if d.running != nil {
		errs = append(errs, d.running.stop())
	}
	if d.stores != nil {
		errs = append(errs, d.stores.stop())
	}
	return errors.Join(errs...)
}

func (d *demo) addresses() [][2]string {
	a := [][2]string{
		{"GraphQL", d.running.query.URL() + "  (GraphiQL in a browser)"},
		{"Commands", "http://" + d.running.shopAddress + "/v1/"},
		{"Health", d.running.projectHealth + " (projectors)  " + d.running.shopHealth + " (shop)"},
	}
	if d.cfg.Stores.PostgresURL == "" { // another may carry a password
		a = append(a, [2]string{"Postgres", d.stores.PostgresURL})
	}
	if d.cfg.Stores.ClickHouseURL == "" { // this too
		a = append(a, [2]string{"ClickHouse", d.stores.readers + "  (read-only)"})
	}
	return a
}

// load sends commands and shows what they do, until the time is up, ctx ends or a
// service fails.
func (d *demo) load(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.watching = &watcher{
		log: d.log, accepted: d.running.shop.Accepted, began: time.Now(), of: d.cfg.For, addresses: d.addresses(), notes: d.cfg.Notes,
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
			return errors.Join(err, d.running.failed())
		case <-d.running.ended:
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
	c := shopload.Config{BaseURL: "http://" + d.running.shopAddress, Seed: d.cfg.Seed, Duration: d.cfg.For}
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
