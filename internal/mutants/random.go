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
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

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
	{"./eventlog", []string{"./eventlog", "./eventlog/cloudevents", "./eventlog/reaction"}},
	{"./eventlog/internal/settle", []string{"./eventlog", "./eventlog/reaction"}},
	{"./eventlog/internal/insert", []string{"./eventlog", "./eventlog/cloudevents"}},
	{"./eventlog/internal/codec", []string{"./eventlog"}},
	{"./eventlog/internal/incarnation", []string{"./eventlog", "./eventlog/reaction"}},
	{"./eventlog/internal/token", []string{"./eventlog"}},
	{"./eventlog/internal/arena", []string{"./eventlog"}},
	{"./eventlog/ingest", []string{"./eventlog/cloudevents", "./eventlog"}},
	{"./eventlog/reaction/internal/fault", []string{"./eventlog/reaction/internal/fault", "./eventlog/reaction"}},
	{"./internal/hot", []string{"./internal/hot", "./projections/engine"}},
	{"./internal/hot/cell", []string{"./internal/hot/cell", "./internal/hot", "./projections/engine"}},
	{"./internal/hot/image", []string{"./internal/hot/image", "./internal/hot", "./projections/engine"}},
	{"./internal/hot/pipeline", []string{"./internal/hot", "./projections/engine"}},
	{"./internal/replay", []string{"./internal/replay", "./projections/engine"}},
	{"./internal/replay/parts", []string{"./internal/replay", "./projections/engine"}},
	{"./internal/replay/reading", []string{"./internal/replay/reading", "./internal/replay", "./projections/engine"}},
	{"./internal/replay/record", []string{"./internal/replay", "./projections/engine"}},
	{"./internal/replay/rowtable", []string{"./internal/replay/rowtable", "./internal/replay"}},
	{"./internal/replay/spill", []string{"./internal/replay/spill", "./internal/replay"}},
	{"./internal/replay/waiting", []string{"./internal/replay", "./projections/engine"}},
	{"./projections/internal/fold", []string{"./projections/internal/fold", "./projections/engine", "./internal/exact"}},
	{"./projections/internal/cache", []string{"./projections/internal/cache", "./projections/internal/fold", "./projections/engine"}},
	{"./projections/internal/build", []string{"./projections/internal/build", "./projections/engine"}},
	{"./projections/internal/own", []string{"./projections/internal/own", "./projections/engine"}},
	{"./projections/internal/order", []string{"./projections/internal/order", "./projections/internal/fold", "./projections/engine"}},
	{"./projections/control", []string{"./projections/control", "./projections/engine"}},
	{"./projections/engine", []string{"./projections/engine"}},
	{"./projections/operate/rebuild", []string{"./projections/engine", "./internal/exact"}},
	{"./projections/operate/verify", []string{"./projections/engine"}},
	{"./projections/cold", []string{"./projections/cold", "./internal/exact"}},
}

// allRooms are the packages of the suites.
func allRooms() []string {
	var rooms []string
	for _, s := range suites {
		rooms = append(rooms, s.pkg)
	}
	return rooms
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
	limit time.Duration
	// parallel is how many breaks are tried, and tests measured, at the same time.
	parallel int
	suites   []suite
	// rooms are all packages that breaks may be drawn from, those of this sample among
	// them; kept is the file that remembers which of their lines each test reaches.
	rooms []string
	kept  string
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

// sample tries breaks drawn at random and prints a line for each as it ends, with its place
// in the draw. Those that do not build are replaced by others. A break is shown to the tests
// that reach its line, and only to those, so a test that notices it by the work of another
// process is not counted.
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
	reaches, err := tree.reachOf(ctx, cfg, out)
	if err != nil {
		return t, err
	}
	d := newDraw(breaks, cfg.from, cfg.count)
	group, ctx := errgroup.WithContext(ctx)
	for range max(cfg.parallel, 1) {
		group.Go(func() error { return d.work(ctx, cfg, tests, reaches, out) })
	}
	err = group.Wait()
	fmt.Fprintf(out, "sample of %d (seed %d): %d killed, %d ran into the limit, %d survived: %.0f %% noticed\n",
		d.tally.all(), cfg.seed, d.tally.killed, d.tally.timedOut, d.tally.survived, d.tally.percent())
	return d.tally, err
}

// tryBreak writes one break into the worktree and runs the tests that reach it until one
// fails; by says which did, or that there are none.
func (w *worktree) tryBreak(ctx context.Context, b mutate.Break, tests []string, reaches map[string]reach, limit time.Duration) (said outcome, by string, err error) {
	if err := w.reset(ctx); err != nil {
		return "", "", err
	}
	file := filepath.Join(w.dir, b.File)
	source, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	if err := os.WriteFile(file, b.Apply(source), 0o644); err != nil {
		return "", "", err
	}
	if _, err := w.goTool(ctx, "build", b.Package); err != nil {
		return noBuild, "", ctx.Err()
	}
	by = ": no test reaches it"
	for _, pkg := range tests {
		reaching := reaches[pkg].of(b)
		if len(reaching) == 0 {
			continue
		}
		by = ""
		if said, by, err := w.show(ctx, pkg, reaching, limit); err != nil || said != survived {
			return said, by, err
		}
	}
	return survived, by, nil
}

// show runs some tests of a package up to the first that fails, and names it.
func (w *worktree) show(ctx context.Context, pkg string, tests []testReach, limit time.Duration) (said outcome, by string, err error) {
	bin := filepath.Join(w.parent, "shown.test")
	if _, err := w.goTool(ctx, "test", "-c", "-o", bin, pkg); err != nil {
		return noBuild, "", ctx.Err()
	}
	for _, batch := range batches(tests) {
		names := make([]string, len(batch))
		for i, t := range batch {
			names[i] = t.Name
		}
		said, out, err := w.runBinary(ctx, pkg, bin, limit, "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$")
		if err != nil || said != survived {
			return said, "; " + firstFailed(out), err
		}
	}
	return survived, "", nil
}

// firstFailed is the test that failed first, by what a test binary printed.
func firstFailed(out []byte) string {
	for line := range strings.Lines(string(out)) {
		if name, failed := strings.CutPrefix(line, "--- FAIL: "); failed {
			name, _, _ = strings.Cut(name, " ")
			return name
		}
	}
	return firstLine(string(out))
}

// runBinary runs a package's test binary in its folder, as go test does.
func (w *worktree) runBinary(ctx context.Context, pkg, bin string, limit time.Duration, args ...string) (outcome, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit+interruptWait)
	defer cancel()
	cmd := w.command(ctx, bin, append(args, "-test.timeout", limit.String())...)
	cmd.Dir = filepath.Join(w.dir, pkg)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded) || timedOutIn(out):
		return timedOut, out, nil
	case ctx.Err() != nil:
		return "", out, ctx.Err()
	case err == nil:
		return survived, out, nil
	case !errors.As(err, &exit):
		return "", out, fmt.Errorf("run the tests of %s: %w", pkg, err)
	}
	return killed, out, nil
}
