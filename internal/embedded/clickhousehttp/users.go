package clickhousehttp

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// errAuthentication does not say which of the two is wrong.
var errAuthentication = exception(516, "AUTHENTICATION_FAILED", "Authentication failed: the password is incorrect, or there is no user with such name. The store's address, as it is printed, has both.")

// authenticate finds the user who asks, by one of HTTP's ways. A request without a user
// is refused.
func (s *Server) authenticate(r *http.Request) (*User, error) {
	name, password, given := r.BasicAuth()
	values := r.URL.Query()
	switch {
	case given:
	case r.Header.Get("X-ClickHouse-User") != "":
		name, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	case values.Get("user") != "":
		name, password = values.Get("user"), values.Get("password")
	}
	sum := sha256.Sum256([]byte(password))
	var found *User
	for i := range s.config.Users {
		user := &s.config.Users[i]
		// Both are compared for every user, in the same time whatever they are.
		if subtle.ConstantTimeCompare([]byte(name), []byte(user.Name))&subtle.ConstantTimeCompare(sum[:], user.Secret[:]) == 1 {
			found = user
		}
	}
	if found == nil {
		return nil, errAuthentication
	}
	return found, nil
}
