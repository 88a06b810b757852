// Command readside is the one binary: every service, every operator's command, and the
// demo. Each command stands in a file of its own and only wires.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/readside/readside/internal/embedded"
)

func main() {
	embedded.RunIfChild()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on the next one ends the process at once; the keepers of the
	// embedded stores then clean up by themselves.
	context.AfterFunc(ctx, stop)
	code := (&program{lookup: os.LookupEnv}).Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
