package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/dev"
	"github.com/readside/readside/internal/stack"
)

// upDev starts the stores and runs the program on them from its source, again at every
// change.
func upDev(ctx context.Context, p *cli.Program, postgres, env string) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stopWithPipe(p.In, stop)
	config, err := Everything(p, postgres, p.CommandLog())
	if err != nil {
		return err
	}
	if err := config.Setup(ctx, p.Err); err != nil {
		return err
	}
	if starting := config.Starting(); starting != "" {
		fmt.Fprintf(p.Out, "Starting %s …\n", starting)
	}
	stores, err := stack.OpenStores(ctx, &config)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, stores.Stop()) }()
	for _, a := range stores.Addresses() {
		fmt.Fprintf(p.Out, "%-12s%s\n", a[0], a[1])
	}
	forget, err := keepAddresses(p, env, stores.Stores, stores.MartURL())
	if err != nil {
		return err
	}
	defer forget()
	environment := os.Environ()
	for _, a := range addresses(p, stores.Stores, stores.ClickHouseMart) {
		environment = append(environment, a.variable+"="+a.value)
	}
	return dev.Run(ctx, dev.Config{
		Package: mainPackage(), Name: p.App.Name, Env: environment, PostgresURL: stores.PostgresURL, Out: p.Out, Err: p.Err,
	})
}

// mainPackage is the import path of this program's main package, empty where it is not known.
func mainPackage() string {
	if built, ok := debug.ReadBuildInfo(); ok {
		return built.Path
	}
	return ""
}
