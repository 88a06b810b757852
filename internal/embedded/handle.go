package embedded

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

// handle is the parent's side of a keeper.
type handle struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *os.File
	decoder *json.Decoder

	mu      sync.Mutex // one command at a time
	stopped bool
	stopErr error
	last    reply
}

// spawn starts a keeper and its store.
func spawn(ctx context.Context, spec childSpec) (*handle, error) {
	if os.Getenv(childVariable) != "" {
		return nil, fmt.Errorf("embedded: this process is a child of this package but took itself for a new one: call embedded.RunIfChild first in main (or dbtest.Main in TestMain)")
	}
	h, err := startKeeper(spec)
	if err != nil {
		return nil, fmt.Errorf("embedded: start a keeper: %w", err)
	}
	if err := h.call(ctx, commandStart); err != nil {
		_ = h.stop()
		return nil, err
	}
	return h, nil
}

func startKeeper(spec childSpec) (*handle, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
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
	return &handle{cmd: cmd, in: in, answers: ours, decoder: json.NewDecoder(ours)}, nil
}

// call sends one command and waits for its answer or the end of ctx.
func (h *handle) call(ctx context.Context, command string) error {
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
	var answer reply
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

// state is the store as the last answer described it.
func (h *handle) state() reply {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// stop ends the store and its keeper and waits for both. It may be called again.
func (h *handle) stop() error {
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
