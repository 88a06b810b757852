// Command proof runs what the issues say the project must show, at full size, and
// prints for each item PASS or FAIL with its figures and seeds.
//
//	go run ./internal/proof [-seed N] [ITEM…]
//
// An item passes when all of its steps do. A step that names a test which is not there
// fails: what cannot be run is not proved.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/readside/readside/internal/embedded"
)

func main() {
	embedded.RunIfChild()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	os.Exit(run(ctx, os.Args[1:], items, os.Stdout, os.Stderr))
}

// item is one thing that the project must show.
type item struct {
	// name is the number and the item's in it.
	name  string
	says  string
	steps []step
}

// step proves a part of an item and returns its figures, one line each.
type step func(ctx context.Context, o options) (figures []string, err error)

// options are what the steps need to know.
type options struct {
	repo string
	seed uint64
	// progress gets what long steps tell meanwhile.
	progress io.Writer
}

func run(ctx context.Context, args []string, all []item, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("proof", flag.ContinueOnError)
	flags.SetOutput(stderr)
	seed := flags.Uint64("seed", 1, "the first seed of items that draw")
	repo := flags.String("repo", ".", "the repository to prove")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	chosen, err := choose(all, flags.Args())
	if err != nil {
		fmt.Fprintln(stderr, "proof:", err)
		return 2
	}
	failed := 0
	for _, it := range chosen {
		if !prove(ctx, it, options{repo: *repo, seed: *seed, progress: stderr}, stdout) {
			failed++
		}
	}
	fmt.Fprintf(stdout, "%d of %d items proved\n", len(chosen)-failed, len(chosen))
	if failed > 0 {
		return 1
	}
	return 0
}

func choose(all []item, names []string) ([]item, error) {
	if len(names) == 0 {
		return all, nil
	}
	var chosen []item
	var known []string
	for _, it := range all {
		known = append(known, it.name)
		if slices.Contains(names, it.name) {
			chosen = append(chosen, it)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no item %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return chosen, nil
}

// prove runs an item's steps, all of them, and prints what came of it.
func prove(ctx context.Context, it item, o options, out io.Writer) bool {
	fmt.Fprintf(o.progress, "proof: %s %s …\n", it.name, it.says)
	started := time.Now()
	var figures []string
	var errs []error
	for _, s := range it.steps {
		f, err := s(ctx, o)
		figures = append(figures, f...)
		errs = append(errs, err)
	}
	err := errors.Join(errs...)
	if len(it.steps) == 0 {
		err = errors.New("there is nothing yet that proves it")
	}
	verdict := "PASS"
	if err != nil {
		verdict = "FAIL"
	}
	fmt.Fprintf(out, "%s  %-5s %s (%s)\n", verdict, it.name, it.says, time.Since(started).Round(100*time.Millisecond))
	for _, f := range figures {
		fmt.Fprintln(out, "            "+f)
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(out, "            "+strings.TrimRight(line, "\n"))
		}
	}
	return err == nil
}
