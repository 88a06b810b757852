package queryapi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/queryapi/guard"
	"github.com/readside/readside/queryapi/refusal"
)

// API answers GraphQL requests. It is safe for concurrent use.
type API struct {
	schema  *Schema
	fetcher *fetcher
	waiter  Waiter
	waiting chan struct{} // a place for each request that waits
	reports ReportRunner
	limits  guard.Limits
	logger  *slog.Logger
	metrics *Metrics
	ready   readiness
}

// ReportRunner runs a report over the cold store.
type ReportRunner interface {
	Run(ctx context.Context, r *Report, args map[string]any) (*ReportRows, error)
}

// Options are what an API reads from. Pool is needed, and Reports where the schema
// has reports; the rest has defaults.
type Options struct {
	Pool    *pgxpool.Pool
	Reports ReportRunner
	// Waiter is a Poll of Pool by default.
	Waiter Waiter
	// WaitingMax is how many requests may wait for a position at the same time; 64 by
	// default. More are answered at once, as they are.
	WaitingMax int
	// Limits are guard.DefaultLimits by default.
	Limits *guard.Limits
	// Logger is slog.Default by default.
	Logger *slog.Logger
	// Metrics are counted into when they are there.
	Metrics *Metrics
}

// New makes an API. It starts nothing and reads nothing.
func New(s *Schema, o Options) (*API, error) {
	if o.Pool == nil {
		return nil, errors.New("queryapi: no Postgres pool: set Options.Pool")
	}
	for name, r := range s.roots {
		if r.report != nil && o.Reports == nil {
			return nil, errors.New("queryapi: the schema has the report " + name + ": set Options.Reports")
		}
	}
	a := &API{
		schema: s, reports: o.Reports, waiter: o.Waiter, logger: o.Logger, metrics: o.Metrics,
		fetcher: &fetcher{pool: o.Pool, sources: &sources{views: s.views}},
		limits:  guard.DefaultLimits(),
	}
	if o.Limits != nil {
		a.limits = *o.Limits
	}
	if a.waiter == nil {
		a.waiter = NewPoll(o.Pool)
	}
	a.waiting = make(chan struct{}, cmp.Or(o.WaitingMax, waitingMaxDefault))
	if a.logger == nil {
		a.logger = slog.Default()
	}
	return a, nil
}

// Request is one GraphQL request.
type Request struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	Extensions    Extensions     `json:"extensions"`
}

// Extensions are what a request asks beyond the query.
type Extensions struct {
	// Position is the token of a command: the answer waits for it.
	Position string `json:"position"`
	// WaitMs bounds the wait: 2,000 by default, 10,000 at most.
	WaitMs *int `json:"waitMs"`
}

const (
	waitDefault = 2 * time.Second
	waitMax     = 10 * time.Second

	waitingMaxDefault = 64
)

// Do answers a request. It does not panic, and it always answers.
func (a *API) Do(ctx context.Context, req Request) *Answer {
	began := time.Now()
	answer := a.answer(ctx, req)
	a.metrics.operation(answer, time.Since(began))
	return answer
}

func (a *API) answer(ctx context.Context, req Request) *Answer {
	doc, fault := a.document(req.Query)
	if fault != nil {
		return refused(fault)
	}
	o, fault := newOperation(a.schema, doc, req.OperationName, req.Variables)
	if fault != nil {
		return refused(fault)
	}
	w, fault := newWait(req.Extensions)
	if fault != nil {
		return refused(fault)
	}
	p, fault := o.plan()
	if fault != nil {
		return refused(fault)
	}
	r, reached, err := a.read(ctx, p, w)
	if w != nil && a.resolved(ctx, w, err) {
		r, reached, err = a.read(ctx, p, w)
	}
	if err != nil {
		return refused(a.failure(err))
	}
	return a.shape(ctx, doc, req, r, p, reached)
}

// resolved looks, where a token was refused, whether it is of a former incarnation of the
// log and its event is here: then it stands for the same place now.
func (a *API) resolved(ctx context.Context, w *wait, err error) bool {
	var r *refusal.Refusal
	if !errors.As(err, &r) || r.Code != refusal.ForeignPosition {
		return false
	}
	now, err := eventlog.Resolve(ctx, a.fetcher.pool, w.position)
	if err != nil || now == w.position {
		return false
	}
	w.position = now
	return true
}

