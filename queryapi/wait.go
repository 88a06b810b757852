package queryapi

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"github.com/readside/readside/eventlog"
)

// Waiter waits until projectors have come so far that reading again is worth while.
// It only wakes: the checkpoint in the answer's own snapshot decides.
type Waiter interface {
	// Wait returns nil once each of the projectors may have reached at, and ctx's
	// error when that ends first.
	Wait(ctx context.Context, projectors []string, at eventlog.Position) error
}

// pollEvery is how often checkpoints are read while somebody waits for one. All who
// wait share one statement.
const pollEvery = 5 * time.Millisecond

// Poll is the Waiter that reads readside.projectors.
type Poll struct {
	pool   *pgxpool.Pool
	shared singleflight.Group
}

// NewPoll makes a Poll; it holds no connection between polls.
func NewPoll(pool *pgxpool.Pool) *Poll { return &Poll{pool: pool} }

// Wait polls until the projectors have reached at, or ctx ends.
func (p *Poll) Wait(ctx context.Context, projectors []string, at eventlog.Position) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		places, err := p.places(ctx)
		if err != nil {
			return err
		}
		if reached(places, projectors, at.Place()) {
			return nil
		}
	}
}

func reached(places map[string]int64, projectors []string, place int64) bool {
	for _, name := range projectors {
		if places[name] < place {
			return false
		}
	}
	return true
}

// pollTimeout bounds the shared statement, which no single waiter's context may end.
const pollTimeout = 5 * time.Second

func (p *Poll) places(ctx context.Context) (map[string]int64, error) {
	answer := p.shared.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pollTimeout)
		defer cancel()
		return p.read(ctx)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-answer:
		if r.Err != nil {
			return nil, fmt.Errorf("read the projectors' checkpoints: %w", r.Err)
		}
		return r.Val.(map[string]int64), nil
	}
}

func (p *Poll) read(ctx context.Context) (map[string]int64, error) {
	rows, err := p.pool.Query(ctx, "select name, place from readside.projectors")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	places := map[string]int64{}
	for rows.Next() {
		var name string
		var place int64
		if err := rows.Scan(&name, &place); err != nil {
			return nil, err
		}
		places[name] = place
	}
	return places, rows.Err()
}
