package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// worktree is a throwaway checkout of HEAD.
type worktree struct {
	repo string
	// parent is the temporary folder, dir the checkout in it.
	parent, dir string
}

func openWorktree(ctx context.Context, repo string) (*worktree, error) {
	parent, err := os.MkdirTemp("", "readside-mutants-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the worktree: %w", err)
	}
	w := &worktree{repo: repo, parent: parent, dir: filepath.Join(parent, "tree")}
	if out, err := git(ctx, repo, "worktree", "add", "--quiet", "--detach", w.dir, "HEAD"); err != nil {
		return nil, errors.Join(fmt.Errorf("make a worktree of HEAD: %w: %s", err, out), w.close())
	}
	return w, nil
}

// closeWait bounds the removal of the worktree, which an interrupt must not prevent.
const closeWait = 30 * time.Second

func (w *worktree) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	err := os.RemoveAll(w.parent)
	if out, pruneErr := git(ctx, w.repo, "worktree", "prune"); pruneErr != nil {
		err = errors.Join(err, fmt.Errorf("forget the worktree: %w: %s", pruneErr, out))
	}
	return err
}

// reset makes the checkout HEAD again.
func (w *worktree) reset(ctx context.Context) error {
	for _, args := range [][]string{{"checkout", "--quiet", "--force", "HEAD", "--", "."}, {"clean", "-fdq"}} {
		if out, err := git(ctx, w.dir, args...); err != nil {
			return fmt.Errorf("reset the worktree: %w: %s", err, out)
		}
	}
	return nil
}

// apply applies a patch, and says what git has against it.
func (w *worktree) apply(ctx context.Context, patch string) (complaint string) {
	if out, err := git(ctx, w.dir, "apply", "--whitespace=nowarn", patch); err != nil {
		return firstLine(out + err.Error())
	}
	return ""
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)) + " ", err
}

// interruptWait is how long an interrupted test has for stopping its stores.
const interruptWait = 20 * time.Second

// goTool runs go in the checkout. (The Makefile sets GOFLAGS=-trimpath, so that
// checkouts in different folders share the build cache.)
func (w *worktree) goTool(ctx context.Context, args ...string) ([]byte, error) {
	return w.command(ctx, "go", args...).CombinedOutput()
}

// command is a program that runs in the checkout and may stop its stores when interrupted.
func (w *worktree) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = w.dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = interruptWait
	return cmd
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}
