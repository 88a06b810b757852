package cold

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// leasePoll is how often a worker in waiting asks whether it may take over. It asks
// and does not wait in the database, where a waiting statement would hold back vacuum.
const leasePoll = 200 * time.Millisecond

// lease waits until no other worker of this name works. The lock lives as long as the
// connection does; the epoch guards what is done without noticing that it is gone.
func (p *Projector) lease(ctx context.Context) (*pgxpool.Conn, error) {
	conn, err := p.cfg.Pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect the cold projector %s to Postgres: %w", p.cfg.Name, err)
	}
	for {
		var held bool
		err := conn.QueryRow(ctx, `select pg_try_advisory_lock(hashtextextended('readside.cold:' || $1, 0))`, p.cfg.Name).Scan(&held)
		if err != nil {
			giveUp(conn)
			return nil, fmt.Errorf("ask whether another cold projector %s runs: %w", p.cfg.Name, err)
		}
		if held {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			giveUp(conn)
			return nil, ctx.Err()
		case <-time.After(leasePoll):
		}
	}
}

// giveUp ends the connection and with it the lock; the pool replaces it.
func giveUp(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Conn().Close(ctx) // it is closed in any case
	conn.Release()
}
