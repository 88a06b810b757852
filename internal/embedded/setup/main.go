// Command setup installs what the embedded stores need, and with -tests what tests need
// besides. The Makefile runs it before anything else; it builds fast, since it needs the
// standard library only.
package main

import (
	"context"
	"errors"
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
	err := install.All(ctx, os.Stderr, "")
	if len(os.Args) == 2 && os.Args[1] == "-tests" {
		err = errors.Join(err, install.PgBouncer(ctx, os.Stderr))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		return 1
	}
	return 0
}
