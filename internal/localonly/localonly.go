// Package localonly refuses HTTP requests that were not meant for this machine's own
// programs and pages.
//
// Loopback is no boundary: a page of any site that is open in a browser here reaches it.
// A site that makes its own name point at 127.0.0.1 (DNS rebinding) is recognised by the
// request's Host; a page of another site by its Origin, or by Sec-Fetch-Site where a
// browser sends no Origin. Programs send neither of the two.
package localonly

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// RefusedError says why a request is refused. Hint says how to ask instead.
type RefusedError struct{ Reason, Hint string }

func (e *RefusedError) Error() string { return e.Reason + ": " + e.Hint }

// Check returns a *RefusedError for a request that another site caused. A person who
// follows a link to a page of this machine is let through: that changes nothing, and the
// other site does not see the answer.
func Check(r *http.Request) error {
	return check(r, true)
}

// CheckStrictly is Check for servers that have no pages: it also refuses followed links.
func CheckStrictly(r *http.Request) error {
	return check(r, false)
}

func check(r *http.Request, links bool) error {
	if !IsLocal(r.Host) {
		return &RefusedError{
			Reason: fmt.Sprintf("the host %s is not this machine's own", r.Host),
			Hint:   "address it as 127.0.0.1 or localhost",
		}
	}
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		for _, origin := range origins {
			if u, err := url.Parse(origin); err != nil || !IsLocal(u.Host) {
				return &RefusedError{Reason: fmt.Sprintf("the origin %s may not ask here", origin), Hint: "open it from this machine"}
			}
		}
		return nil
	}
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" && !(links && followed(r)) {
		return &RefusedError{Reason: "a page of another site may not ask here", Hint: "open it from this machine"}
	}
	return nil
}

// followed reports whether a person follows a link to a whole page.
func followed(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// IsLocal reports whether a host, with or without a port, is this machine by a name that
// no other site can have. The port is not compared: pages cannot forge the host, and
// forwarded ports are common.
func IsLocal(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	} else if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
