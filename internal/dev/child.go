package dev

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Bounds of the program's start and end.
const (
	startWait = 2 * time.Minute
	stopWait  = 30 * time.Second
)

// child is the program that runs.
type child struct {
	binary string
	// serving is closed when the program says that everything runs, ended when it is gone.
	serving, ended chan struct{}
	cmd            *exec.Cmd
	// input ends when this process does, which ends the program.
	input io.Closer
}

// start runs the program's command up.
func start(ctx context.Context, binary string, cfg Config) (*child, error) {
	c := &child{binary: binary, serving: make(chan struct{}), ended: make(chan struct{})}
	c.cmd = exec.CommandContext(context.WithoutCancel(ctx), binary, "up")
	c.cmd.Env, c.cmd.Stderr = cfg.Env, cfg.Err
	// A terminal's Ctrl-C is for this process, which then ends the program.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the program: %w", err)
	}
	go c.follow(out, cfg.Out)
	return c, nil
}

// follow passes on what the program prints until it is gone.
func (c *child) follow(out io.Reader, to io.Writer) {
	serving := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(to, lines.Text())
		if !serving && strings.Contains(lines.Text(), "until Ctrl-C") {
			serving = true
			close(c.serving)
		}
	}
	_ = c.cmd.Wait()
	close(c.ended)
}

// serves waits until everything runs, and reports whether it does.
func (c *child) serves(ctx context.Context) bool {
	select {
	case <-c.serving:
		return true
	case <-c.ended:
	case <-ctx.Done():
	case <-time.After(startWait):
	}
	return false
}

// stop ends the program, in good order if it does that in time.
func (c *child) stop() error {
	err := c.cmd.Process.Signal(syscall.SIGTERM)
	if err != nil { // it is gone
		<-c.ended
		return nil
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(stopWait):
		err = fmt.Errorf("the program did not end within %s", stopWait)
		return errors.Join(err, c.cmd.Process.Kill(), c.input.Close())
	}
}
