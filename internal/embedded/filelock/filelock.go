// Package filelock is a lock between processes that ends with its holder, however
// that ends.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// poll is how often Wait asks again.
const poll = 100 * time.Millisecond

// ErrHeld is returned when another process, or another holder in this one, has the lock.
var ErrHeld = errors.New("the lock is held")

// Lock is a held lock.
type Lock struct{ file *os.File }

// Release gives the lock up. The file stays.
func (l *Lock) Release() { _ = l.file.Close() }

// Try takes the lock on a file, which is made if it is missing, or says ErrHeld.
func Try(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			err = ErrHeld
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{file: file}, nil
}

// Wait takes the lock as soon as it is free, or fails when ctx ends.
func Wait(ctx context.Context, path string) (*Lock, error) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		lock, err := Try(path)
		if !errors.Is(err, ErrHeld) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		case <-tick.C:
		}
	}
}