// document reads a query's text, and refuses what must not reach the library.
func (a *API) document(query string) (*ast.Document, *refusal.Refusal) {
	doc, fault := a.limits.Parse(query)
	if fault == nil {
		fault = a.limits.Document(&a.schema.graphql, doc)
	}
	return doc, fault
}

// read fetches what the plan reads: Postgres in one batch, reports beside it.
func (a *API) read(ctx context.Context, p *plan, w *wait) (*results, *bool, error) {
	group, groupCtx := errgroup.WithContext(ctx)
	reports := make([]*ReportRows, len(p.reports))
	for i, report := range p.reports {
		group.Go(func() (err error) {
			reports[i], err = a.reports.Run(groupCtx, &report.report.Report, report.args)
			return err
		})
	}
	r := &results{pages: map[string]*page{}, reports: map[string]*ReportRows{}}
	var reached *bool
	if len(p.views) > 0 {
		group.Go(func() (err error) {
			r, reached, err = a.readViews(groupCtx, p, w)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	for i, report := range p.reports {
		r.reports[joined(report.path)] = reports[i]
	}
	if w == nil || len(p.reports) == 0 {
		return r, reached, nil
	}
	all, err := r.reportsReached(w.position)
	all = all && (reached == nil || *reached)
	return r, &all, err
}

// readViews reads at once, and again while the token is not reached. The first read
// of an up-to-date view is the only one, and so is that of a request for which there is
// no place to wait: those who wait for a projector that stands still leave room for all
// others.
func (a *API) readViews(ctx context.Context, p *plan, w *wait) (*results, *bool, error) {
	if w == nil {
		r, err := a.fetcher.fetch(ctx, p)
		return r, nil, err
	}
	began, most := time.Now(), w.within(ctx)
	r, reached, err := a.readFor(ctx, p, w.position)
	if err == nil && !reached && a.startWaiting() {
		defer a.stopWaiting()
		for left := most - time.Since(began); err == nil && !reached && left > 0; left = most - time.Since(began) {
			if err = a.wake(ctx, r, w.position, min(left, lookEvery)); err == nil {
				r, reached, err = a.readFor(ctx, p, w.position)
			}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	a.metrics.waited(reached, time.Since(began))
	return r, &reached, nil
}

// readFor reads, and reports whether the token is reached. Where the read itself found
// another projector that has come further, it reads from that one.
func (a *API) readFor(ctx context.Context, p *plan, at eventlog.Position) (*results, bool, error) {
	for {
		r, err := a.fetcher.fetch(ctx, p)
		if err != nil {
			return nil, false, err
		}
		reached, err := r.reached(at)
		if err != nil || reached || !a.fetcher.sources.moved(p.views, r.fresh) {
			return r, reached, err
		}
	}
}

func (a *API) startWaiting() bool {
	select {
	case a.waiting <- struct{}{}:
		return true
	default:
		return false
	}
}

func (a *API) stopWaiting() { <-a.waiting }

// wake waits for the projectors, at most as long as is left. One that stands still is not
// waited for to the end: the next read looks whether another has come further.
func (a *API) wake(ctx context.Context, r *results, at eventlog.Position, left time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	err := a.waiter.Wait(waiting, r.projectors(), at)
	if waiting.Err() != nil && ctx.Err() == nil {
		return nil // time is up: the last read says so
	}
	return err
}

func (a *API) shape(ctx context.Context, doc *ast.Document, req Request, r *results, p *plan, reached *bool) *Answer {
	result := graphql.Execute(graphql.ExecuteParams{
		// What was read is answered: a deadline that passes now would only leave the
		// library working in the background.
		Schema: a.schema.graphql, AST: doc, Context: context.WithoutCancel(ctx),
		Root:          map[string]any{resultsKey: r},
		OperationName: req.OperationName, Args: req.Variables,
	})
	answer := &Answer{Data: result.Data, executed: true, fresh: r.fresh}
	for _, e := range result.Errors {
		answer.Errors = append(answer.Errors, a.fieldError(e))
	}
	if freshness := r.extension(reached, p); freshness != nil {
		answer.Extensions = map[string]any{"freshness": freshness}
	}
	if len(r.degraded) > 0 {
		answer.Extensions["degraded"] = r.degraded
	}
	return answer
}
