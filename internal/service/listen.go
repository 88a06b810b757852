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

// Listen takes the address. Where a default one is busy it takes the next free port and
// tells so; one that was set explicitly is an error then.
func Listen(a Address, tell func(message string)) (net.Listener, error) {
	host, port, err := net.SplitHostPort(a.HostPort)
	if err != nil {
		return nil, fmt.Errorf("%s is %q: give host:port, as 127.0.0.1:8080", a.Variable, a.HostPort)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%s is %q: its port is no number from 0 to 65535", a.Variable, a.HostPort)
	}
	l, err := net.Listen("tcp", a.HostPort)
	if err == nil || a.Explicit || !errors.Is(err, syscall.EADDRINUSE) {
		return l, wrapBusy(a, err)
	}
	for next := int(number) + 1; next <= int(number)+portsTried && next <= 65535; next++ {
		l, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(next)))
		if err == nil {
			tell(fmt.Sprintf("%s is busy, so %s is taken; set %s to choose another", a.HostPort, l.Addr(), a.Variable))
			return l, nil
		}
	}
	return nil, wrapBusy(a, err)
}

func wrapBusy(a Address, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("listen on %s: %w: free it, or set %s to another address", a.HostPort, err, a.Variable)
}
