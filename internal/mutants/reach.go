package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/tools/cover"

	"github.com/readside/readside/internal/mutants/mutate"
)

// reach says which lines each test of a package reaches, so that a break is shown only
// to tests that can notice it. It counts lines of the rooms that breaks are drawn from.
type reach struct {
	// Tests are in the order of their time, the quickest first.
	Tests []testReach
	// Counted are the lines of functions, by file below the root. What is outside, such
	// as a variable's first value, counts as reached by every test.
	Counted map[string][]stretch
}

// testReach is one test: how long it takes alone, the start of its stores included, and
// the lines that it runs.
type testReach struct {
	Name    string
	Seconds float64
	Ran     map[string][]stretch
}

// stretch is lines of a file, both ends included.
type stretch struct{ From, To int }

func holds(stretches []stretch, line int) bool {
	return slices.ContainsFunc(stretches, func(s stretch) bool { return s.From <= line && line <= s.To })
}

// of returns the tests that reach a break, the quickest first.
func (r reach) of(b mutate.Break) []testReach {
	if !holds(r.Counted[b.File], b.Line) {
		return r.Tests
	}
	var reaching []testReach
	for _, t := range r.Tests {
		if holds(t.Ran[b.File], b.Line) {
			reaching = append(reaching, t)
		}
	}
	return reaching
}

// firstBatch is how long the first tests that a break is shown to take together; each
// batch after it may take longer by lengthened.
const (
	firstBatch = 10.0 // seconds
	lengthened = 6
)

// batches cuts tests into runs of one test binary each: a few quick ones, which notice
// most breaks, before many slow ones.
func batches(tests []testReach) [][]testReach {
	var all [][]testReach
	var batch []testReach
	took, bound := 0.0, firstBatch
	for _, t := range tests {
		if len(batch) > 0 && took+t.Seconds > bound {
			all, batch, took, bound = append(all, batch), nil, 0, bound*lengthened
		}
		batch, took = append(batch, t), took+t.Seconds
	}
	if len(batch) > 0 {
		all = append(all, batch)
	}
	return all
}

// measureReach runs every test of a package in a process of its own, parallel of them at a
// time, and sees which lines of the rooms it runs. One that fails without a break is an error: it would kill every break.
func (w *worktree) measureReach(ctx context.Context, pkg string, rooms []string, limit time.Duration, parallel int) (reach, error) {
	r := reach{Counted: map[string][]stretch{}}
	bin := filepath.Join(w.parent, "reach.test")
	if out, err := w.goTool(ctx, "test", "-c", "-cover", "-covermode=set", "-coverpkg="+strings.Join(rooms, ","), "-o", bin, pkg); err != nil {
		return r, fmt.Errorf("build the tests of %s: %w: %s", pkg, err, firstComplaint(out))
	}
	module, err := w.goTool(ctx, "list", "-m")
	if err != nil {
		return r, fmt.Errorf("ask for the module's name: %w", err)
	}
	_, names, err := w.runBinary(ctx, pkg, bin, limit, "-test.list", ".")
	if err != nil {
		return r, err
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(parallel, 1))
	for _, name := range strings.Fields(string(names)) {
		if !testName.MatchString(name) {
			continue
		}
		group.Go(func() error {
			t, counted, err := w.measureTest(ctx, pkg, bin, name, strings.TrimSpace(string(module))+"/", limit)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			r.Tests, r.Counted = append(r.Tests, t), counted
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return r, err
	}
	slices.SortStableFunc(r.Tests, func(a, b testReach) int { return int(1000 * (a.Seconds - b.Seconds)) })
	return r, nil
}

func (w *worktree) measureTest(ctx context.Context, pkg, bin, name, module string, limit time.Duration) (testReach, map[string][]stretch, error) {
	t := testReach{Name: name, Ran: map[string][]stretch{}}
	file := filepath.Join(w.parent, "reach-"+name+".out")
	started := time.Now()
	said, out, err := w.runBinary(ctx, pkg, bin, limit, "-test.run", "^"+name+"$", "-test.coverprofile", file)
	if err != nil || said != survived {
		return t, nil, errors.Join(err, fmt.Errorf("the tests of %s fail without a break: %s %s: %s", pkg, name, said, lastWords(out)))
	}
	t.Seconds = time.Since(started).Seconds()
	profiles, err := cover.ParseProfiles(file)
	if err != nil {
		return t, nil, fmt.Errorf("read which lines %s runs: %w", name, err)
	}
	counted := map[string][]stretch{}
	for _, p := range profiles {
		name := strings.TrimPrefix(p.FileName, module)
		for _, b := range p.Blocks {
			s := stretch{b.StartLine, b.EndLine}
			counted[name] = append(counted[name], s)
			if b.Count > 0 {
				t.Ran[name] = append(t.Ran[name], s)
			}
		}
	}
	return t, counted, os.Remove(file)
}

// lastWordsMax is how much is shown of what a failing test printed.
const lastWordsMax = 2000

func lastWords(out []byte) string { return string(out[max(0, len(out)-lastWordsMax):]) }
