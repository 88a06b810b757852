package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/eventlog/internal/incarnation"
	"github.com/readside/readside/eventlog/internal/life"
	"github.com/readside/readside/eventlog/internal/schema"
	"github.com/readside/readside/eventlog/internal/settle"
	"github.com/readside/readside/internal/pooler"
)

// Log is one log, as one process sees it. It is safe for concurrent use; all
// readers of a process share one Log, since it remembers what was proved settled.
type Log struct {
	pool     *pgxpool.Pool
	listener *announce.Listener
	rest     time.Duration
	settler  *settle.Settler
	// here is which log this is, and life the server's, as they were last seen. Another
	// life may be a failover, so the incarnation is asked for again.
	here atomic.Pointer[incarnation.Incarnation]
	life atomic.Pointer[life.Life]
	// eventBytes is how much data an event of the last page had, on average.
	eventBytes atomic.Int64
}

// Errors of opening the log.
var (
	// ErrNoSchema is returned when the database has no log.
	ErrNoSchema = schema.ErrMissing
	// ErrStandby is returned for a hot standby, which cannot prove which events are still on their way.
	ErrStandby = errors.New("this server is a hot standby, where the log cannot be read safely: connect to the primary")
	// ErrMoved is returned when another log stands at the address than the one that was opened there.
	ErrMoved = errors.New("the database holds another log than the one that this process opened: start the process again")
)

// Option changes how a Log is opened.
type Option func(*Log)

// WithListener lets Follow wait for the listener's announcements on announce.Events instead
// of polling often. The caller runs the listener.
func WithListener(listener *announce.Listener) Option {
	return func(l *Log) { l.listener = listener }
}

// WithRest lets Follow rest for so long whenever it has come to the end, so that the
// next read finds many events and not one: under load that spares most reads. It is
// for followers to which some milliseconds do not matter. Defaults to no rest.
func WithRest(rest time.Duration) Option { return func(l *Log) { l.rest = rest } }

// Open opens the log in the pool's database. The pool's role reads and appends with
// its own rights. A database that was restored, cloned or failed over since the log
// was last opened begins a new incarnation here; the checkpoints in it are taken along,
// and positions of places that the log has lost are refused. A Log that is open meanwhile
// goes over by itself. A pool that goes through a pooler which shares server processes among
// transactions is refused: what a Log knows of its sessions would be strangers'.
func Open(ctx context.Context, pool *pgxpool.Pool, options ...Option) (*Log, error) {
	l := &Log{pool: pool}
	for _, option := range options {
		option(l)
	}
	if err := l.identifyWell(ctx); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	// An append, too, may be the first to meet another life of the server: l.life does not
	// tell what was proved in which.
	l.settler = settle.New(*l.life.Load(), func(ctx context.Context, conn *pgxpool.Conn) error { return l.identify(ctx, conn) })
	return l, nil
}

// identifyWell identifies the log over a connection whose session is its own.
func (l *Log) identifyWell(ctx context.Context) error {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if err := pooler.Check(ctx, conn.Conn()); err != nil {
		return err
	}
	return l.identify(ctx, conn)
}

func (l *Log) identify(ctx context.Context, q incarnation.Querier) error {
	var standby bool
	var scan life.Scan
	err := q.QueryRow(ctx, `select pg_is_in_recovery(), `+life.Columns).Scan(&standby, &scan.Postmaster, &scan.Statistics)
	if err != nil {
		return err
	}
	if standby {
		return ErrStandby
	}
	here, err := incarnation.Open(ctx, q)
	if err != nil {
		return err
	}
	if was := l.here.Load(); was != nil && was.Log != here.Log {
		return ErrMoved
	}
	l.here.Store(here)
	now := scan.Life()
	l.life.Store(&now)
	return nil
}

// Start is the place before the first event of this log in this incarnation.
func (l *Log) Start() Position { return l.at(0) }

func (l *Log) at(place int64) Position { return positionAt(l.here.Load(), place) }

// own refuses positions of another log, and of places that the log has lost.
func (l *Log) own(p Position) error {
	_, err := current(l.here.Load(), p)
	return err
}
