package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// command runs a program in dir, its output passed on to progress, and returns its
// standard output.
func command(ctx context.Context, dir string, env []string, progress io.Writer, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = interruptWait
	var stdout, tail bytes.Buffer
	cmd.Stdout = io.MultiWriter(&stdout, progress)
	cmd.Stderr = io.MultiWriter(&tail, progress)
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, lastLine(tail.String()+stdout.String()))
	}
	return stdout.String(), err
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// buildBinary builds the one binary into a folder of its own.
func buildBinary(ctx context.Context, o options) (path string, cleanup func(), err error) {
	dir, err := os.MkdirTemp("", "readside-proof-")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "readside")
	cleanup = func() { _ = os.RemoveAll(dir) } // a leftover in the temporary folder harms nobody
	if _, err := command(ctx, o.repo, nil, o.progress, "go", "build", "-o", path, "./cmd/readside"); err != nil {
		cleanup()
		return "", nil, err
	}
	return path, cleanup, nil
}

// mutants runs the named mutants, all where there are no names; its figures are the table.
func mutants(names ...string) step {
	return func(ctx context.Context, o options) ([]string, error) {
		out, err := command(ctx, o.repo, trimmed(), o.progress, "go", append([]string{"run", "./internal/mutants"}, names...)...)
		return strings.Split(strings.TrimSpace(out), "\n"), err
	}
}

// trimmed is the environment in which checkouts in different folders share the build
// cache.
func trimmed() []string {
	return append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -trimpath"))
}
