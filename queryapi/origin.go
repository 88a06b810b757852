package queryapi

import (
	"errors"
	"net/http"

	"github.com/readside/readside/internal/localonly"
	"github.com/readside/readside/queryapi/refusal"
)

// localOnly lets only requests through that were meant for this machine, not those that
// pages of other sites cause.
func (s *Server) localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if foreign := new(localonly.RefusedError); errors.As(localonly.Check(r), &foreign) {
			s.handler.write(w, r, http.StatusForbidden, refused(refusal.New(refusal.Forbidden, foreign.Hint, "%s", foreign.Reason)))
			return
		}
		next.ServeHTTP(w, r)
	})
}
