package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// What a parent may ask of its keeper, one word a line. The end of the pipe means
// stop and clean up.
const (
	commandStart = "start"
	commandKill  = "kill"
)

// startWait bounds a start, the first initdb of a user included.
const startWait = 60 * time.Second

// reply answers one command.
type reply struct {
	Error string `json:",omitempty"`
	Dir   string // the store's folder
	Port  int    // where it listens on loopback
	PID   int    // the store's main process
	// Secret is what a Postgres's passwords are made from. It goes through the pipe
	// alone: a command line or the environment would show it.
	Secret string `json:",omitempty"`
	// Secrets are the passwords of a ClickHouse's users by their names.
	Secrets map[string]string `json:",omitempty"`
}

// store is what a keeper keeps.
type store interface {
	// prepare makes the folder, once.
	prepare(ctx context.Context) error
	// start runs the store and returns when it answers.
	start(ctx context.Context) error
	// kill ends all its processes at once, as a power cut would.
	kill()
	// stop ends it in order, if it runs.
	stop()
	// remove deletes the folder, if it was temporary.
	remove()
	// state describes the store for a reply.
	state() reply
}

// keep is the keeper's main function: it serves commands from standard input until
// that ends, then leaves nothing behind.
func keep(s store) int {
	// Ctrl-C goes to the whole terminal; the parent decides when we stop.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	commands := make(chan string)
	go readCommands(ctx, cancel, commands)
	defer s.remove()
	defer s.stop()

	answers := json.NewEncoder(os.Stdout)
	for prepared := false; ; {
		select {
		case <-ctx.Done():
			return 0
		case command := <-commands:
			err := obey(ctx, s, command, &prepared)
			answer := s.state()
			if err != nil {
				answer.Error = err.Error()
			}
			// A parent that is gone also ended the pipe: the next turn stops.
			_ = answers.Encode(answer)
		}
	}
}

// readCommands ends with the parent's side of the pipe, and ends ctx then.
func readCommands(ctx context.Context, parentGone context.CancelFunc, commands chan<- string) {
	defer parentGone()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		select {
		case commands <- lines.Text():
		case <-ctx.Done():
			return
		}
	}
}

func obey(ctx context.Context, s store, command string, prepared *bool) error {
	switch command {
	case commandStart:
		ctx, cancel := context.WithTimeout(ctx, startWait)
		defer cancel()
		if !*prepared {
			if err := s.prepare(ctx); err != nil {
				return err
			}
			*prepared = true
		}
		return s.start(ctx)
	case commandKill:
		s.kill()
		return nil
	}
	return fmt.Errorf("embedded: keeper got unknown command %q", command)
}
