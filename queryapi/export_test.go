package queryapi

import "time"

// LookNow makes the next operation look where the views are read best, which happens
// once a second otherwise.
func (a *API) LookNow() {
	s := a.fetcher.sources
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = time.Time{}
}

// UnreadMax is how many bodies are read at the same time.
const UnreadMax = unreadMax
