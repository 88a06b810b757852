package cold

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/pooler"
)

// leasePoll is how often a worker in waiting asks whether it may take over. It asks
// and does not wait in the database, where a waiting statement would hold back vacuum.
const leasePoll = 200 * time.Millisecond

// silenceMax is how long an owner may ask nothing of Postgres before one that waits ends
// its connection: more than any one call to ClickHouse takes. silenceLook is how often
// one that waits looks.
const (
	silenceMax  = 6 * time.Minute
	silenceLook = 5 * time.Second
)

// comeBackAfter is how long nobody may have worked before a worker comes back whose facts
// others have begun to build by definitions of their own.
const comeBackAfter = time.Minute

const (
	tryLock = `select pg_try_advisory_lock(hashtextextended('readside.cold:' || $1, 0))`
	unlock  = `select pg_advisory_unlock(hashtextextended('readside.cold:' || $1, 0))`
)

// durableSQL makes a session wait for the disk where commits do not by default. What the
// ledger says must outlive a crash of Postgres: a block that is in ClickHouse while its plan
// is lost would be sent again under another number, and count twice.
const durableSQL = `select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`

// lease waits until no other worker of this name works. The lock lives as long as the
// connection does; the epoch guards what is done without noticing that it is gone.
func (p *Projector) lease(ctx context.Context) (*pgxpool.Conn, error) {
	conn, err := p.cfg.Pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect the cold projector %s to Postgres: %w", p.cfg.Name, err)
	}
	if err := pooler.Check(ctx, conn.Conn()); err != nil {
		giveUp(conn)
		return nil, fmt.Errorf("connect the cold projector %s to Postgres: %w", p.cfg.Name, err)
	}
	if _, err := conn.Exec(ctx, durableSQL); err != nil {
		giveUp(conn)
		return nil, fmt.Errorf("let the commits of cold projector %s wait for the disk: %w", p.cfg.Name, err)
	}
	looked, taken := time.Now(), time.Now()
	for {
		var held bool
		if err := conn.QueryRow(ctx, tryLock, p.cfg.Name).Scan(&held); err != nil {
			giveUp(conn)
			return nil, fmt.Errorf("ask whether another cold projector %s runs: %w", p.cfg.Name, err)
		}
		switch {
		case !held:
			taken = time.Now()
		case !p.superseded || time.Since(taken) >= p.comeBackAfter:
			return conn, nil
		default: // the worker with the other definitions has the first claim
			if _, err := conn.Exec(ctx, unlock, p.cfg.Name); err != nil {
				giveUp(conn)
				return nil, fmt.Errorf("leave cold projector %s to others: %w", p.cfg.Name, err)
			}
		}
		if time.Since(looked) >= min(silenceLook, p.silenceMax) {
			looked = time.Now()
			if err := p.endSilentOwner(ctx, conn); err != nil {
				giveUp(conn)
				return nil, err
			}
		}
		select {
		case <-ctx.Done():
			giveUp(conn)
			return nil, ctx.Err()
		case <-time.After(leasePoll):
		}
	}
}

// endSilentOwner relieves an owner that is stopped, or whose host is gone: nothing else
// would end its connection. What it still does when it wakes up is fenced.
func (p *Projector) endSilentOwner(ctx context.Context, conn *pgxpool.Conn) error {
	var ended int64
	err := conn.QueryRow(ctx, `select readside.end_silent_cold_owner($1, make_interval(secs => $2))`, p.cfg.Name, p.silenceMax.Seconds()).Scan(&ended)
	if err != nil {
		return fmt.Errorf("end the silent owner of cold projector %s: %w (the role that migrates needs pg_signal_backend and pg_read_all_stats)", p.cfg.Name, explain(err))
	}
	if ended > 0 {
		p.cfg.Logger.WarnContext(ctx, "the owner of the cold projector was silent for too long and was relieved", "projector", p.cfg.Name, "silence", p.silenceMax)
	}
	return nil
}

// giveUp ends the connection and with it the lock; the pool replaces it.
func giveUp(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Conn().Close(ctx) // it is closed in any case
	conn.Release()
}
