// Command mutants breaks the code on purpose and sees whether a test notices. Each
// testdata/mutants/*.patch is one break; its header names the test that must fail:
//
//	# Why: without the compare two workers fold the same events
//	# Test: ./projections/engine TestOfTwoWorkersOneFolds
//	diff --git ...
//
// Every patch is applied alone, in a throwaway worktree of HEAD. A mutant is killed
// when it builds and its test, which passes without it, fails. Anything else (the
// test passes, the patch does not apply or build, the test is not there or only ran
// into the time limit) is told and makes the command fail.
//
// With -random N it tries N breaks drawn at random instead (package mutate), each
// against the tests that reach its line, of the package that it is in and of those that
// rely on it, and fails when fewer than -floor percent are noticed. Which lines a test
// reaches is measured once for each state of the source and kept among the user's caches:
//
//	go run ./internal/mutants -random 150 -seed 7 -floor 85 [PACKAGE…]
//
// Each line begins with the break's place in the draw; -from continues behind it. As many
// breaks as there are processors are tried at the same time, unless -parallel says otherwise.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(stderr)
	repo := flags.String("repo", ".", "the repository to mutate")
	dir := flags.String("patches", "testdata/mutants", "the folder of patches, in the repository")
	limit := flags.Duration("timeout", 8*time.Minute, "what one mutant's test may take")
	random := flags.Int("random", 0, "try so many breaks drawn at random instead of the patches")
	seed := flags.Uint64("seed", 1, "draws the random breaks")
	from := flags.Int("from", 0, "pass over the first breaks of the draw, to go on after a part of a sample")
	parallel := flags.Int("parallel", runtime.GOMAXPROCS(0), "how many random breaks are tried at the same time")
	floor := flags.Float64("floor", 0, "percent of the random breaks that must be noticed")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *random > 0 {
		return runSample(ctx, sampleConfig{repo: *repo, count: *random, seed: *seed, from: *from, limit: *limit, parallel: *parallel}, flags.Args(), *floor, stdout, stderr)
	}
	survived, err := contest(ctx, config{repo: *repo, patches: *dir, names: flags.Args(), limit: *limit}, stdout)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "mutants:", err)
		return 1
	case survived > 0:
		fmt.Fprintf(stderr, "mutants: %d not killed: mend the test that the patch names, or the patch\n", survived)
		return 1
	}
	return 0
}

// runSample tries random breaks of the named packages, of all rooms without a name.
func runSample(ctx context.Context, cfg sampleConfig, packages []string, floor float64, stdout, stderr io.Writer) int {
	chosen, err := chooseSuites(packages)
	if err != nil {
		fmt.Fprintln(stderr, "mutants:", err)
		return 2
	}
	caches, err := os.UserCacheDir()
	if err != nil {
		fmt.Fprintln(stderr, "mutants: no folder for what tests reach; set HOME or XDG_CACHE_HOME:", err)
		return 1
	}
	cfg.suites, cfg.rooms, cfg.kept = chosen, allRooms(), filepath.Join(caches, "readside", "mutants", "reach.json")
	t, err := sample(ctx, cfg, stdout)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "mutants:", err)
		return 1
	case t.percent() < floor:
		fmt.Fprintf(stderr, "mutants: %.0f %% noticed, wanted %.0f: write a test for each survivor, or a reason\n", t.percent(), floor)
		return 1
	}
	return 0
}

// config says what to mutate and how.
type config struct {
	repo    string
	patches string
	// names are the mutants to run; none means all.
	names []string
	// limit bounds one mutant's test.
	limit time.Duration
}

// contest runs the mutants and prints the table. It returns how many were not killed.
func contest(ctx context.Context, cfg config, out io.Writer) (notKilled int, err error) {
	mutants, err := readMutants(cfg)
	if err != nil {
		return 0, err
	}
	tree, err := openWorktree(ctx, cfg.repo)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, tree.close()) }()
	healthy, err := tree.baseline(ctx, mutants, cfg.limit)
	if err != nil {
		return 0, err
	}
	table := newTable(out, mutants)
	for _, m := range mutants {
		started := time.Now()
		v := verdict{outcome: unhealthy, detail: m.pkg + " " + m.test}
		if healthy[m.target] {
			if v, err = tree.try(ctx, m, cfg.limit); err != nil {
				return 0, err
			}
		}
		if v.outcome != killed {
			notKilled++
		}
		table.row(m, v, time.Since(started))
	}
	table.close(len(mutants)-notKilled, notKilled)
	return notKilled, nil
}
