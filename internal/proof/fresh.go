package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// freshMachine clones HEAD and runs what a newcomer runs, with no cache at all, and then
// once more without a network. (The Postgres that the system has stays; that its
// packages are installed where it is missing, the tests of internal/embedded/install show.)
func freshMachine(ctx context.Context, o options) (figures []string, err error) {
	dir, err := os.MkdirTemp("", "readside-fresh-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, removeAll(ctx, dir)) }()
	clone := filepath.Join(dir, "clone")
	if _, err := command(ctx, o.repo, nil, o.progress, "git", "clone", "--quiet", ".", clone); err != nil {
		return nil, err
	}
	env, err := emptyEnvironment(ctx, filepath.Join(dir, "home"))
	if err != nil {
		return nil, err
	}
	runs := []struct {
		says string
		args []string
	}{
		{"make demo, first", []string{"make", "demo", "DEMO_FLAGS=--for 5s --summary json"}},
		{"make test, first", []string{"make", "test"}},
		// Without -count=1 it would only repeat what the first run printed.
		{"make test, without a network", offline("make", "test", "TEST_FLAGS=-count=1")},
		{"make demo, without a network", offline("make", "demo", "DEMO_FLAGS=--for 5s --summary json")},
	}
	for _, r := range runs {
		started := time.Now()
		if _, err := command(ctx, clone, env, o.progress, r.args[0], r.args[1:]...); err != nil {
			return figures, fmt.Errorf("%s: %w", r.says, err)
		}
		figures = append(figures, fmt.Sprintf("%s: %s", r.says, time.Since(started).Round(time.Second)))
	}
	return figures, nil
}

// offline runs a command where only the loopback is reached. Who is not root becomes no
// root by it: a mapped root cannot give the stores' folders to their user.
func offline(args ...string) []string {
	unshare := []string{"unshare", "--net"}
	if os.Getuid() != 0 {
		unshare = append(unshare, "--map-current-user", "--keep-caps")
	}
	return append(append(unshare, "sh", "-c", `ip link set lo up && exec "$@"`, "offline"), args...)
}

// emptyEnvironment is one in which nothing was downloaded or built yet. How the world
// is reached stays as it is.
func emptyEnvironment(ctx context.Context, home string) ([]string, error) {
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	env := []string{"HOME=" + home}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "MAKE"), name == "MFLAGS": // a make below this one would say which folders it leaves
		case name == "HOME", strings.HasPrefix(name, "XDG_"), name == "GOPATH", name == "GOCACHE", name == "GOMODCACHE", strings.HasPrefix(name, "READSIDE_"):
		default:
			env = append(env, kv)
		}
	}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB"} {
		out, err := exec.CommandContext(ctx, "go", "env", name).Output()
		if err != nil {
			return nil, fmt.Errorf("ask go env %s: %w", name, err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(out)))
	}
	return env, nil
}

// removeAll removes a folder with a module cache in it, whose files are read-only.
func removeAll(ctx context.Context, dir string) error {
	_ = exec.CommandContext(context.WithoutCancel(ctx), "chmod", "-R", "u+w", dir).Run() // RemoveAll tells what stayed
	return os.RemoveAll(dir)
}
