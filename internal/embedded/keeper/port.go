package keeper

import (
	"errors"
	"fmt"
	"net"
)

// Loopback is the only address that embedded stores listen on.
const Loopback = "127.0.0.1"

// portTriesMax bounds the search for a port: another process may take a free one
// before the store does.
const portTriesMax = 5

// OnFreePort calls start with the port of an earlier start, or else with free ones
// until the store stays up, and remembers that one.
func OnFreePort(port *int, start func(port int) error) error {
	if *port != 0 {
		return start(*port)
	}
	var err error
	for range portTriesMax {
		var free int
		if free, err = freePort(); err != nil {
			return err
		}
		if err = start(free); err == nil {
			*port = free
			return nil
		}
		if !errors.Is(err, errExited) {
			return err
		}
	}
	return err
}

// freePort is a loopback port that nobody listens on just now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", Loopback+":0")
	if err != nil {
		return 0, fmt.Errorf("embedded: find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
