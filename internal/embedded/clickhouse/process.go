package clickhouse

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/readside/readside/internal/embedded/clickhousehttp"
	"github.com/readside/readside/internal/embedded/confine"
	"github.com/readside/readside/internal/embedded/keeper"
	"github.com/readside/readside/internal/embedded/libchdb"
)

// serverSpec is what the process that is the ClickHouse server learns by its environment,
// which holds no secret.
type serverSpec struct {
	// Confined reports whether the process runs behind Landlock's wall.
	Confined bool
	// Unconfined says why it does not.
	Unconfined string
}

// serverOrders are the first line of the server's standard input.
type serverOrders struct {
	Dir     string
	Library string
	Allow   bool // readers may ask though the server is not confined
	HTTP    clickhousehttp.Config
}

// serveClickHouse is that process's main function. It keeps the main thread and lets the
// server run on others: where the library runs on the main thread, glibc looks in /proc
// for the thread's stack, and the server may not read there.
func serveClickHouse(spec serverSpec) int {
	runtime.LockOSThread()
	if !confine.OnMainThread() { // the runtime has moved us; a new start has another chance
		self, err := keeper.Executable()
		if err == nil {
			err = become(self, spec)
		}
		fmt.Fprintln(os.Stderr, "embedded ClickHouse:", err)
		return 1
	}
	ended := make(chan int)
	go func() { ended <- serveOffMainThread(spec) }()
	return <-ended
}

// serveOffMainThread ends with SIGTERM or with the server's standard input, which its
// keeper holds.
func serveOffMainThread(spec serverSpec) int {
	// Before the library is loaded, so that it finds the signals taken.
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	var orders serverOrders
	if err := json.NewDecoder(os.Stdin).Decode(&orders); err != nil {
		fmt.Fprintln(os.Stderr, "embedded ClickHouse: read the keeper's orders:", err)
		return 1
	}
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	if err := runClickHouse(ctx, spec, orders); err != nil {
		fmt.Fprintln(os.Stderr, "embedded ClickHouse:", err)
		return 1
	}
	return 0
}

func runClickHouse(ctx context.Context, spec serverSpec, orders serverOrders) error {
	listener, err := net.FileListener(os.NewFile(listenerFile, "listener"))
	if err != nil {
		return err
	}
	defer listener.Close()
	config := orders.HTTP
	switch {
	case spec.Confined:
		if err := confine.Seal(); err != nil {
			return err
		}
	case !orders.Allow:
		config.ReadersRefused = spec.Unconfined
		fallthrough
	default:
		fmt.Fprintln(os.Stderr, "embedded ClickHouse: it runs unconfined:", spec.Unconfined)
	}
	engine, err := libchdb.Open(inheritedLibrary(orders.Library), filepath.Join(orders.Dir, dataDir))
	if err != nil {
		return err
	}
	handler, err := clickhousehttp.New(engine, config)
	if err != nil {
		return err
	}
	defer handler.Close()
	return serveUntil(ctx, listener, handler)
}

// serveUntil serves until ctx ends and the requests under way with it.
func serveUntil(ctx context.Context, listener net.Listener, handler *clickhousehttp.Server) error {
	const drainWait = 3 * time.Second
	server := clickhousehttp.HTTP(handler)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(clickhousehttp.Bound(listener)) }()
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

// inheritedLibrary is the library as the keeper has opened it: its path may lead through
// folders that the server's user may not enter.
func inheritedLibrary(path string) string {
	if keeper.HasProc() {
		return fmt.Sprintf("/proc/self/fd/%d", libraryFile)
	}
	return path
}
