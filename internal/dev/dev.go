// Package dev runs a program from its source: it builds it, runs its command up, and does
// both again whenever a file of it changes. It then shows which rows of the views have
// changed. It is what up --dev does.
package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Config says what is run.
type Config struct {
	// Package is the import path of the program's main package, and Name is the program's name.
	Package, Name string
	// Env is the environment of the program, which names a Postgres, and a ClickHouse if it
	// needs one. Both outlive the program.
	Env []string
	// PostgresURL addresses the Postgres as a user who may read the views.
	PostgresURL string
	// Out gets what the program prints, and what changed. Err gets what the compiler says.
	Out, Err io.Writer
}

// Run builds and runs the program until ctx ends. A source that does not compile, and a
// program that ends by itself, are told and wait for the next change.
func Run(ctx context.Context, cfg Config) (err error) {
	dir, err := os.MkdirTemp("", cfg.Name+"-dev-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source, err := find(ctx, cfg.Package)
	if err != nil {
		return fmt.Errorf("--dev: %w: run it in the folder of the program's source", err)
	}
	r := &runner{cfg: cfg, source: source, dir: dir}
	defer func() { err = errors.Join(err, r.stop()) }()
	for {
		if err := r.turn(ctx); err != nil {
			return unlessEnded(ctx, err)
		}
		changed, err := source.wait(ctx)
		if err != nil {
			return unlessEnded(ctx, err)
		}
		fmt.Fprintf(cfg.Out, "\n%s changed. Building …\n", strings.Join(changed, ", "))
	}
}

// unlessEnded is nil for an error of work that was ended on request.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// runner is a program that is built and run again and again.
type runner struct {
	cfg    Config
	source *source
	dir    string
	builds int
	child  *child
	// rows are the views' rows as the program before had made them; nil before the first.
	rows *snapshot
}

// turn builds the program, runs it in place of the one before, and tells what changed.
func (r *runner) turn(ctx context.Context) error {
	began := time.Now()
	r.builds++
	binary := filepath.Join(r.dir, fmt.Sprintf("%s-%d", r.cfg.Name, r.builds))
	if err := r.source.build(ctx, binary, r.cfg.Err); err != nil {
		if ctx.Err() != nil {
			return err
		}
		fmt.Fprintln(r.cfg.Out, "It does not compile. "+r.meanwhile())
		return nil
	}
	if r.child != nil {
		if rows, err := read(ctx, r.child.binary, r.cfg); err == nil {
			r.rows = rows // else the last ones that could be read
		}
	}
	if err := errors.Join(r.stop(), ctx.Err()); err != nil {
		return err
	}
	c, err := start(ctx, binary, r.cfg)
	if err != nil {
		return err
	}
	r.child = c
	if !c.serves(ctx) {
		fmt.Fprintln(r.cfg.Out, "It ended. A change of its source starts it again.")
		return ctx.Err()
	}
	return r.tell(ctx, began)
}

// meanwhile says what runs while the source does not compile.
func (r *runner) meanwhile() string {
	if r.child == nil {
		return "A change of its source builds it again."
	}
	return "The program before goes on."
}

// tell waits until the new program's views are live, folds anew what its code makes
// differently, and tells which rows changed.
func (r *runner) tell(ctx context.Context, began time.Time) error {
	binary := r.child.binary
	if err := untilLive(ctx, binary, r.cfg); err != nil {
		return r.hesitate(ctx, err)
	}
	if r.rows == nil {
		rows, err := read(ctx, binary, r.cfg)
		if err != nil {
			return r.hesitate(ctx, err)
		}
		r.rows = rows
		return nil
	}
	if err := foldAnew(ctx, binary, r.cfg); err != nil {
		return r.hesitate(ctx, err)
	}
	rows, err := read(ctx, binary, r.cfg)
	if err != nil {
		return r.hesitate(ctx, err)
	}
	fmt.Fprintf(r.cfg.Out, "%sRuns, %.1f s after the change.\n", difference(r.rows, rows), time.Since(began).Seconds())
	r.rows = rows
	return nil
}

// hesitate tells a fault that does not end the program.
func (r *runner) hesitate(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		fmt.Fprintf(r.cfg.Out, "Which rows changed is not known: %v\n", err)
	}
	return ctx.Err()
}

func (r *runner) stop() error {
	if r.child == nil {
		return nil
	}
	c := r.child
	r.child = nil
	return errors.Join(c.stop(), os.Remove(c.binary))
}
