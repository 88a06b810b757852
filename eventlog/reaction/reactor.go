package reaction

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/eventlog/reaction/internal/fault"
)

// Config is what a Reactor needs. Log, Pool, Schema and Name are required.
type Config struct {
	// Log is what is read; Pool belongs to the service's own role.
	Log  *eventlog.Log
	Pool *pgxpool.Pool
	// Schema is the service's schema, with the tables of eventlog.create_reaction_tables.
	Schema string
	// Name is under which checkpoint and inbox are kept; another name reacts to everything anew.
	Name      string
	Upcasters *eventlog.Upcasters
	// Logger is slog.Default() if nil.
	Logger *slog.Logger
	// Notifier announces what handlers appended; nil leaves it to polling.
	Notifier *announce.Notifier

	// RunEventsMax is how many events share a transaction at most; 0 means 32.
	RunEventsMax int
	// RetriesMax is how often a failing event is tried again before it becomes a dead letter; 0 means 4.
	RetriesMax int
	// DeadInRowMax is how many events in a row become dead letters at most; 0 means 100.
	// The next one is then tried until it is handled: so many are a broken release or a
	// missing migration, not broken events.
	DeadInRowMax int
	// ConflictTime is how long version conflicts that differ from each other may last before
	// the event becomes a dead letter; the same conflict is tried again RetriesMax times.
	// 0 means 30 s.
	ConflictTime time.Duration
	// RetryFirst is the first pause before a retry, doubled each time; 0 means 20 ms.
	RetryFirst time.Duration
	// Timeout bounds one attempt at a message; 0 means 30 s.
	Timeout time.Duration
	// Around, if set, is called once per transaction, around the handlers of its events
	// (next): a service whose handlers only stage what they do sends it to Postgres after
	// next, many events in one round trip. Its error fails the run like a handler's.
	Around func(ctx context.Context, tx pgx.Tx, next func(context.Context) error) error
	// Observer is told what happens; its nil functions are not called.
	Observer Observer
}

// Observer is told what a Reactor does. The functions are called one at a time and must be quick.
type Observer struct {
	// Committed: the transaction of these events committed; those that were known from before are not among them.
	Committed func(events []eventlog.Event)
	// Died: the event became a dead letter.
	Died func(event eventlog.Event, reason string)
}

const retryPauseMax = 2 * time.Second

// Reactor is one service's reactions. It does nothing until Run.
type Reactor struct {
	config   Config
	types    []string
	handlers map[string]apply
	tables   tables
	logger   *slog.Logger
	position atomic.Pointer[standing]
	trouble  atomic.Pointer[trouble]
	// deadInRow is touched by one message at a time.
	deadInRow int
}

// New checks config and handlers; the error names every fault.
func New(config Config, handlers ...Handler) (*Reactor, error) {
	withDefaults(&config)
	r := &Reactor{
		config: config, handlers: make(map[string]apply, len(handlers)),
		tables: newTables(config.Schema), logger: config.Logger.With("reaction", config.Name),
	}
	faults := configFaults(config)
	if len(handlers) == 0 {
		faults = append(faults, errors.New("no handlers given"))
	}
	for _, h := range handlers {
		if h.bind == nil {
			faults = append(faults, errors.New("an empty Handler: make it with reaction.On"))
			continue
		}
		if _, twice := r.handlers[h.eventType]; twice {
			faults = append(faults, fmt.Errorf("two handlers for %s: put both effects into one, in the order they need", h.eventType))
			continue
		}
		r.handlers[h.eventType] = h.bind(config.Upcasters)
		r.types = append(r.types, h.eventType)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("reaction %q: %w", config.Name, err)
	}
	slices.Sort(r.types)
	return r, nil
}

