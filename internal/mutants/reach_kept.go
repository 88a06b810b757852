package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// keptReach is what the tests of one commit reach. It is kept in a file, so that a sample
// that is tried in parts measures it once.
type keptReach struct {
	Commit   string
	Rooms    []string
	Packages map[string]reach
}

// openReach reads what was measured of the tree's commit, which may be nothing.
func (w *worktree) openReach(ctx context.Context, cfg sampleConfig) (keptReach, error) {
	commit, err := git(ctx, w.dir, "rev-parse", "HEAD")
	if err != nil {
		return keptReach{}, fmt.Errorf("ask for the commit: %w: %s", err, commit)
	}
	fresh := keptReach{Commit: strings.TrimSpace(commit), Rooms: cfg.rooms, Packages: map[string]reach{}}
	text, err := os.ReadFile(cfg.kept)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return keptReach{}, fmt.Errorf("read what tests reach: %w", err)
	}
	var kept keptReach
	if json.Unmarshal(text, &kept) != nil || kept.Commit != fresh.Commit || !slices.Equal(kept.Rooms, fresh.Rooms) {
		return fresh, nil // cut short, or of other source: measured anew
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

// reachOf measures what the tests reach that the suites name, where it is not known, and
// tells how long each package took.
func (w *worktree) reachOf(ctx context.Context, cfg sampleConfig, out io.Writer) (map[string]reach, error) {
	kept, err := w.openReach(ctx, cfg)
	if err != nil {
		return nil, err
	}
	for _, s := range cfg.suites {
		for _, pkg := range s.tests {
			if _, known := kept.Packages[pkg]; known {
				continue
			}
			started := time.Now()
			r, err := w.measureReach(ctx, pkg, cfg.rooms, cfg.limit)
			if err != nil {
				return nil, err
			}
			kept.Packages[pkg] = r
			if err := kept.save(cfg.kept); err != nil {
				return nil, err
			}
			fmt.Fprintf(out, "%s: %d tests, each alone, in %.0f s\n", pkg, len(r.Tests), time.Since(started).Seconds())
		}
	}
	return kept.Packages, nil
}
