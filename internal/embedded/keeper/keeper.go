package keeper

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
// Stop and clean up.
const (
	CommandStart = "start"
	CommandKill  = "kill"
)

// startWait bounds a start, the first initdb of a user included.
const startWait = 60 * time.Second

// Reply answers one command.
type Reply struct {
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

// Store is what a keeper keeps.
type Store interface {
	// Prepare makes the folder, once.
	Prepare(ctx context.Context) error
	// Start runs the store and returns when it answers.
	Start(ctx context.Context) error
	// Kill ends all its processes at once, as a power cut would.
	Kill()
	// Stop ends it in order, if it runs.
	Stop()
	// Remove deletes the folder, if it was temporary.
	Remove()
	// State describes the store for a reply.
	State() Reply
}

// Keep is the keeper's main function: it serves commands from standard input until
// that ends, then leaves nothing behind.
func Keep(s Store) int {
	// Ctrl-C goes to the whole terminal; the parent decides when we stop.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	commands := make(chan string)
	go readCommands(ctx, cancel, commands)
	defer s.Remove()
	defer s.Stop()

	answers := json.NewEncoder(os.Stdout)
	for prepared := false; ; {
		select {
		case <-ctx.Done():
			return 0
		case command := <-commands:
			err := obey(ctx, s, command, &prepared)
			answer := s.State()
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

func obey(ctx context.Context, s Store, command string, prepared *bool) error {
	switch command {
	case CommandStart:
		ctx, cancel := context.WithTimeout(ctx, startWait)
		defer cancel()
		if !*prepared {
			if err := s.Prepare(ctx); err != nil {
				return err
			}
			*prepared = true
		}
		return s.Start(ctx)
	case CommandKill:
		s.Kill()
		return nil
	}
	return fmt.Errorf("embedded: keeper got unknown command %q", command)
}
