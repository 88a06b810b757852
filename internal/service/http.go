package service

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Bounds of the command API's HTTP server.
const (
	headerWait  = 5 * time.Second
	requestWait = 30 * time.Second
	idleWait    = 2 * time.Minute
	drainWait   = 10 * time.Second
	headerBytes = 16 << 10
)

// serveHTTP serves until ctx ends, and then lets the requests under way finish.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler: fromHere(l, h), ReadHeaderTimeout: headerWait, ReadTimeout: requestWait, WriteTimeout: requestWait,
		IdleTimeout: idleWait, MaxHeaderBytes: headerBytes,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWait)
	defer cancel()
	err := server.Shutdown(drain)
	if serving := <-ended; !errors.Is(serving, http.ErrServerClosed) {
		err = errors.Join(err, serving)
	}
	return err
}
