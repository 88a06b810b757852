package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/readside/readside/internal/mutants/mutate"
)

// draw hands out breaks in their order until as many as wanted have been tried. One that
// does not build is replaced by the next.
type draw struct {
	mu     sync.Mutex
	ended  *sync.Cond
	breaks []mutate.Break
	// next is the break to hand out, under way how many are being tried.
	next, underWay int
	wanted         int
	failed         bool
	tally          tally
}

func newDraw(breaks []mutate.Break, from, wanted int) *draw {
	d := &draw{breaks: breaks, next: from, wanted: wanted}
	d.ended = sync.NewCond(&d.mu)
	return d
}

// take returns the place of the next break; ok is false where no more are wanted.
func (d *draw) take() (place int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.underWay > 0 && d.tally.all()+d.underWay >= d.wanted && !d.failed {
		d.ended.Wait() // one that is under way may not build
	}
	if d.failed || d.tally.all() >= d.wanted || d.next >= len(d.breaks) {
		return 0, false
	}
	d.next++
	d.underWay++
	return d.next - 1, true
}

// done counts how a break ended, and prints it.
func (d *draw) done(place int, said outcome, by string, took time.Duration, out io.Writer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.underWay--
	d.ended.Broadcast()
	switch said {
	case killed:
		d.tally.killed++
	case timedOut:
		d.tally.timedOut++
	case survived:
		d.tally.survived++
	default:
		return
	}
	fmt.Fprintf(out, "%4d %-9s %6.1fs  %s%s\n", place, said, took.Seconds(), d.breaks[place], by)
}

func (d *draw) fail() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed = true
	d.underWay--
	d.ended.Broadcast()
}

// work tries breaks in a worktree of its own.
func (d *draw) work(ctx context.Context, cfg sampleConfig, tests map[string][]string, reaches map[string]reach, out io.Writer) (err error) {
	tree, err := openWorktree(ctx, cfg.repo)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.close()) }()
	for {
		place, ok := d.take()
		if !ok {
			return nil
		}
		started := time.Now()
		b := d.breaks[place]
		said, by, err := tree.tryBreak(ctx, b, tests[b.Package], reaches, cfg.limit)
		if err != nil {
			d.fail()
			return err
		}
		d.done(place, said, by, time.Since(started), out)
	}
}
