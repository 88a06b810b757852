package service

import (
	"net"
	"net/http"

	"github.com/readside/readside/internal/localonly"
	"github.com/readside/readside/writemodels/command"
)

// fromHere refuses requests that pages of other sites cause. On loopback the request's
// host must be this machine; an operator who listens on another address has names that are
// not known here, and there the page's own host is all that may ask.
func fromHere(l net.Listener, next http.Handler) http.Handler {
	if !localonly.IsLocal(l.Addr().String()) {
		return http.NewCrossOriginProtection().Handler(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := localonly.CheckStrictly(r); err != nil {
			command.WriteProblem(w, &command.Refusal{Code: "forbidden", Status: http.StatusForbidden, Detail: err.Error()})
			return
		}
		next.ServeHTTP(w, r)
	})
}
