package queryapi

import (
	"net"
	"net/http"
	"net/url"

	"github.com/readside/readside/queryapi/refusal"
)

// localOnly lets only requests through that were meant for this machine: a site that
// makes its own name point at 127.0.0.1 is told by Host, one that posts from its own
// page by Origin.
func (s *Server) localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host) {
			s.forbid(w, r, "address it as 127.0.0.1 or localhost", "the host "+r.Host+" is not this machine's own")
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			u, err := url.Parse(origin)
			if err != nil || !isLocal(u.Host) {
				s.forbid(w, r, "open it from this machine", "the origin "+origin+" may not ask here")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) forbid(w http.ResponseWriter, r *http.Request, hint, message string) {
	s.handler.write(w, r, http.StatusForbidden, refused(refusal.New(refusal.Forbidden, hint, "%s", message)))
}

func isLocal(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	} else if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
