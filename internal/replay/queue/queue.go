// Package queue holds finished work that waits for the one who takes it, bounded by bytes.
package queue

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Queue holds as many values as fit into its bytes, and one that is larger by itself. One
// goroutine adds, another one takes.
type Queue[T any] struct {
	values chan entry[T]
	room   *semaphore.Weighted
	size   int64
}

// entry is a value, or, with reached, a question whether all values before were taken.
type entry[T any] struct {
	value T
	// bytes is the value's part of what may wait.
	bytes   int64
	reached chan<- struct{}
}

// New returns a queue of so many bytes, and of count values at most.
func New[T any](bytes int64, count int) *Queue[T] {
	return &Queue[T]{values: make(chan entry[T], count), room: semaphore.NewWeighted(bytes), size: bytes}
}

// Add waits for room and adds a value.
func (q *Queue[T]) Add(ctx context.Context, value T, bytes int64) error {
	bytes = min(bytes, q.size)
	if err := q.room.Acquire(ctx, bytes); err != nil {
		return err
	}
	return q.send(ctx, entry[T]{value: value, bytes: bytes})
}

// Drain waits until all values that were added are taken.
func (q *Queue[T]) Drain(ctx context.Context) error {
	reached := make(chan struct{})
	if err := q.send(ctx, entry[T]{reached: reached}); err != nil {
		return err
	}
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends Each when it has taken all values.
func (q *Queue[T]) Close() { close(q.values) }

// Each calls take with the values, one after the other, until the queue is closed or take
// returns an error. A value's room is free when take returns.
func (q *Queue[T]) Each(take func(T) error) error {
	for e := range q.values {
		if e.reached != nil {
			close(e.reached)
			continue
		}
		if err := take(e.value); err != nil {
			return err
		}
		q.room.Release(e.bytes)
	}
	return nil
}

func (q *Queue[T]) send(ctx context.Context, e entry[T]) error {
	select {
	case q.values <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
