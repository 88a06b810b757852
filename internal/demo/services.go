package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/readside/readside/internal/service"
	screens "github.com/readside/readside/queryapi/shop"
	"github.com/readside/readside/writemodels/shopapi"
)

// running are the demo's services in this process.
type running struct {
	shop        *shopapi.Shop
	shopAddress string
	query       *service.Query
	// projectHealth and shopHealth are where their /readyz is.
	projectHealth, shopHealth string
	// ended is closed when a service has ended, which none does by itself unless it failed.
	ended    chan struct{}
	stopShop func()
	shopDone chan struct{}
	stopAll  func()

	group   sync.WaitGroup
	mu      sync.Mutex
	errs    []error
	endOnce sync.Once
}

// start starts the services. They live until stop, whatever becomes of ctx.
func (d *demo) start(ctx context.Context) (*running, error) {
	listener, err := service.Listen(d.cfg.ShopAddress, func(m string) { d.say("%s", m) })
	if err != nil {
		return nil, err
	}
	watch := service.NewServicesWatch()
	var shop *shopapi.Shop
	_, err = watch.Open(ctx, func(ctx context.Context) (running service.Running, err error) {
		shop, err = d.cfg.Open(ctx, d.stores.login)
		return shop, err
	}, d.cfg.Logger)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	life, stopAll := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{shop: shop, shopAddress: listener.Addr().String(), ended: make(chan struct{}), shopDone: make(chan struct{}), stopAll: stopAll}
	r.serveShop(life, d, listener)
	r.shopHealth, err = r.serveHealth("the shop's health", d, d.cfg.ShopHealth, func(l net.Listener) error {
		return watch.Serve(life, l, d.cfg.Logger)
	})
	if err == nil {
		err = r.project(life, d)
	}
	if err == nil {
		err = r.serveQueries(life, d)
	}
	if err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

// serveShop runs the shop apart from the others, since it stops before them.
func (r *running) serveShop(life context.Context, d *demo, l net.Listener) {
	ctx, stop := context.WithCancel(life)
	r.stopShop = stop
	r.run("the shop", func() error {
		defer close(r.shopDone)
		defer r.shop.Close()
		return service.RunServices(ctx, l, r.shop, d.cfg.Logger)
	})
}

func (r *running) project(life context.Context, d *demo) error {
	postgres, err := d.stores.Projector()
	if err != nil {
		return err
	}
	clickHouse, err := d.stores.ClickHouse()
	if err != nil {
		return err
	}
	watch := service.NewWatch(d.set, d.stores.Stores)
	r.run("the hot projector", func() error {
		return service.Hot(life, d.stores.Application, postgres, d.set, service.Folding{}, d.cfg.Logger, watch)
	})
	r.run("the cold projector", func() error {
		return service.Cold(life, d.stores.Application, postgres, clickHouse, d.set, service.Folding{}, d.cfg.Logger, watch)
	})
	r.projectHealth, err = r.serveHealth("the projectors' health", d, d.cfg.ProjectHealth, func(l net.Listener) error {
		return watch.Serve(life, l, d.stores.Application, postgres, d.cfg.Logger)
	})
	return err
}

// serveHealth takes an address, and returns where the /readyz is that is served there.
func (r *running) serveHealth(name string, d *demo, at service.Address, serve func(net.Listener) error) (ready string, err error) {
	listener, err := service.Listen(at, func(m string) { d.say("%s", m) })
	if err != nil {
		return "", err
	}
	r.run(name, func() error { return serve(listener) })
	return "http://" + listener.Addr().String() + "/readyz", nil
}

func (r *running) serveQueries(life context.Context, d *demo) (err error) {
	r.query, err = service.OpenQuery(life, d.stores.Stores, screens.Definition(d.set), d.cfg.Query, d.cfg.QueryAddress, d.cfg.Logger,
		func(m string) { d.say("%s", m) })
	if err != nil {
		return err
	}
	r.run("the query service", func() error { return errors.Join(r.query.Run(life), r.query.Close()) })
	return nil
}

// run runs a service and notes how it ended.
func (r *running) run(name string, service func() error) {
	r.group.Go(func() {
		err := service()
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil {
			r.errs = append(r.errs, fmt.Errorf("%s: %w", name, err))
			r.endOnce.Do(func() { close(r.ended) })
		}
	})
}

// failed is why services ended, if any failed.
func (r *running) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.errs...)
}

// closeShop lets the shop finish what it has begun; from then on there are no new events.
func (r *running) closeShop() error {
	r.stopShop()
	select {
	case <-r.shopDone:
		return r.failed()
	case <-time.After(stopWait):
		return fmt.Errorf("the shop did not stop within %s", stopWait)
	}
}

// stop ends all services and waits for them.
func (r *running) stop() error {
	r.stopAll()
	done := make(chan struct{})
	go func() { defer close(done); r.group.Wait() }()
	select {
	case <-done:
		return nil // what failed was told already
	case <-time.After(stopWait):
		return fmt.Errorf("the services did not stop within %s", stopWait)
	}
}
