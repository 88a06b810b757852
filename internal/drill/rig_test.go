package drill_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/shopload"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections"
	reference "github.com/readside/readside/projections/shop"
	"github.com/readside/readside/queryapi"
	screens "github.com/readside/readside/queryapi/shop"
	"github.com/readside/readside/writemodels/shopapi"
)

const drillDatabase = "drill"

// failover is all programs of the shop at the address of two clusters, of which one is
// alive.
type failover struct {
	t       *testing.T
	primary *cluster
	admin   *pgxpool.Pool // of the primary
	log     uuid.UUID
	set     *projections.Set
	stores  service.Stores
	logger  *slog.Logger

	shopURL, queryURL, replica string
}

func newFailover(t *testing.T) *failover {
	t.Helper()
	d := &failover{t: t, primary: newCluster(t, drillDir(t), "primary"), logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
	d.primary.configure("archive_mode = on") // without a command nothing is archived
	d.primary.start()
	execute(t, d.poolAt(d.primary, "postgres"), `create database `+drillDatabase)
	d.admin = d.primary.pool()
	var err error
	if d.set, err = reference.Set(); err != nil {
		t.Fatal(err)
	}
	if err := service.Migrate(t.Context(), d.primary.url(drillDatabase), service.Claiming(dbtest.Application, d.set, false), migrations.Engine, migrations.Shop); err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(t.Context(), d.admin)
	if err != nil {
		t.Fatal(err)
	}
	d.log, _, _ = log.Start().Parts()
	return d
}

func (d *failover) poolAt(c *cluster, database string) *pgxpool.Pool {
	d.t.Helper()
	pool, err := pgxpool.New(d.t.Context(), c.url(database))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(pool.Close)
	return pool
}

func (d *failover) incarnation(pool *pgxpool.Pool) int32 {
	d.t.Helper()
	return int32(number(d.t, pool, `select incarnation from eventlog.log`))
}

// services starts the programs, once, at the address of both clusters.
func (d *failover) services(copied *cluster) {
	t := d.t
	t.Helper()
	ch := dbtest.ClickHouse(t)
	d.stores = service.Stores{Application: dbtest.Application, PostgresURL: address(drillDatabase, d.primary, copied), ClickHouseURL: ch.URL}
	t.Cleanup(func() { _ = ch.Conn.Exec(context.Background(), "DROP DATABASE IF EXISTS "+ch.Database+"_mart") })
	projector, err := d.stores.Projector()
	if err != nil {
		t.Fatal(err)
	}
	folding := service.Folding{LeaseTTL: 2 * time.Second}
	d.run1("the hot projector", func(ctx context.Context) error {
		return service.Hot(ctx, dbtest.Application, projector, d.set, folding, d.logger, nil)
	})
	d.run1("the cold projector", func(ctx context.Context) error {
		return service.Cold(ctx, dbtest.Application, projector, ch.URL, d.set, folding, d.logger, nil)
	})
	d.sell()
	d.queryURL = d.serve(d.stores.PostgresURL)
}

// run1 runs a program until the test ends; that it ends before is a failure.
func (d *failover) run1(what string, program func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := program(ctx); ctx.Err() == nil || err != nil && !errors.Is(err, context.Canceled) {
			d.t.Errorf("%s ended: %v", what, err)
		}
	}()
	d.t.Cleanup(func() { cancel(); <-done })
}

// sell starts the shop's services.
func (d *failover) sell() {
	t := d.t
	t.Helper()
	config, err := shopapi.Config{Grace: 100 * time.Millisecond, CardLimit: 500_000, KeyAge: time.Hour, ConnsMax: 8}.
		LoggedIn(t.Context(), service.Logins(d.stores.Application, d.stores.Acting))
	if err != nil {
		t.Fatal(err)
	}
	shop, err := shopapi.New(t.Context(), config, d.logger)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.shopURL = "http://" + l.Addr().String()
	t.Cleanup(func() { shop.Close() })
	d.run1("the shop", func(ctx context.Context) error { return service.RunServices(ctx, l, shop, d.logger) })
}

// serve starts a query service at an address and returns its own.
func (d *failover) serve(postgres string) string {
	t := d.t
	t.Helper()
	stores := d.stores
	stores.PostgresURL = postgres
	config := queryapi.Config{HTTPAddr: "127.0.0.1:0", RequestTimeout: 5 * time.Second, InFlightMax: 32, ReportTZ: "UTC", DrainTimeout: 2 * time.Second}
	q, err := service.OpenQuery(t.Context(), stores, screens.Definition(d.set), config, service.Address{HostPort: "127.0.0.1:0", Explicit: true}, d.logger, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	d.run1("the query service", func(ctx context.Context) error { return errors.Join(q.Run(ctx), q.Close()) })
	return q.URL()
}

func (d *failover) query(token eventlog.Position) *reply { return ask(d.t, d.queryURL, token) }

// open lets the public in, which buys until the returned function is called. Commands that
// fail while no server answers are the public's to try again.
func (d *failover) open() (closed func()) {
	config := shopload.Config{BaseURL: d.shopURL, Seed: *drillSeed, Duration: time.Hour, Workers: 4, Customers: 40, Products: 80, CommandsPerSecond: 60}
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := shopload.Run(ctx, config, shopload.Observer{}); ctx.Err() == nil {
			d.t.Errorf("the public went: %v", err)
		}
	}()
	closed = sync.OnceFunc(func() { cancel(); <-done })
	d.t.Cleanup(closed)
	return closed
}

// shopping waits until the shop has published so many events more.
func (d *failover) shopping(pool *pgxpool.Pool) {
	d.t.Helper()
	var from int64
	until(d.t, "the shop publishes", func(context.Context) bool {
		n := number(d.t, pool, `select count(*) from eventlog.events`)
		if from == 0 {
			from = n + 1
		}
		return n+1 >= from+*drillLoad
	})
}

// generations are the tables of views and facts, each with when it was made.
func (d *failover) generations(pool *pgxpool.Pool) string {
	d.t.Helper()
	var all []string
	err := pool.QueryRow(d.t.Context(), `select array(select concat_ws(' ', projector, table_name, state, created_at) from readside.views
 union all select concat_ws(' ', 'facts of generation', generation, shown_generation) from readside.cold_checkpoint order by 1)`).Scan(&all)
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// settled waits until views and facts have all that the log has.
func (d *failover) settled(pool *pgxpool.Pool) {
	d.t.Helper()
	until(d.t, "views and facts have folded the log", func(context.Context) bool {
		return number(d.t, pool, `select least((select min(place) from readside.projectors), (select min(place) from readside.cold_checkpoint))`) >= place(d.t, pool)
	})
}

// exact fails unless every view and fact is what the log says.
func (d *failover) exact() {
	d.t.Helper()
	found, err := service.Verify(d.t.Context(), d.stores, d.set, nil, service.VerifyOptions{}, d.logger)
	if err != nil {
		d.t.Fatal(err)
	}
	if !found.OK() {
		var text strings.Builder
		found.Print(&text)
		d.t.Errorf("not what the log says: %s", text.String())
	}
}

// takeFacts is the operator's word that the original is gone.
func (d *failover) takeFacts() {
	d.t.Helper()
	if err := service.TakeFacts(d.t.Context(), d.stores, d.set, d.logger); err != nil {
		d.t.Fatal(err)
	}
}
