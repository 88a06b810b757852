package command

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
)

const (
	// conflictTriesMax is how often a command is decided anew when another one was faster.
	conflictTriesMax = 5
	// conflictPause is the first pause between them; each next is up to twice as long.
	conflictPause = 2 * time.Millisecond
	// workWaitMax bounds one try of a command, waits for locks included.
	workWaitMax = 10 * time.Second
)

// Config is what an Executor stands on.
type Config struct {
	// Log is the log that events are appended to.
	Log *eventlog.Log
	// Pool is logged in as the service's own role.
	Pool *pgxpool.Pool
	// Schema is the service's own schema, which holds its idempotency table.
	Schema string
	// Announce is called after each commit with events; nil announces nothing, and
	// readers find the events by polling.
	Announce func()
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Executor runs the Work of one service.
type Executor struct {
	log      *eventlog.Log
	pool     *pgxpool.Pool
	announce func()
	now      func() time.Time
	keys     idempotency
}

// NewExecutor is an executor over a service's pool. It starts nothing.
func NewExecutor(c Config) *Executor {
	if c.Announce == nil {
		c.Announce = func() {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Executor{log: c.Log, pool: c.Pool, announce: c.Announce, now: c.Now, keys: idempotencyOf(c.Schema)}
}

// Pool is the service's own pool, for reads outside of commands.
func (x *Executor) Pool() *pgxpool.Pool { return x.pool }

// Now is the executor's clock.
func (x *Executor) Now() time.Time { return x.now() }

// Do runs the work that newWork makes in a transaction of its own. It is made anew for
// each try: when another command changed the same aggregate meanwhile, the decision is
// taken again on the new state, a bounded number of times.
func (x *Executor) Do(ctx context.Context, cause Cause, key Key, newWork func() Work) (Answer, error) {
	// Once begun a command runs to its end: a client that goes away would otherwise
	// cost a connection each time.
	ctx = context.WithoutCancel(ctx)
	var err error
	for try := range conflictTriesMax {
		var answer Answer
		if answer, err = x.once(ctx, cause, key, newWork()); !isConflict(err) {
			return answer, err
		}
		<-time.After(conflictPause<<try + rand.N(conflictPause<<try))
	}
	return Answer{}, Conflict("conflict", "read the present state and send the command again if it still makes sense",
		"other commands changed the same thing %d times while this one was decided: %v", conflictTriesMax, err)
}

func (x *Executor) once(ctx context.Context, cause Cause, key Key, w Work) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, workWaitMax)
	defer cancel()
	conn, err := x.pool.Acquire(ctx)
	if err != nil {
		return Answer{}, fmt.Errorf("command: no connection to Postgres: %w", err)
	}
	tx := transaction{conn}
	defer tx.release(ctx)
	earlier, err := x.load(ctx, tx, key, w)
	if err != nil {
		return Answer{}, err
	}
	if earlier != nil {
		return earlier.answer(key)
	}
	return x.decide(ctx, tx, cause, key, w)
}

// load is the first round trip. The key is looked up behind the state: a repetition that
// waits for the lock of the first one's state then finds its answer, too.
func (x *Executor) load(ctx context.Context, tx pgx.Tx, key Key, w Work) (*remembered, error) {
	var b pgx.Batch
	var earlier *remembered
	b.Queue("begin")
	w.Load(&b)
	x.keys.queueLookup(&b, key, &earlier)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("command: load the state: %w", err)
	}
	return earlier, nil
}

// decide takes the decision and makes it last: the second and the third round trip.
func (x *Executor) decide(ctx context.Context, tx pgx.Tx, cause Cause, key Key, w Work) (Answer, error) {
	d, err := w.Decide(x.now())
	if err != nil {
		return Answer{}, err
	}
	position, err := x.append(ctx, tx, cause, d)
	if err != nil {
		return Answer{}, err
	}
	d.Answer.Position = position.String()
	var b pgx.Batch
	w.Save(&b)
	x.keys.queueRemember(&b, key, d.Answer)
	b.Queue("commit")
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return Answer{}, fmt.Errorf("command: store the state: %w", err)
	}
	x.announce()
	return d.Answer, nil
}

// append writes the decision's events to the log, all streams in one statement. A
// decision without events has the zero position: see place.
func (x *Executor) append(ctx context.Context, tx pgx.Tx, cause Cause, d Decision) (eventlog.Position, error) {
	appends := make([]eventlog.Append, 0, len(d.Streams))
	for _, s := range d.Streams {
		if len(s.Events) == 0 {
			continue
		}
		events, err := s.envelopes(cause, x.now())
		if err != nil {
			return eventlog.Position{}, err
		}
		appends = append(appends, eventlog.Append{Stream: s.Name, Expected: s.Version, Events: events})
	}
	if len(appends) == 0 {
		return eventlog.Position{}, nil
	}
	return x.log.Append(ctx, tx, appends...)
}

// place gives an answer without events the log's head: a reader that waits for it
// sees the state in which nothing was left to do.
func (x *Executor) place(ctx context.Context, a Answer) (Answer, error) {
	if a.Position != "" {
		return a, nil
	}
	head, err := x.log.Head(ctx)
	if err != nil {
		return a, fmt.Errorf("command: %w", err)
	}
	a.Position = head.String()
	return a, nil
}

// isConflict reports whether another transaction was faster and the work can be tried again.
func isConflict(err error) bool {
	var version *eventlog.VersionConflictError
	if errors.As(err, &version) {
		return true
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "23505", "40001", "40P01": // unique_violation, serialization_failure, deadlock_detected
		return true
	}
	return false
}