func withDefaults(c *Config) {
	c.RunEventsMax = orDefault(c.RunEventsMax, 32)
	c.RetriesMax = orDefault(c.RetriesMax, 4)
	c.DeadInRowMax = orDefault(c.DeadInRowMax, 100)
	c.RetryFirst = orDefault(c.RetryFirst, 20*time.Millisecond)
	c.Timeout = orDefault(c.Timeout, 30*time.Second)
	c.ConflictTime = orDefault(c.ConflictTime, 30*time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Around == nil {
		c.Around = func(ctx context.Context, _ pgx.Tx, next func(context.Context) error) error { return next(ctx) }
	}
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func configFaults(c Config) (faults []error) {
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New(what))
		}
	}
	need(c.Log != nil, "Config.Log is missing")
	need(c.Pool != nil, "Config.Pool is missing: a pool of the service's role")
	need(c.Schema != "", "Config.Schema is missing: the schema with the service's inbox")
	need(c.Name != "", "Config.Name is missing")
	need(c.RunEventsMax > 0 && c.RunEventsMax <= 1000, "Config.RunEventsMax is not within 1 and 1000")
	need(c.RetriesMax > 0, "Config.RetriesMax is below 1")
	need(c.DeadInRowMax > 0, "Config.DeadInRowMax is below 1")
	need(c.RetryFirst > 0, "Config.RetryFirst is not above 0")
	need(c.ConflictTime > 0, "Config.ConflictTime is not above 0")
	need(c.Timeout > 0, "Config.Timeout is not above 0")
	return faults
}

// standing is a checkpoint, and since when the reactor stands there.
type standing struct {
	at    eventlog.Position
	since time.Time
}

// Position is up to where the reactor has handled the log; zero before it first knew.
func (r *Reactor) Position() eventlog.Position {
	if p := r.position.Load(); p != nil {
		return p.at
	}
	return eventlog.Position{}
}

func (r *Reactor) moved(to eventlog.Position) {
	if before := r.position.Load(); before == nil || before.at != to {
		r.position.Store(&standing{at: to, since: time.Now()})
	}
	r.trouble.Store(nil)
}

// Run reacts until the context ends; then the message under way is finished or
// rolled back. Running the same reaction in two processes is safe, and no faster.
func (r *Reactor) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	from, life, err := r.load(ctx)
	if err != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: r.config.Timeout}, watermill.NewSlogLogger(quiet(r.logger)))
	if err != nil {
		return fmt.Errorf("reaction %s: %w", r.config.Name, err)
	}
	poison, err := middleware.PoisonQueueWithFilter(&deadLetters{reactor: r, ctx: ctx}, r.tables.deadLetters, fault.IsOwn)
	if err != nil {
		return fmt.Errorf("reaction %s: %w", r.config.Name, err)
	}
	// From the outside in: what stays after the retries is poison; each attempt has
	// its own time limit and turns a panic into an error.
	router.AddMiddleware(middleware.CorrelationID, poison, r.retry().Middleware,
		middleware.Timeout(r.config.Timeout), middleware.Recoverer)
	router.AddConsumerHandler(r.config.Name, "eventlog", newSubscriber(r, from, life, stop), r.react)
	var beating sync.WaitGroup
	beating.Go(func() { r.beat(ctx) })
	defer beating.Wait()
	defer stop(nil) // before it waits
	if err := router.Run(ctx); err != nil {
		return fmt.Errorf("reaction %s: %w", r.config.Name, err)
	}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("reaction %s: %w", r.config.Name, err)
	}
	return nil
}

func (r *Reactor) retry() middleware.Retry {
	return middleware.Retry{
		MaxRetries:          r.config.RetriesMax,
		InitialInterval:     r.config.RetryFirst,
		MaxInterval:         retryPauseMax,
		Multiplier:          2,
		RandomizationFactor: 0.2,
		ResetContextOnRetry: true,
		ShouldRetry:         func(p middleware.RetryParams) bool { return !fault.IsOfRun(p.Err) },
		Logger:              watermill.NewSlogLogger(quiet(r.logger)),
	}
}
