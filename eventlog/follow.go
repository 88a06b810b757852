package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/eventlog/internal/life"
)

// ErrRestarted is returned by Follow when the server restarted between two pages. With
// synchronous_commit off a server that crashed may have lost its last commits, and events
// with them that were handed out; it gives their places away again. A position that was
// only remembered may therefore stand behind events that nobody has read. One that is
// stored in the log's database was lost with them, so that reading on from it is safe.
var ErrRestarted = errors.New("the server restarted since the last page: read on from the stored checkpoint, since the last events read may be lost")

// LifeSQL is the SQL expression of the life of the server that evaluates it, a text to be
// compared with Page.Life. A reader that stores the Next of a page over another connection
// than one that it has held since before it read the page compares both in the statement
// that stores: in another life the server may have lost events that the page passed, of
// types that were not asked for too, and has given their places away again.
const LifeSQL = life.SQL

// pollHeld is how long Follow waits while a transaction holds the log back: if it is rolled
// back, nobody announces it.
const pollHeld = 3 * time.Millisecond

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
	var began life.Life
	for {
		// Asked for before reading, so that what is announced meanwhile is not missed.
		announced := l.listener.Announced(announce.Events)
		page, err := l.Read(ctx, from, q)
		if err != nil && began != (life.Life{}) && *l.life.Load() != began {
			// The place that was only remembered may be one that the server has lost.
			return fmt.Errorf("follow the log after place %d: %w: %w", from.place, ErrRestarted, err)
		}
		if err != nil {
			return err
		}
		if began == (life.Life{}) {
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
				if err := announce.Wait(ctx, nil, l.rest); err != nil {
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
		if err := announce.Wait(ctx, announced, l.pollInterval(page.Held)); err != nil {
			return err
		}
	}
}

func (l *Log) pollInterval(held bool) time.Duration {
	if held {
		return pollHeld
	}
	return l.listener.PollEvery()
}
