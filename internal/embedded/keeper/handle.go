package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// stopWait bounds a stop, the removal of a temporary folder included, which takes a
// slow disk long after thousands of parts: beyond it the keeper itself is killed.
const stopWait = 2 * time.Minute

// Handle is the parent's side of a keeper.
type Handle struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *os.File
	decoder *json.Decoder

	mu      sync.Mutex // one command at a time
	stopped bool
	stopErr error
	last    Reply
}

// spawn starts a keeper and its store.
func Spawn(ctx context.Context, name string, spec any) (*Handle, error) {
	if os.Getenv(childVariable) != "" {
		return nil, fmt.Errorf("embedded: this process is a child of this package but took itself for a new one: call embedded.RunIfChild first in main (or dbtest.Main in TestMain)")
	}
	h, err := startKeeper(name, spec)
	if err != nil {
		return nil, fmt.Errorf("embedded: start a keeper: %w", err)
	}
	if err := h.Call(ctx, CommandStart); err != nil {
		_ = h.Stop()
		return nil, err
	}
	return h, nil
}

func startKeeper(name string, spec any) (*Handle, error) {
	self, err := Executable()
	if err != nil {
		return nil, err
	}
	variable, err := ChildEnvironment(name, spec)
	if err != nil {
		return nil, err
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), variable)
	cmd.Stdout, cmd.Stderr = theirs, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		ours.Close()
		return nil, err
	}
	return &Handle{cmd: cmd, in: in, answers: ours, decoder: json.NewDecoder(ours)}, nil
}

// Call sends one command and waits for its answer or the end of ctx.
func (h *Handle) Call(ctx context.Context, command string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return fmt.Errorf("embedded: %s: the store was stopped", command)
	}
	if _, err := io.WriteString(h.in, command+"\n"); err != nil {
		return fmt.Errorf("embedded: %s: the keeper is gone: %w", command, err)
	}
	release := context.AfterFunc(ctx, func() { _ = h.answers.SetReadDeadline(time.Unix(1, 0)) })
	defer release()
	var answer Reply
	if err := h.decoder.Decode(&answer); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("embedded: %s: no answer from the keeper (does main call embedded.RunIfChild first?): %w", command, err)
	}
	if answer.Error != "" {
		return fmt.Errorf("%s", answer.Error)
	}
	h.last = answer
	return nil
}

// State is the store as the last answer described it.
func (h *Handle) State() Reply {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// Stop ends the store and its keeper and waits for both. It may be called again.
func (h *Handle) Stop() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return h.stopErr
	}
	h.stopped = true
	_ = h.in.Close()
	late := time.AfterFunc(stopWait, func() { _ = h.cmd.Process.Kill() })
	defer late.Stop()
	if err := h.cmd.Wait(); err != nil {
		h.stopErr = fmt.Errorf("embedded: the keeper of %s ended badly: %w", h.last.Dir, err)
	}
	_ = h.answers.Close()
	return h.stopErr
}
