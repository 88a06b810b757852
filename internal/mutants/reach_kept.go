package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// keptReach is what the tests of each package reach. It is kept in a file, so that a
// sample that is tried in parts, or again with another test, measures it once.
type keptReach map[string]keptPackage

// keptPackage is the reach of a package's tests, and the source that it was measured of.
type keptPackage struct {
	Source string
	Reach  reach
}

func openReach(file string) (keptReach, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return keptReach{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what tests reach: %w", err)
	}
	var kept keptReach
	if json.Unmarshal(text, &kept) != nil || kept == nil {
		return keptReach{}, nil // the file was cut short: measure again
	}
	return kept, nil
}

func (k keptReach) save(file string) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("keep what tests reach: %w", err)
	}
	return os.WriteFile(file, text, 0o644)
}

// reachOf returns what the tests of each package reach that the suites name, and tells how
// long it took where it was not known.
func (w *worktree) reachOf(ctx context.Context, cfg sampleConfig, out io.Writer) (map[string]reach, error) {
	kept, err := openReach(cfg.kept)
	if err != nil {
		return nil, err
	}
	known := map[string]reach{}
	for _, s := range cfg.suites {
		for _, pkg := range s.tests {
			if _, is := known[pkg]; is {
				continue
			}
			if err := kept.refresh(ctx, w, pkg, cfg, out); err != nil {
				return nil, err
			}
			known[pkg] = kept[pkg].Reach
		}
	}
	return known, nil
}

// refresh measures what a package's tests reach, unless it is known of this source.
func (k keptReach) refresh(ctx context.Context, w *worktree, pkg string, cfg sampleConfig, out io.Writer) error {
	source, err := w.sourceOf(ctx, pkg, cfg.rooms)
	if err != nil || k[pkg].Source == source {
		return err
	}
	started := time.Now()
	r, err := w.measureReach(ctx, pkg, cfg.rooms, cfg.limit, cfg.parallel)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d tests, each in a process of its own, in %.0f s\n", pkg, len(r.Tests), time.Since(started).Seconds())
	k[pkg] = keptPackage{source, r}
	return k.save(cfg.kept)
}

// sourceOf is a hash of the rooms' source and of a package's tests.
func (w *worktree) sourceOf(ctx context.Context, pkg string, rooms []string) (string, error) {
	listed, err := git(ctx, w.dir, append([]string{"ls-tree", "-r", "HEAD", "--", pkg}, rooms...)...)
	if err != nil {
		return "", fmt.Errorf("list the source of %s: %w: %s", pkg, err, listed)
	}
	own := strings.TrimPrefix(pkg, "./") + "/"
	sum := sha256.New()
	for line := range strings.Lines(listed) {
		_, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if strings.HasPrefix(file, own) || !strings.HasSuffix(file, "_test.go") {
			fmt.Fprintln(sum, strings.TrimSpace(line))
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}
