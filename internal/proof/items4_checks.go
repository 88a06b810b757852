package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// issue4Checks is the item of issue 4 on the checks themselves.
var issue4Checks = []item{
	{"4.8", "150 breaks drawn at random: at least 85 % are noticed, the others listed; with all processors busy every patch is killed, three times in a row", []step{
		randomMutants(150, 85),
		busily(mutants()), busily(mutants()), busily(mutants()),
	}},
}

// randomMutants draws breaks of which at least floor percent must be noticed; its figures
// are the survivors and the sums.
func randomMutants(count, floor int) step {
	return func(ctx context.Context, o options) ([]string, error) {
		out, err := command(ctx, o.repo, trimmed(), o.progress, "go", "run", "./internal/mutants",
			"-random", strconv.Itoa(count), "-floor", strconv.Itoa(floor), "-seed", strconv.FormatUint(o.seed, 10))
		var figures []string
		for line := range strings.Lines(out) {
			if strings.Contains(line, "SURVIVED") || strings.Contains(line, "sample of") {
				figures = append(figures, strings.TrimSpace(line))
			}
		}
		return figures, err
	}
}

// countWhileAlive counts for as long as the process lives that its argument names.
const countWhileAlive = `while kill -0 "$1" 2>/dev/null; do i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; done`

// busily runs a step while one process for each processor does nothing but count.
func busily(s step) step {
	return func(ctx context.Context, o options) (figures []string, err error) {
		ctx, cancel := context.WithCancel(ctx)
		var counting []*exec.Cmd
		defer func() {
			cancel()
			for _, cmd := range counting {
				_ = cmd.Wait() // killed
			}
		}()
		for range runtime.NumCPU() {
			cmd := exec.CommandContext(ctx, "sh", "-c", countWhileAlive, "count", strconv.Itoa(os.Getpid()))
			if err := cmd.Start(); err != nil {
				return nil, fmt.Errorf("keep a processor busy: %w", err)
			}
			counting = append(counting, cmd)
		}
		if figures, err = s(ctx, o); err == nil && ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		return figures, err
	}
}
