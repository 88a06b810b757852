package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/internal/pooler"
)

// Log is one log, as one process sees it. It is safe for concurrent use; all
// readers of a process share one Log, since it remembers what was proved settled.
type Log struct {
	pool     *pgxpool.Pool
	listener *announce.Listener
	rest     time.Duration
	settler  settler
	// home is which log this is, and life the server's, as they were last seen. Another
	// life may be a failover, so the incarnation is asked for again.
	home atomic.Pointer[home]
	life atomic.Pointer[life]
	// eventBytes is how much data an event of the last page had, on average.
	eventBytes atomic.Int64
}

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
	l := &Log{pool: pool, settler: newSettler()}
	for _, option := range options {
		option(l)
	}
	if err := l.identifyWell(ctx); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	l.settler.life.Store(l.life.Load())
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

// querier is what Pool, Conn and Tx have in common.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (l *Log) identify(ctx context.Context, q querier) error {
	var standby bool
	var scan lifeScan
	err := q.QueryRow(ctx, `select pg_is_in_recovery(), `+lifeColumns).Scan(&standby, &scan.postmaster, &scan.statistics)
	if err != nil {
		return err
	}
	if standby {
		return ErrStandby
	}
	here, err := readHome(ctx, q)
	if err != nil {
		return err
	}
	if was := l.home.Load(); was != nil && was.identity != here.identity {
		return ErrMoved
	}
	l.home.Store(here)
	now := scan.life()
	l.life.Store(&now)
	return nil
}

// explainMissing turns Postgres' "no such function" into what to do about it.
func explainMissing(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "3F000" || pg.Code == "42883" || pg.Code == "42P01") {
		return fmt.Errorf("%w (%s)", ErrNoSchema, pg.Message)
	}
	return err
}

// Start is the place before the first event of this log in this incarnation.
func (l *Log) Start() Position { return l.at(0) }

func (l *Log) at(place int64) Position { return l.home.Load().at(place) }

// own refuses positions of another log, and of places that the log has lost.
func (l *Log) own(p Position) error {
	_, err := l.home.Load().current(p)
	return err
}

// Head is the place of the last committed event, settled or not: good for lag.
func (l *Log) Head(ctx context.Context) (Position, error) {
	var place int64
	err := l.pool.QueryRow(ctx, `select coalesce(max(position), 0) from eventlog.events`).Scan(&place)
	if err != nil {
		return Position{}, fmt.Errorf("read the log's head: %w", explainMissing(err))
	}
	return l.at(place), nil
}
