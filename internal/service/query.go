package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/internal/health"
	"github.com/readside/readside/queryapi"
)

// Query is the query service, listening. Run serves, Close disconnects.
type Query struct {
	server     *queryapi.Server
	pool       *pgxpool.Pool
	clickHouse driver.Conn
	cold       *queryapi.Cold
	reports    []queryapi.Report
	logger     *slog.Logger
}

// OpenQuery connects the query service and takes its address. What Postgres refuses for
// good is an error at once; a Postgres that is away is waited for by Run.
func OpenQuery(ctx context.Context, stores Stores, definition queryapi.Definition, config queryapi.Config, address Address, logger *slog.Logger, tell func(string)) (q *Query, err error) {
	q = &Query{logger: logger}
	defer func() {
		if err != nil {
			err = errors.Join(err, q.Close())
		}
	}()
	if err := q.connect(ctx, stores, definition, config); err != nil {
		return q, err
	}
	api, registry, err := q.api(definition, config, logger)
	if err != nil {
		return q, err
	}
	q.server, err = FreePort(address, tell, func(hostPort string) (*queryapi.Server, error) {
		config := config
		config.HTTPAddr = hostPort
		return queryapi.Listen(api, config, registry)
	})
	return q, err
}

func (q *Query) connect(ctx context.Context, stores Stores, definition queryapi.Definition, config queryapi.Config) error {
	url, err := stores.Query()
	if err != nil {
		return err
	}
	config.Application = stores.Application
	if q.pool, err = queryapi.OpenPool(ctx, url, config); err != nil {
		return err
	}
	if err := q.ask(ctx); err != nil && !isAway(err) {
		return err
	}
	if len(definition.Reports) == 0 {
		return nil // nothing asks ClickHouse
	}
	mart, err := stores.Mart()
	if err != nil {
		return err
	}
	q.clickHouse, err = ClickHouse(mart)
	return err
}

// askWait bounds one try to reach Postgres at the start: requests are answered meanwhile.
const askWait = 5 * time.Second

// ask asks Postgres whether it is there.
func (q *Query) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	return q.pool.Ping(ctx)
}

func (q *Query) api(definition queryapi.Definition, config queryapi.Config, logger *slog.Logger) (*queryapi.API, *prometheus.Registry, error) {
	schema, err := queryapi.NewSchema(definition)
	if err != nil {
		return nil, nil, err
	}
	var reports queryapi.ReportRunner
	if q.reports = definition.Reports; len(q.reports) > 0 {
		q.cold = queryapi.NewCold(q.clickHouse, queryapi.NewLedger(q.pool), config.ReportTZ)
		reports = q.cold
	}
	registry := health.NewRegistry()
	pools := health.NewPools()
	pools.Add("query", q.pool)
	registry.MustRegister(pools)
	metrics, err := queryapi.NewMetrics(registry)
	if err != nil {
		return nil, nil, err
	}
	api, err := queryapi.New(schema, queryapi.Options{
		Pool: q.pool, Logger: logger, Metrics: metrics,
		WaitingMax: max(1, config.InFlightMax/2), // the other half is for those who do not wait
		Reports:    reports,
	})
	return api, registry, err
}

// URL is the address of the GraphQL endpoint.
func (q *Query) URL() string { return q.server.URL() }

// Run serves until ctx ends, and then answers the requests under way. A Postgres that is
// away is waited for meanwhile; what it refuses for good when it comes ends the service.
func (q *Query) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	serving, stop := context.WithCancel(ctx)
	group.Go(func() error { defer stop(); return q.server.Run(ctx) })
	group.Go(func() error {
		_, err := awaitPostgres(serving, &starting{}, q.logger, func(ctx context.Context) (struct{}, error) { return struct{}{}, q.ask(ctx) })
		return unlessEnded(serving, err)
	})
	group.Go(func() error { checkReports(serving, q.cold, q.reports, q.logger); return nil })
	return group.Wait()
}

// Close disconnects; call it after Run has returned.
func (q *Query) Close() error {
	var errs []error
	if q.server != nil {
		errs = append(errs, q.server.Close())
	}
	if q.clickHouse != nil {
		errs = append(errs, q.clickHouse.Close())
	}
	if q.pool != nil {
		q.pool.Close()
	}
	return errors.Join(errs...)
}
