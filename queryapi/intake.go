package queryapi

import (
	"container/list"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/readside/readside/queryapi/refusal"
)

// intake reads requests' bodies before they take a place among those that are answered,
// so that clients who send slowly, or nothing, keep no place from others. A body has
// bounds of its own: in bytes, in time, and in how many are being read. Over the last,
// the one that has been read the longest gives way: an honest body takes milliseconds.
type intake struct {
	unreadMax int
	timeout   time.Duration

	mu     sync.Mutex
	unread *list.List // of *unread, the oldest first
}

// unread is a body that is being read.
type unread struct {
	conn    *http.ResponseController
	gaveWay bool
}

const (
	bodyTimeout = 5 * time.Second
	// unreadMax bounds memory too: 1,024 bodies of 64 KB are 64 MB.
	unreadMax = 1024
)

func newIntake(unreadMax int) *intake {
	return &intake{unreadMax: unreadMax, timeout: bodyTimeout, unread: list.New()}
}

// read reads a body to its end.
func (in *intake) read(w http.ResponseWriter, r *http.Request) ([]byte, int, *refusal.Refusal) {
	conn := http.NewResponseController(w)
	// A writer without a connection, as in tests, has no deadline, and no slow client.
	_ = conn.SetReadDeadline(time.Now().Add(in.timeout))
	own := in.add(conn)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	gaveWay := in.remove(own)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		_ = conn.SetReadDeadline(time.Time{})
		return body, http.StatusOK, nil
	case errors.As(err, &tooLarge):
		return nil, http.StatusRequestEntityTooLarge, refusal.Over("body_bytes", bodyBytesMax, bodyBytesMax+1, "ask for less in one request")
	case gaveWay:
		return nil, http.StatusServiceUnavailable, refusal.New(refusal.Busy, "send the body at once", "more than %d requests have not sent their bodies", in.unreadMax)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, http.StatusRequestTimeout, refusal.New(refusal.BadRequest, "send the body at once", "the request's body did not arrive within %v", in.timeout).Because(err)
	}
	return nil, http.StatusBadRequest, refusal.New(refusal.BadRequest, "send it again", "the request's body ended early").Because(err)
}

// add notes a body that is being read, and lets the oldest give way where there are too
// many. Only bodies in the list are touched: their requests are still being read.
func (in *intake) add(conn *http.ResponseController) *list.Element {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.unread.Len() >= in.unreadMax {
		oldest := in.unread.Remove(in.unread.Front()).(*unread)
		oldest.gaveWay = true
		_ = oldest.conn.SetReadDeadline(time.Unix(1, 0))
	}
	return in.unread.PushBack(&unread{conn: conn})
}

// remove forgets a body, and reports whether it had to give way.
func (in *intake) remove(e *list.Element) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.unread.Remove(e)
	return e.Value.(*unread).gaveWay
}
