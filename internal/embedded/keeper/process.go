package keeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// readyPoll is how often a starting store is asked whether it answers.
const readyPoll = 10 * time.Millisecond

// errExited is returned when a store ended while it was expected to start.
var errExited = errors.New("it exited")

// Process is a store's main process with the end of its life as a signal.
type Process struct {
	cmd    *exec.Cmd
	log    string // what it writes
	exited chan struct{}
}

// Launch starts cmd with its output appended to the file log.
func Launch(cmd *exec.Cmd, log string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, log: log, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended is in its log
	}()
	return p, nil
}

// PID is 0 for no process.
func (p *Process) PID() int {
	if p == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Ready waits until answers returns nil, the process exits or ctx ends.
func (p *Process) Ready(ctx context.Context, answers func(context.Context) error) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		err := answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%w: %s", errExited, p.Tail())
		case <-ctx.Done():
			return fmt.Errorf("it did not answer in time (%w): %s", err, p.Tail())
		case <-tick.C:
		}
	}
}

// End sends the signals one after another until the process is gone, and SIGKILL
// at last.
func (p *Process) End(wait time.Duration, signals ...syscall.Signal) {
	if p == nil {
		return
	}
	for _, s := range append(signals, syscall.SIGKILL) {
		_ = p.cmd.Process.Signal(s)
		select {
		case <-p.exited:
			return
		case <-time.After(wait):
		}
	}
}

// Tail is the end of the log, for an error message.
func (p *Process) Tail() string {
	const bytesMax = 1500
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	text = bytes.TrimSpace(text)
	if len(text) > bytesMax {
		text = text[len(text)-bytesMax:]
	}
	return string(text)
}
