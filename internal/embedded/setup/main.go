// Command setup installs what the embedded stores need. The Makefile runs it
// before anything else; it builds fast, since it needs the standard library only.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/readside/readside/internal/embedded/install"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := install.All(ctx, os.Stderr, ""); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		return 1
	}
	return 0
}
