package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// bound is what a benchmark's ratio must reach, or must not exceed.
type bound struct {
	ratio string
	// limit must be kept; aim, unless 0, is what was hoped for.
	limit, aim float64
	// most reports whether limit is the most that the ratio may be, not the least.
	most bool
}

func atLeast(ratio string, limit, aim float64) bound { return bound{ratio, limit, aim, false} }
func atMost(ratio string, limit, aim float64) bound  { return bound{ratio, limit, aim, true} }

// check returns a line with the ratio and its bound, and an error where it is not kept.
func (b bound) check(ratios map[string]float64) (line string, err error) {
	got, ok := ratios[b.ratio]
	if !ok {
		return "", fmt.Errorf("bench names no %s", b.ratio)
	}
	word := "at least"
	if b.most {
		word = "at most"
	}
	line = fmt.Sprintf("%-24s %8.2f, wanted %s %g", b.ratio, got, word, b.limit)
	if b.aim != 0 {
		line += fmt.Sprintf(", hoped for %g", b.aim)
	}
	if b.most && got > b.limit || !b.most && got < b.limit {
		return line, errors.New(line)
	}
	return line, nil
}

// bench runs benchmarks by name and holds their ratios against bounds.
func bench(names []string, bounds ...bound) step {
	return func(ctx context.Context, o options) ([]string, error) {
		binary, cleanup, err := buildBinary(ctx, o)
		if err != nil {
			return nil, err
		}
		defer cleanup()
		out, err := command(ctx, o.repo, nil, o.progress, binary, append(append([]string{"bench"}, names...), "--json")...)
		if err != nil {
			return nil, err
		}
		figures, errs := kept(out, bounds)
		return append(strings.Split(strings.TrimSpace(out), "\n"), figures...), errs
	}
}

// kept holds the ratios of the last line against the bounds, all of them.
func kept(out string, bounds []bound) (figures []string, err error) {
	var result struct{ Ratios map[string]float64 }
	if err := json.Unmarshal([]byte(lastLine(out)), &result); err != nil {
		return nil, fmt.Errorf("the last line of bench is not its JSON: %w", err)
	}
	var errs []error
	for _, b := range bounds {
		line, err := b.check(result.Ratios)
		if line != "" {
			figures = append(figures, line)
		}
		errs = append(errs, err)
	}
	return figures, errors.Join(errs...)
}
