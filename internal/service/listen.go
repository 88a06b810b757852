package service

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// portsTried bounds the search for a free port.
const portsTried = 50

// Address is where a service listens.
type Address struct {
	// Variable is the variable that sets it, for messages.
	Variable string
	// HostPort is the address; Explicit says that somebody set it.
	HostPort string
	Explicit bool
}

// Listen takes the address as FreePort does.
func Listen(a Address, tell func(message string)) (net.Listener, error) {
	return FreePort(a, tell, func(hostPort string) (net.Listener, error) { return net.Listen("tcp", hostPort) })
}

// FreePort opens the address. Where a default one is busy it opens the next free port
// and tells so; one that was set explicitly is an error then.
func FreePort[L any](a Address, tell func(message string), open func(hostPort string) (L, error)) (l L, err error) {
	host, port, err := net.SplitHostPort(a.HostPort)
	if err != nil {
		return l, fmt.Errorf("%s is %q: give host:port, as 127.0.0.1:8080", a.Variable, a.HostPort)
	}
	first, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return l, fmt.Errorf("%s is %q: its port is no number from 0 to 65535", a.Variable, a.HostPort)
	}
	last := min(int(first)+portsTried, 65535)
	if a.Explicit {
		last = int(first)
	}
	for next := int(first); next <= last; next++ {
		at := net.JoinHostPort(host, strconv.Itoa(next))
		l, err = open(at)
		if err == nil && next > int(first) {
			tell(fmt.Sprintf("%s is busy, so %s is taken; set %s to choose another", a.HostPort, at, a.Variable))
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return l, fmt.Errorf("listen on %s: %w: free it, or set %s to another address", a.HostPort, err, a.Variable)
	}
	return l, nil
}
