package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/readside/readside/internal/mutants/mutate"
)

// suite is a package that breaks are drawn from, and the packages whose tests must
// notice them, the quickest first.
type suite struct {
	pkg   string
	tests []string
}

// suites are the rooms in which a wrong line makes rows wrong.
var suites = []suite{
	{"./eventlog", []string{"./eventlog", "./eventlog/reaction"}},
	{"./projections/hot", []string{"./projections/hot", "./projections/engine"}},
	{"./projections/replay", []string{"./projections/replay", "./projections/engine"}},
	{"./projections/engine", []string{"./projections/engine", "./internal/exact"}},
	{"./projections/cold", []string{"./projections/cold", "./internal/exact"}},
}

// chooseSuites returns the suites of the named packages, all without a name.
func chooseSuites(packages []string) ([]suite, error) {
	if len(packages) == 0 {
		return suites, nil
	}
	var chosen []suite
	for _, name := range packages {
		i := slices.IndexFunc(suites, func(s suite) bool { return s.pkg == name })
		if i < 0 {
			return nil, fmt.Errorf("random breaks are not drawn from %q: name a room such as ./eventlog", name)
		}
		chosen = append(chosen, suites[i])
	}
	return chosen, nil
}

// sampleConfig says how many random breaks to try.
type sampleConfig struct {
	repo string
	// count is how many breaks that build are tried; seed draws them.
	count int
	seed  uint64
	// from passes over the first breaks of the draw, so that a sample can be tried in parts.
	from int
	// limit bounds the tests of one package under one break.
	limit  time.Duration
	suites []suite
}

// tally counts how a sample ended. A break that makes tests run into the limit counts
// as killed: in `make test` it would not pass either.
type tally struct{ killed, timedOut, survived int }

func (t tally) all() int { return t.killed + t.timedOut + t.survived }

// percent is the share of breaks that were noticed.
func (t tally) percent() float64 {
	if t.all() == 0 {
		return 0
	}
	return 100 * float64(t.killed+t.timedOut) / float64(t.all())
}

// sample tries breaks drawn at random and prints a line for each, with its place in the
// draw. Those that do not build are replaced by others.
func sample(ctx context.Context, cfg sampleConfig, out io.Writer) (t tally, err error) {
	tree, err := openWorktree(ctx, cfg.repo)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, tree.close()) }()
	tests := map[string][]string{}
	var packages []string
	for _, s := range cfg.suites {
		packages = append(packages, s.pkg)
		tests[s.pkg] = s.tests
	}
	breaks, err := mutate.Shuffled(tree.dir, packages, cfg.seed)
	if err != nil {
		return t, err
	}
	if err := tree.healthy(ctx, cfg); err != nil {
		return t, err
	}
	for i, b := range breaks {
		if i < cfg.from {
			continue
		}
		if t.all() == cfg.count {
			break
		}
		started := time.Now()
		said, err := tree.tryBreak(ctx, b, tests[b.Package], cfg.limit)
		if err != nil {
			return t, err
		}
		switch said {
		case killed:
			t.killed++
		case timedOut:
			t.timedOut++
		case survived:
			t.survived++
		default:
			continue
		}
		fmt.Fprintf(out, "%4d %-9s %6.1fs  %s\n", i, said, time.Since(started).Seconds(), b)
	}
	fmt.Fprintf(out, "sample of %d (seed %d): %d killed, %d ran into the limit, %d survived: %.0f %% noticed\n",
		t.all(), cfg.seed, t.killed, t.timedOut, t.survived, t.percent())
	return t, nil
}

// healthy runs every suite without a break: a test that fails by itself would kill
// every break.
func (w *worktree) healthy(ctx context.Context, cfg sampleConfig) error {
	seen := map[string]bool{}
	for _, s := range cfg.suites {
		for _, pkg := range s.tests {
			if seen[pkg] {
				continue
			}
			seen[pkg] = true
			if said, out, err := w.run(ctx, pkg, cfg.limit); err != nil || said != survived {
				return errors.Join(err, fmt.Errorf("the tests of %s fail without a break (%s): %s", pkg, said, firstComplaint(out)))
			}
		}
	}
	return nil
}

// tryBreak writes one break into the worktree and runs the tests until one fails.
func (w *worktree) tryBreak(ctx context.Context, b mutate.Break, tests []string, limit time.Duration) (outcome, error) {
	if err := w.reset(ctx); err != nil {
		return "", err
	}
	file := filepath.Join(w.dir, b.File)
	source, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(file, b.Apply(source), 0o644); err != nil {
		return "", err
	}
	if _, err := w.goTool(ctx, "build", b.Package); err != nil {
		return noBuild, ctx.Err()
	}
	for _, pkg := range tests {
		said, _, err := w.run(ctx, pkg, limit)
		if err != nil || said != survived {
			return said, err
		}
	}
	return survived, nil
}

// run runs a package's tests up to the first that fails.
func (w *worktree) run(ctx context.Context, pkg string, limit time.Duration) (outcome, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit+interruptWait)
	defer cancel()
	out, err := w.goTool(ctx, "test", "-count=1", "-failfast", "-timeout", limit.String(), pkg)
	var exit *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded) || timedOutIn(out):
		return timedOut, out, nil
	case ctx.Err() != nil:
		return "", out, ctx.Err()
	case err == nil:
		return survived, out, nil
	case !errors.As(err, &exit):
		return "", out, fmt.Errorf("run go test: %w", err)
	}
	return killed, out, nil
}
