package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/readside/readside/eventlog/announce"
)

// How long Follow waits before it looks again by itself.
const (
	// pollHeld is while a transaction holds the log back: if it is rolled back, nobody announces it.
	pollHeld = 3 * time.Millisecond
	// pollDeaf is without a connected listener.
	pollDeaf = 10 * time.Millisecond
	// pollListening bounds what a lost announcement costs.
	pollListening = 50 * time.Millisecond
)

// Follow hands every page after from to each, in order, as the events come, until
// the context ends or each fails, and returns that error. Pages without events come
// too where Next moved: a caller that keeps a checkpoint may store it. With Until set,
// Follow returns nil once it is reached.
//
// It waits for announcements where the log was opened WithListener, and polls
// otherwise. An announcement only wakes; a lost one costs milliseconds, never an event.
//
// Follow ends with ErrRestarted when the server restarted meanwhile, or since q.Life: follow
// again from the stored checkpoint.
func (l *Log) Follow(ctx context.Context, from Position, q Query, each func(context.Context, Page) error) error {
	if from.IsZero() {
		from = l.Start()
	}
	var began life
	for {
		// Asked for before reading, so that what is announced meanwhile is not missed.
		announced := l.listener.Announced(announce.Events)
		page, err := l.Read(ctx, from, q)
		if err != nil && began != (life{}) && *l.life.Load() != began {
			// The place that was only remembered may be one that the server has lost.
			return fmt.Errorf("follow the log after place %d: %w: %w", from.place, ErrRestarted, err)
		}
		if err != nil {
			return err
		}
		if began == (life{}) {
			began = page.life
		}
		if page.life != began || q.Life != "" && page.Life() != q.Life {
			return fmt.Errorf("follow the log after place %d: %w", from.place, ErrRestarted)
		}
		if page.Next != from {
			if err := each(ctx, page); err != nil {
				return err
			}
			from = page.Next
			if l.rest > 0 && from.place >= page.Head.place {
				if err := wait(ctx, nil, l.rest); err != nil {
					return err
				}
			}
			continue
		}
		if !q.Until.IsZero() && from.place >= q.Until.place {
			return nil
		}
		if q.AtRest != nil {
			if err := q.AtRest(ctx); err != nil {
				return err
			}
		}
		if err := wait(ctx, announced, l.pollInterval(page.Held)); err != nil {
			return err
		}
	}
}

func (l *Log) pollInterval(held bool) time.Duration {
	switch {
	case held:
		return pollHeld
	case l.listener.Connected():
		return pollListening
	}
	return pollDeaf
}

// wait returns at the announcement, after the interval, or with the context's error.
func wait(ctx context.Context, announced <-chan struct{}, interval time.Duration) error {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-announced:
	case <-timer.C:
	}
	return nil
}
