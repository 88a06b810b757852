package embedded

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/readside/readside/internal/embedded/clickhousehttp"
	"github.com/readside/readside/internal/embedded/libchdb"
)

// serverSpec is what the process that is the ClickHouse server needs to know.
type serverSpec struct {
	Library string
	Dir     string
}

// listenerFile is where the server finds its listener: the first of cmd.ExtraFiles.
const listenerFile = 3

// serveClickHouse is that process's main function. It ends with SIGTERM or with its
// standard input, which its keeper holds.
func serveClickHouse(spec serverSpec) int {
	// Before the library is loaded, so that it finds the signals taken.
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	if err := runClickHouse(ctx, spec); err != nil {
		fmt.Fprintln(os.Stderr, "embedded ClickHouse:", err)
		return 1
	}
	return 0
}

func runClickHouse(ctx context.Context, spec serverSpec) error {
	listener, err := net.FileListener(os.NewFile(listenerFile, "listener"))
	if err != nil {
		return err
	}
	defer listener.Close()
	engine, err := libchdb.Open(spec.Library, filepath.Join(spec.Dir, "data"))
	if err != nil {
		return err
	}
	handler, err := clickhousehttp.New(engine)
	if err != nil {
		return err
	}
	defer handler.Close()
	return serveUntil(ctx, listener, handler)
}

// serveUntil serves until ctx ends and the requests under way with it.
func serveUntil(ctx context.Context, listener net.Listener, handler http.Handler) error {
	const drainWait = 3 * time.Second
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWait)
	defer cancel()
	if err := server.Shutdown(late); err != nil {
		return server.Close() // what is still under way loses its client, and so is killed
	}
	return nil
}
